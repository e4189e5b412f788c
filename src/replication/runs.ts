// The runs of one kind: begun by request or by the schedule, listed one after another, resumed after a restart where
// they were, and watched until what they fed has ended. How a kind lists is given from outside.
import { backoffMs } from '../core/backoff.ts';
import type { Clock, Random } from '../core/clock.ts';
import type { DurableNotes } from '../core/durable-notes.ts';
import { Fault, recordOfFault, toFault } from '../core/faults.ts';
import type { Happenings } from '../core/happenings.ts';
import type { Rule } from '../core/rule.ts';
import type { RunHappenings, RunRef } from '../core/run-happenings.ts';
import type { TransferQueue } from '../core/transfer-queue.ts';
import type { ScanRequest } from './backfill.ts';
import { type FedTransfer, feedQueue, waitForRoom } from './feed-queue.ts';
import { RunRecord } from './run-record.ts';
import { isBug } from './record-end.ts';
import {
  hasRunEnded,
  isSameScope,
  type Run,
  type RunControl,
  type RunKind,
  type RunScope,
  type ScanPage,
  waitingRun,
} from './run.ts';

/** Runs that have ended and are still shown. */
const SHOWN_ENDED_RUNS = 20;
/** Between two steps of a listing, so that it never takes all of a store's patience. */
const STEP_PAUSE_MS = 20;
/** Ends that nobody told of are looked for this often, and the numbers of a draining run are kept. */
const SWEEP_MS = 15_000;
const RETRY = { baseMs: 1000, capMs: 60_000 };

export interface RunsOptions {
  readonly kind: RunKind;
  readonly rules: readonly Rule[];
  readonly queue: TransferQueue;
  readonly notes: DurableNotes;
  readonly clock: Clock;
  readonly random: Random;
  readonly newId: () => string;
  readonly happenings: Happenings;
  readonly runHappenings: RunHappenings;
  /** Lists a part of a rule, in steps. Throws faults of the stores. */
  readonly scan: (request: ScanRequest, signal: AbortSignal) => AsyncIterator<ScanPage>;
  /** The source buckets of a rule that is for every bucket. */
  readonly findBuckets?: (rule: Rule, signal: AbortSignal) => Promise<readonly string[]>;
  /** A run has come to its end, whichever. */
  readonly onEnded?: (run: Run) => Promise<void>;
  /** False while nothing should be added to the queue, such as a disk that is almost full. */
  readonly mayFeed?: () => boolean;
}

/** Works on runs until it is stopped. */
export class Runs implements RunControl {
  readonly #options: RunsOptions;
  readonly #records: RunRecord[] = [];
  readonly #stopping = new AbortController();
  readonly #cancelling = new Map<string, AbortController>();
  #wake: () => void = () => {};
  #working: Promise<unknown> = Promise.resolve();
  #judging: Promise<void> = Promise.resolve();
  #starting: Promise<unknown> = Promise.resolve();
  #unlisten: () => void = () => {};
  #failures = 0;

  private constructor(options: RunsOptions) {
    this.#options = options;
  }

  /** Reads what is kept and goes on with it. Rejects where the notes cannot be read. */
  static async open(options: RunsOptions): Promise<Runs> {
    const runs = new Runs(options);
    const { notes, kind, queue, runHappenings } = options;
    runs.#records.push(...(await RunRecord.load(notes, kind)));
    for (const { run } of runs.#records) {
      if (run.state === 'listing' || run.state === 'draining')
        runHappenings.runResumed({ ...refOf(run), listed: run.counts.listed });
    }
    runs.#unlisten = queue.onChanged((ids) => runs.#judgeSoon(ids));
    runs.#working = Promise.all([runs.#work(), runs.#sweep()]);
    return runs;
  }

  get kind(): RunKind {
    return this.#options.kind;
  }

  /** Stops listing; what is kept goes on at the next start. Resolves when nothing runs any more. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake();
    this.#unlisten();
    await this.#working;
    await this.#judging;
  }

  list(): readonly Run[] {
    return this.#records.map(({ run }) => run).toReversed();
  }

  get(id: string): Run | null {
    return this.#record(id)?.run ?? null;
  }

  /**
   * Begins a run; durable when this resolves. One of the same scope that has not read everything yet is answered
   * instead: what it still has to list, it lists later than this request.
   */
  async start(scope: RunScope, trigger: Run['trigger']): Promise<Run> {
    // One after the other, so that two requests at once for the same find each other.
    const started = this.#starting.then(() => this.#startNow(scope, trigger));
    this.#starting = started.catch(() => {});
    return started;
  }

