// The runs of one kind as every process that shares the queue sees them. The leader works on them (runs.ts); the others
// read what it keeps, and leave notes with what they want begun or cancelled, which the leader takes up.
import type { Clock } from '../core/clock.ts';
import type { DurableNotes } from '../core/durable-notes.ts';
import type { Happenings } from '../core/happenings.ts';
import {
  hasRunEnded,
  isSameScope,
  type Run,
  type RunControl,
  type RunKind,
  type RunScope,
  waitingRun,
} from './run.ts';
import { RunRecord } from './run-record.ts';
import type { Runs } from './runs.ts';

/** How soon the leader sees what another process asks for. */
const LOOK_MS = 1_000;
/** So often a process that does not lead looks whether its cancel was done, and how many times. */
const CANCEL_LOOK_MS = 250;
const CANCEL_LOOKS = 60;

/** What a process that does not lead wants of the leader. */
type Wish =
  | { readonly wants: 'begin'; readonly run: Run }
  | { readonly wants: 'cancel'; readonly id: string };

interface SharedRunsOptions {
  readonly kind: RunKind;
  readonly notes: DurableNotes;
  readonly clock: Clock;
  readonly newId: () => string;
  /** Null while another process leads. */
  readonly leading: () => Pick<Runs, 'list' | 'get' | 'start' | 'cancel'> | null;
}

export class SharedRuns implements RunControl {
  readonly #options: SharedRunsOptions;

  constructor(options: SharedRunsOptions) {
    this.#options = options;
  }

  async list(): Promise<readonly Run[]> {
    return this.#options.leading()?.list() ?? this.#kept();
  }

  async get(id: string): Promise<Run | null> {
    const { leading } = this.#options;
    return leading()?.get(id) ?? (await this.#kept()).find((run) => run.id === id) ?? null;
  }

  async start(scope: RunScope, trigger: Run['trigger']): Promise<Run> {
    const { leading, newId, kind, clock, notes } = this.#options;
    const leader = leading();
    if (leader !== null) return leader.start(scope, trigger);
    const same = (await this.#kept()).find(
      (run) => (run.state === 'waiting' || run.state === 'listing') && isSameScope(run, scope),
    );
    if (same !== undefined) return same;
    const run = waitingRun({ scope, trigger, kind, id: newId(), createdAtMs: clock.nowMs() });
    await wish(notes, kind, run.id, { wants: 'begin', run });
    return run;
  }

  async cancel(id: string): Promise<Run | null> {
    const { leading, notes, kind, clock } = this.#options;
    const leader = leading();
    if (leader !== null) return leader.cancel(id);
    let run = await this.get(id);
    if (run === null || hasRunEnded(run)) return run;
    await wish(notes, kind, `${id}:cancel`, { wants: 'cancel', id });
    for (let looks = 0; looks < CANCEL_LOOKS; looks += 1) {
      await clock.sleep(CANCEL_LOOK_MS, new AbortController().signal);
      run = (await this.get(id)) ?? run;
      if (hasRunEnded(run)) break;
    }
    return run;
  }

  /** Newest first, those that the leader has not taken up included. */
  async #kept(): Promise<readonly Run[]> {
    const { notes, kind } = this.#options;
    const wishes = await wishesOf(notes, kind);
    const known = (await RunRecord.load(notes, kind)).map(({ run }) => run);
    const asked = wishes.flatMap(({ wish: { wants, ...rest } }) =>
      wants === 'begin' && 'run' in rest && !known.some(({ id }) => id === rest.run.id) ? [rest.run] : [],
    );
    return [...known, ...asked].toReversed();
  }
}

async function wish(notes: DurableNotes, kind: RunKind, name: string, what: Wish): Promise<void> {
  const noteName = prefixOf(kind) + name;
  const version = (await notes.read(noteName))?.version ?? null;
  await notes.write(noteName, JSON.stringify(what), version);
}

async function wishesOf(notes: DurableNotes, kind: RunKind) {
  const found = await notes.list(prefixOf(kind));
  return found.map(({ name, version, value }) => ({ name, version, wish: JSON.parse(value) as Wish }));
}

function prefixOf(kind: RunKind): string {
  return `run-wish:${kind}:`;
}

/**
 * Takes up, for as long as this process leads, what the others ask for. A crash in between takes a wish up twice, which
 * begins nothing twice.
 */
export function startTakingUp(deps: {
  readonly kind: RunKind;
  readonly notes: DurableNotes;
  readonly clock: Clock;
  readonly happenings: Pick<Happenings, 'workerTroubled'>;
  readonly runs: Pick<Runs, 'adopt' | 'cancel'>;
}): { stop(): Promise<void> } {
  const { kind, notes, clock, happenings, runs } = deps;
  const stopping = new AbortController();
  const { signal } = stopping;
  const takeUp = async (): Promise<void> => {
    for (const { name, version, wish: wanted } of await wishesOf(notes, kind)) {
      if (wanted.wants === 'begin') await runs.adopt(wanted.run);
      else await runs.cancel(wanted.id);
      await notes.remove(name, version);
    }
  };
  const loop = async (): Promise<void> => {
    while (!signal.aborted) {
      await takeUp().catch((error: unknown) =>
        happenings.workerTroubled({ doing: `taking up ${kind}s that other processes ask for`, error }),
      );
      await clock.sleep(LOOK_MS, signal).catch(() => {});
    }
  };
  const running = loop();
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}
