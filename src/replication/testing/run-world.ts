// Runs over the queue, the notes and the clock of a world, for tests: begun, stopped and opened again as a process
// that is killed and started would do.
import { openMemoryNotes } from '../../queues/memory/memory-notes.ts';
import { Runs, type RunsOptions } from '../runs.ts';
import type { Run, ScanPage } from '../run.ts';
import { RULE, World } from './world.ts';

export class RunWorld {
  readonly world = new World();
  readonly notes = openMemoryNotes();
  /** What runs told, in their order. */
  readonly told: { readonly name: string; readonly event: Record<string, unknown> }[] = [];
  #lastId = 0;
  #open: Runs | null = null;

  /** Opens the runs over what is kept. Those that were open before are stopped. */
  async open(options: Pick<RunsOptions, 'scan'> & Partial<RunsOptions>): Promise<Runs> {
    await this.stop();
    const { queue, clock } = this.world;
    this.#open = await Runs.open({
      kind: 'backfill',
      rules: [RULE],
      queue,
      notes: this.notes,
      clock,
      random: { next: () => 0.5 },
      newId: () => {
        this.#lastId += 1;
        return `run-${this.#lastId}`;
      },
      happenings: this.world.happenings(),
      runHappenings: this.happenings(),
      ...options,
    });
    return this.#open;
  }

  async stop(): Promise<void> {
    await this.#open?.stop();
    this.#open = null;
  }

  happenings(): RunsOptions['runHappenings'] {
    return new Proxy({} as RunsOptions['runHappenings'], {
      get: (_, name) => (event: Record<string, unknown>) =>
        void this.told.push({ name: String(name), event }),
    });
  }

  /** Lets everything that is ready run until the run is so. */
  async reaches(runs: Runs, id: string, isSo: (run: Run) => boolean): Promise<Run> {
    for (let turn = 0; turn < 200_000; turn += 1) {
      const run = runs.get(id);
      if (run !== null && isSo(run)) return run;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    throw new Error(`The run never was so: ${JSON.stringify(runs.get(id))}`);
  }

  /** Ends every transfer that is due, as a worker would. Answers their keys. */
  async endDue(limit = 10_000): Promise<string[]> {
    const claimed = await this.world.queue.claim({ total: limit, large: limit });
    for (const { lease } of claimed)
      await this.world.queue.finish(lease, { outcome: 'already_current', receipt: null, owed: false });
    return claimed.map(({ source }) => source.key);
  }
}

/** Names of a listing that exists nowhere: `key-0000000`, ... */
export function numberedKeys(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `key-${String(index).padStart(7, '0')}`);
}

/** A scan over these keys in steps of so many. */
export function scanOf(keys: readonly string[], stepKeys = 1000): RunsOptions['scan'] {
  return async function* scan({ after }): AsyncGenerator<ScanPage> {
    for (let start = after === null ? 0 : keys.indexOf(after) + 1; start < keys.length; start += stepKeys) {
      const step = keys.slice(start, start + stepKeys);
      yield {
        after: step.at(-1) ?? '',
        found: step.map((key) => ({ key, sizeBytes: 1, kind: 'existing', isFresh: false })),
        counts: { listed: step.length },
      };
    }
  };
}
