// When a rule is reconciled by itself. The time of the next run is kept durably, so that a restart neither skips one
// nor repeats it, however often the service is restarted.
import type { Clock } from '../core/clock.ts';
import type { DurableNotes } from '../core/durable-notes.ts';
import type { Happenings } from '../core/happenings.ts';
import type { Rule } from '../core/rule.ts';
import type { RunHappenings } from '../core/run-happenings.ts';
import type { Run, RunControl, RunScope } from './run.ts';

/** A rule that was never reconciled is, so long after the service has seen it first. */
const FIRST_RUN_MS = 3_600_000;
/** A run that failed is tried again after this, or after the interval where that is shorter. */
const AFTER_FAILURE_MS = 3_600_000;
const LONGEST_SLEEP_MS = 60_000;

/** Unix milliseconds. */
interface Plan {
  readonly dueAtMs: number;
  /** Null: never. */
  readonly completedAtMs: number | null;
}

interface ScheduleOptions {
  readonly rules: readonly Rule[];
  readonly notes: DurableNotes;
  readonly clock: Clock;
  readonly happenings: Pick<Happenings, 'workerTroubled'>;
  readonly runHappenings: Pick<RunHappenings, 'reconcileKnown'>;
  /** Between the begins of two runs of a rule; null: only on request. */
  readonly intervalMs: number | null;
}

/** Everything that the rule covers, at every source bucket. */
export function wholeRule({ name, source }: Rule): RunScope {
  return { ruleName: name, buckets: source.bucket === '*' ? null : [source.bucket], prefix: source.prefix };
}

/** Begins runs when they are due. */
export class ReconcileSchedule {
  readonly #options: ScheduleOptions;
  readonly #plans = new Map<string, Plan>();
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();

  private constructor(options: ScheduleOptions) {
    this.#options = options;
  }

  /** Reads what is kept. Rejects where the notes cannot be read or written. */
  static async open(options: ScheduleOptions): Promise<ReconcileSchedule> {
    const schedule = new ReconcileSchedule(options);
    const { rules, notes, clock, intervalMs, runHappenings } = options;
    for (const { name } of rules) {
      const note = await notes.read(noteOf(name));
      const kept = note === null ? null : (JSON.parse(note.value) as Plan);
      const latestMs = clock.nowMs() + (intervalMs ?? FIRST_RUN_MS);
      const dueAtMs = Math.min(kept?.dueAtMs ?? clock.nowMs() + FIRST_RUN_MS, latestMs);
      const completedAtMs = kept?.completedAtMs ?? null;
      await schedule.#plan(name, { dueAtMs, completedAtMs });
      if (completedAtMs !== null) runHappenings.reconcileKnown({ ruleName: name, completedAtMs });
    }
    return schedule;
  }

  /** Begins to watch the time. Call once. */
  start(runs: Pick<RunControl, 'start'>): void {
    const { intervalMs } = this.#options;
    if (intervalMs !== null) this.#running = this.#run(runs, intervalMs);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** A run of everything that a rule covers has ended, whoever asked for it. */
  async ended(run: Run): Promise<void> {
    const { clock, intervalMs } = this.#options;
    const plan = this.#plans.get(run.ruleName);
    if (plan === undefined) return;
    const nowMs = clock.nowMs();
    if (run.state === 'completed') {
      const dueAtMs = Math.max(plan.dueAtMs, run.createdAtMs + (intervalMs ?? 0));
      await this.#plan(run.ruleName, { dueAtMs, completedAtMs: run.endedAtMs });
    } else if (run.state === 'failed') {
      const dueAtMs = Math.min(plan.dueAtMs, nowMs + AFTER_FAILURE_MS);
      await this.#plan(run.ruleName, { ...plan, dueAtMs });
    }
  }

  async #run(runs: Pick<RunControl, 'start'>, intervalMs: number): Promise<void> {
    const { clock, happenings } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#startDue(runs, intervalMs);
      } catch (error) {
        happenings.workerTroubled({ doing: 'beginning a reconcile', error });
      }
      const dueInMs = [...this.#plans.values()].map(({ dueAtMs }) => dueAtMs - clock.nowMs());
      const sleepMs = Math.min(LONGEST_SLEEP_MS, ...dueInMs.filter((ms) => ms > 0));
      await clock.sleep(sleepMs, signal).catch(() => {});
    }
  }

  async #startDue(runs: Pick<RunControl, 'start'>, intervalMs: number): Promise<void> {
    const { rules, clock } = this.#options;
    for (const rule of rules) {
      const plan = this.#plans.get(rule.name);
      if (plan === undefined || plan.dueAtMs > clock.nowMs()) continue;
      // The run first: a crash in between begins it again, and does not skip it.
      await runs.start(wholeRule(rule), 'schedule');
      const { completedAtMs } = this.#plans.get(rule.name) ?? plan;
      await this.#plan(rule.name, { completedAtMs, dueAtMs: clock.nowMs() + intervalMs });
    }
  }

  async #plan(ruleName: string, plan: Plan): Promise<void> {
    const { notes } = this.#options;
    this.#plans.set(ruleName, plan);
    const note = await notes.read(noteOf(ruleName));
    const value = JSON.stringify(plan);
    if (note?.value === value) return;
    const isWritten = await notes.write(noteOf(ruleName), value, note?.version ?? null);
    if (!isWritten) throw new Error(`Somebody else plans the reconciles of the rule ${ruleName}`);
  }
}

function noteOf(ruleName: string): string {
  return `reconcile-plan:${ruleName}`;
}
