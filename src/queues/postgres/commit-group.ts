// Group commit. Operations that arrive while a transaction is under way share the next one: its round trips and its
// sync of the server's disk. None resolves before the commit; one that fails rejects alone.
import { RowChanges } from '../queue-listeners.ts';
import { type Database, DatabaseUnavailable } from './database.ts';
import { readBy, readsOf, RowTransaction, type RowWork, type RowWorkSettings } from './row-work.ts';

interface Entry {
  readonly sinceMs: number;
  readonly work: RowWork<unknown>;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface Committed {
  readonly changes: RowChanges;
  /** In the order of the operations. */
  readonly results: readonly unknown[];
}

interface CommitGroupOptions {
  readonly database: Database;
  readonly settings: RowWorkSettings;
  /** A transaction takes operations until their weights reach this; the rest waits for the next one. */
  readonly maxWeight: number;
  /** How long operations are tried again while the database cannot be used, from the moment they were handed in. */
  readonly patienceMs: number;
  /** True where the operations write something whatever they find. */
  readonly alwaysWrites: boolean;
  /** Called after each commit, before anybody who awaits an operation goes on. */
  readonly onCommitted: (changes: RowChanges) => void;
}

/** For those who waited long for the transactions before theirs. */
const LEAST_PATIENCE_MS = 500;

/** One transaction at a time, in the order in which the operations came. */
export class CommitGroup {
  readonly #options: CommitGroupOptions;
  #waiting: Entry[] = [];
  #running: Promise<void> | null = null;
  #isClosed = false;

  constructor(options: CommitGroupOptions) {
    this.#options = options;
  }

  /** Runs `work` in a next transaction; resolves with its result after the commit. */
  run<Result>(work: RowWork<Result>): Promise<Result> {
    if (this.#isClosed) return Promise.reject(new Error('The queue is closed'));
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.push({ sinceMs: performance.now(), work, resolve, reject });
    this.#running ??= this.#runAll();
    return promise as Promise<Result>;
  }

  /** Resolves when everything handed in before has ended. */
  async settled(): Promise<void> {
    if (this.#running === null) return;
    await this.run({ weight: 0, run: () => null }).catch(() => {});
  }

  /** Takes no more; resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
  }

  async #runAll(): Promise<void> {
    // What one turn of the event loop hands in belongs together.
    await new Promise(setImmediate);
    while (this.#waiting.length > 0) await this.#runTogether(this.#takeBatch());
    this.#running = null;
  }

  async #runTogether(entries: readonly Entry[]): Promise<void> {
    let committed: Committed;
    try {
      committed = await this.#transact(entries);
    } catch (error) {
      if (entries.length === 1 || error instanceof DatabaseUnavailable) {
        for (const { reject } of entries) reject(error);
        return;
      }
      // One of them is to blame: each by itself, so that the others do not pay for it.
      for (const entry of entries) await this.#runTogether([entry]);
      return;
    }
    // Whoever awaits goes on in a later microtask: after `onCommitted`, and also where a listener throws.
    for (const [index, { resolve }] of entries.entries()) resolve(committed.results[index]);
    this.#options.onCommitted(committed.changes);
  }

  async #transact(entries: readonly Entry[]): Promise<Committed> {
    const { database, settings, alwaysWrites } = this.#options;
    const works = entries.map(({ work }) => work);
    const waitedMs = performance.now() - (entries[0]?.sinceMs ?? 0);
    // Nothing to read or write: only somebody who waits for those before.
    if (works.every(({ weight }) => weight === 0)) return { changes: new RowChanges(), results: [] };
    return database.transact(
      {
        reads: readsOf(works),
        alwaysWrites,
        isEnd: works.every(({ isEnd, weight }) => isEnd === true || weight === 0),
        decide: (answers, clock) => {
          const transaction = new RowTransaction(settings, clock, readBy(works, answers));
          const results = works.map(({ run }) => transaction.run(run));
          return { writes: transaction.writes(), result: { changes: transaction.changes, results } };
        },
      },
      Math.max(LEAST_PATIENCE_MS, this.#options.patienceMs - waitedMs),
    );
  }

  #takeBatch(): Entry[] {
    let weight = 0;
    let count = 0;
    for (const { work } of this.#waiting) {
      // Always one, however heavy: an accept is all or nothing.
      if (count > 0 && weight + work.weight > this.#options.maxWeight) break;
      weight += work.weight;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }
}