  async #startNow(scope: RunScope, trigger: Run['trigger']): Promise<Run> {
    const { kind, clock, newId } = this.#options;
    const same = this.#records.find(
      ({ run }) => (run.state === 'waiting' || run.state === 'listing') && isSameScope(run, scope),
    );
    if (same !== undefined) return same.run;
    const createdAtMs = clock.nowMs();
    return this.#begin(waitingRun({ scope, trigger, kind, id: newId(), createdAtMs }));
  }

  /** Begins a run that another process was asked for, under the id that it answered. */
  async adopt(run: Run): Promise<void> {
    const adopted = this.#starting.then(async () => this.get(run.id) ?? this.#begin(run));
    this.#starting = adopted.catch(() => {});
    await adopted;
  }

  async #begin(run: Run): Promise<Run> {
    const record = await RunRecord.begin(this.#options.notes, run);
    this.#records.push(record);
    this.#wake();
    return record.run;
  }

  async cancel(id: string): Promise<Run | null> {
    const record = this.#record(id);
    if (record === null || hasRunEnded(record.run)) return record?.run ?? null;
    this.#cancelling.get(id)?.abort();
    await this.#end(record, 'cancelled', null);
    return record.run;
  }

  #record(id: string): RunRecord | null {
    return this.#records.find(({ run }) => run.id === id) ?? null;
  }

  async #work(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      const next = this.#records.find(({ run }) => run.state === 'waiting' || run.state === 'listing');
      if (next === undefined) await woken;
      else await this.#workOn(next);
    }
  }

  async #workOn(record: RunRecord): Promise<void> {
    const { clock, runHappenings } = this.#options;
    const cancelling = new AbortController();
    this.#cancelling.set(record.run.id, cancelling);
    const signal = AbortSignal.any([this.#stopping.signal, cancelling.signal]);
    try {
      if (record.run.state === 'waiting') {
        const { buckets, prefix, trigger } = record.run;
        record.change({ state: 'listing', startedAtMs: clock.nowMs() });
        runHappenings.runStarted({ ...refOf(record.run), buckets, prefix, trigger });
      }
      await this.#listAll(record, signal);
      // Cancelled while the last step was written down.
      if (hasRunEnded(record.run)) return;
      record.change({ state: 'draining' });
      await record.keep();
      await this.#judge(record.openIds());
      await this.#completeIfDrained(record);
    } catch (error) {
      if (!signal.aborted) await this.#failed(record, error, signal);
    } finally {
      this.#cancelling.delete(record.run.id);
    }
  }

  async #listAll(record: RunRecord, signal: AbortSignal): Promise<void> {
    const { rules, findBuckets, clock } = this.#options;
    const { ruleName } = record.run;
    const rule = rules.find(({ name }) => name === ruleName);
    if (rule === undefined) throw new Fault('rule_missing', `No rule named "${ruleName}" is configured`);
    if (record.run.buckets === null) {
      if (findBuckets === undefined) throw new Error('A run for every bucket needs to find them');
      record.change({ buckets: await findBuckets(rule, signal) });
    }
    const buckets = record.run.buckets ?? [];
    for (let index = record.run.position.bucketIndex; index < buckets.length; index += 1) {
      try {
        await this.#listBucket(record, rule, buckets[index] ?? '', signal);
      } catch (error) {
        // Of many buckets one may be gone, which is no failure, or forbidden: the others are listed all the same.
        const isOfBucket = error instanceof Fault && error.disposition === 'park' && buckets.length > 1;
        if (!isOfBucket) throw error;
        if (error.code !== 'source_bucket_missing') record.passOver(recordOfFault(error, clock.nowMs()));
      }
      record.change({ position: { bucketIndex: index + 1, after: null } });
      await record.keep();
    }
    // Kept with the run: a restart in between must not make a whole one of it.
    const { passedOver } = record;
    if (passedOver !== null)
      throw new Fault(passedOver.code, passedOver.message, { details: passedOver.details });
  }

  async #listBucket(record: RunRecord, rule: Rule, bucket: string, signal: AbortSignal): Promise<void> {
    const { clock, scan } = this.#options;
    let steps: AsyncIterator<ScanPage> | null = null;
    try {
      for (;;) {
        // What was listed before a long wait may have changed since: the scan begins anew behind what is done.
        if (await waitForRoom(this.#options, signal)) {
          await steps?.return?.();
          steps = null;
        }
        const { prefix, position } = record.run;
        steps ??= scan({ rule, bucket, prefix, after: position.after }, signal);
        const step = await steps.next();
        signal.throwIfAborted();
        if (step.done !== true) await this.#feed(record, rule, bucket, step.value);
        // Only now: where the stores answer and the queue does not, nothing goes on.
        this.#succeeded(record);
        if (step.done === true) return;
        await clock.sleep(STEP_PAUSE_MS, signal);
      }
    } finally {
      await steps?.return?.();
    }
  }

  async #feed(record: RunRecord, rule: Rule, bucket: string, page: ScanPage): Promise<void> {
    const { kind, runHappenings } = this.#options;
    const { found, counts, after } = page;
    const fed = await feedQueue(this.#options, { rule, bucket, transport: kind, found });
    // Cancelled meanwhile: what is fed goes on by itself.
    if (hasRunEnded(record.run)) return;
    const counted = kind === 'reconcile' ? fed.filter(({ joined }) => !joined) : fed;
    for (const { transferId, found: one } of counted) record.fed(transferId, one);
    const differences = countDifferences(counted);
    record.addCounts({
      ...counts,
      ...differences,
      fed: counted.length,
      fresh: counted.filter(({ found: one }) => one.isFresh).length,
      pending: (counts.pending ?? 0) + fed.length - counted.length,
    });
    record.change({ position: { ...record.run.position, after } });
    await record.keep();
    const orphans = differences.orphans + (counts.kept ?? 0);
    if (differences.missing + differences.different + orphans > 0)
      runHappenings.differencesFound({ ...refOf(record.run), ...differences, orphans });
  }

  #succeeded(record: RunRecord): void {
    if (this.#failures > 0) this.#options.runHappenings.runContinued(refOf(record.run));
    this.#failures = 0;
    if (record.run.fault !== null) record.change({ fault: null });
  }

  /** Waits where waiting may help, else ends the run. */
  async #failed(record: RunRecord, error: unknown, signal: AbortSignal): Promise<void> {
    const { clock, random, runHappenings } = this.#options;
    const fault = isBug(error) ? new Fault('bug', String(error), { cause: error }) : toFault(error);
    if (fault.disposition === 'park') {
      this.#failures = 0;
      await this.#end(record, 'failed', fault);
      return;
    }
    this.#failures += 1;
    const retryInMs = backoffMs(RETRY, this.#failures, random.next(), fault.retryAfterMs);
    record.change({ fault: recordOfFault(fault, clock.nowMs()) });
    if (this.#failures === 1) runHappenings.runPaused({ ...refOf(record.run), fault, retryInMs });
    await clock.sleep(retryInMs, signal).catch(() => {});
  }

  #judgeSoon(ids: readonly string[]): void {
    const open = ids.filter((id) => this.#records.some((record) => record.isOpen(id)));
    if (open.length === 0) return;
    this.#judging = this.#judging.then(async () => this.#guarded('judging ends', () => this.#judge(open)));
  }

  /** Looks whether these transfers have ended, and counts those that have. */
  async #judge(ids: readonly string[]): Promise<void> {
    const { queue, runHappenings } = this.#options;
    for (const id of ids) {
      const transfer = await queue.get(id);
      const isParked = transfer?.status === 'parked';
      if (transfer !== null && transfer.status !== 'done' && !isParked) continue;
      const outcome = isParked ? null : (transfer?.outcome ?? null);
      for (const record of this.#records) {
        const isHealed = record.transferEnded(id, { outcome, isParked });
        if (isHealed && outcome !== null)
          runHappenings.differenceHealed({ ...refOf(record.run), transferId: id, outcome });
      }
    }
    for (const record of this.#records) await this.#completeIfDrained(record);
  }

  async #completeIfDrained(record: RunRecord): Promise<void> {
    if (record.run.state !== 'draining' || record.openCount > 0) return;
    await this.#end(record, 'completed', null);
  }

  async #end(
    record: RunRecord,
    state: 'completed' | 'failed' | 'cancelled',
    fault: Fault | null,
  ): Promise<void> {
    const { clock, runHappenings } = this.#options;
    const endedAtMs = clock.nowMs();
    record.change({ state, endedAtMs, fault: fault === null ? null : recordOfFault(fault, endedAtMs) });
    const { counts, createdAtMs } = record.run;
    const { outcomes: _, ...numbers } = counts;
    const durationMs = endedAtMs - createdAtMs;
    runHappenings.runEnded({ ...refOf(record.run), state, counts: numbers, fault, durationMs, endedAtMs });
    await this.#guarded('keeping the end of a run', async () => record.keep());
    await this.#guarded('following the end of a run', async () => this.#options.onEnded?.(record.run));
    const ended = this.#records.filter(({ run }) => hasRunEnded(run));
    for (const old of ended.slice(0, -SHOWN_ENDED_RUNS)) {
      this.#records.splice(this.#records.indexOf(old), 1);
      await this.#guarded('forgetting an old run', async () => old.forget());
    }
  }

  /** Nothing is missed for long: an end that came before anybody listened, a note that could not be written. */
  async #sweep(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#guarded('looking for ends', async () => {
        for (const record of this.#records.toReversed()) {
          await this.#judge(record.openIds());
          if (record.isAhead) await record.keep();
        }
      });
      await clock.sleep(SWEEP_MS, signal).catch(() => {});
    }
  }

  async #guarded(doing: string, step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.#options.happenings.workerTroubled({ doing, error });
    }
  }
}

function countDifferences(fed: readonly FedTransfer[]): {
  readonly missing: number;
  readonly different: number;
  readonly orphans: number;
} {
  const count = (kind: string): number =>
    fed.filter(({ found }) => found.kind === kind && !found.isFresh).length;
  return { missing: count('missing'), different: count('different'), orphans: count('orphan') };
}

function refOf({ id, kind, ruleName }: Run): RunRef {
  return { runId: id, kind, ruleName };
}
