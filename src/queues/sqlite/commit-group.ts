// Group commit. Operations that arrive while the one before is being synced share one transaction and one sync of the
// disk, which no other work of the process waits for. Where one fails all are undone and run once more, each in a savepoint
// of its own, so that the failing one rejects alone; none resolves before the sync.
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** What a transaction came to: its effects, and whom to tell. */
interface Ended<Effects> {
  readonly effects: Effects[];
  readonly resolvers: (() => void)[];
}

interface Entry<Effects> {
  /** Rows the operation may touch, roughly. */
  readonly weight: number;
  /** Answers what resolves it. */
  readonly run: (effects: Effects) => () => void;
  readonly reject: (error: unknown) => void;
}

interface CommitGroupOptions<Effects> {
  readonly database: DatabaseSync;
  /** Named in errors. */
  readonly path: string;
  /** Throws where the database file is no longer the one that was opened. */
  readonly assertFile: () => void;
  /** Puts on the disk what was committed. The database itself does not: a commit would hold the process until then. */
  readonly sync: () => Promise<void>;
  /** A transaction takes operations until their weights reach this; the rest waits for the next one. */
  readonly maxWeight: number;
  readonly newEffects: () => Effects;
  /** A sync has failed: nothing may be done on the strength of what was committed last. Called once. */
  readonly onLost: (error: Error) => void;
  /** Called after each sync, before anybody who awaits an operation goes on. */
  readonly onCommitted: (effects: readonly Effects[]) => void;
}

/** The one writer of a database. `Effects` is what an operation notes to be told once it is committed. */
export class CommitGroup<Effects> {
  readonly #options: CommitGroupOptions<Effects>;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly #save: StatementSync;
  readonly #keep: StatementSync;
  readonly #undo: StatementSync;
  #waiting: Entry<Effects>[] = [];
  /** Not null while anything waits or is being synced. */
  #running: Promise<void> | null = null;
  /** Not null while a transaction is committed and not on the disk yet. Never rejects. */
  #syncing: Promise<void> | null = null;
  /** Not null: what was committed last may not be on the disk, and nobody can tell any more. */
  #lost: Error | null = null;
  #isClosed = false;

  constructor(options: CommitGroupOptions<Effects>) {
    this.#options = options;
    this.#begin = options.database.prepare('BEGIN IMMEDIATE');
    this.#commit = options.database.prepare('COMMIT');
    this.#rollback = options.database.prepare('ROLLBACK');
    this.#save = options.database.prepare('SAVEPOINT operation');
    this.#keep = options.database.prepare('RELEASE operation');
    this.#undo = options.database.prepare('ROLLBACK TO operation');
  }

  /**
   * Runs `operation` in the next transaction and resolves with its result once that is on the disk. Rejects with the
   * error of the operation, whose writes are then undone; with the commit's, and then nothing was written; or with the
   * sync's: whether anything was kept shows after a restart, and everything rejects until then. It may be run twice, with
   * new effects, so it changes nothing but the database and them (the turns of claims may then be one off).
   */
  run<Result>(weight: number, operation: (effects: Effects) => Result): Promise<Result> {
    if (this.#isClosed) return Promise.reject(new Error('The queue is closed'));
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const run: Entry<Effects>['run'] = (effects) => {
      const result = operation(effects);
      return () => resolve(result);
    };
    this.#waiting.push({ weight, run, reject });
    this.#running ??= this.#runWaiting();
    return promise;
  }

  /** Takes no more. Resolves when what waits is committed and on the disk. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
  }

  /** Resolves when everything that can be read is on the disk; a read in the same turn sees no more than that. */
  async settled(): Promise<void> {
    while (this.#syncing !== null) await this.#syncing;
    if (this.#lost !== null) throw this.#lost;
  }

  /** True after a sync that failed. */
  get isLost(): boolean {
    return this.#lost !== null;
  }

  async #runWaiting(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        // Whatever else comes in this turn of the event loop shares the transaction.
        await nextTurn();
        await this.#commitNext();
      }
    } finally {
      this.#running = null;
    }
  }

  async #commitNext(): Promise<void> {
    const { assertFile, onCommitted } = this.#options;
    const entries = this.#takeBatch();
    let done: Ended<Effects>;
    try {
      if (this.#lost !== null) throw this.#lost;
      assertFile();
      this.#begin.run();
      done = this.#runTogether(entries) ?? this.#runApart(entries);
      this.#commit.run();
    } catch (error) {
      this.#abandon(entries, error);
      return;
    }
    if (!(await this.#sync(entries))) return;
    // Whoever awaits goes on in a later microtask: after `onCommitted`, and also where a listener throws.
    for (const resolve of done.resolvers) resolve();
    onCommitted(done.effects);
  }

  /** False where it failed, and everybody was told. */
  async #sync(entries: readonly Entry<Effects>[]): Promise<boolean> {
    const ended = Promise.withResolvers<void>();
    this.#syncing = ended.promise;
    try {
      await this.#options.sync();
    } catch (error) {
      this.#lose(entries, error);
    } finally {
      this.#syncing = null;
      ended.resolve();
    }
    return this.#lost === null;
  }

  /** Null where one failed: the transaction is then empty again. A savepoint for each would cost as much as its writes. */
  #runTogether(entries: readonly Entry<Effects>[]): Ended<Effects> | null {
    const effects = this.#options.newEffects();
    try {
      return { effects: [effects], resolvers: entries.map((entry) => entry.run(effects)) };
    } catch (error) {
      if (!this.#options.database.isTransaction) throw error;
      this.#rollback.run();
      this.#begin.run();
      return null;
    }
  }

  #runApart(entries: readonly Entry<Effects>[]): Ended<Effects> {
    const done: Ended<Effects> = { effects: [], resolvers: [] };
    for (const entry of entries) {
      const effects = this.#options.newEffects();
      const resolve = this.#runOne(entry, effects);
      if (resolve === null) continue;
      done.effects.push(effects);
      done.resolvers.push(resolve);
    }
    return done;
  }

  /** Null where the operation failed alone. Throws where its failure ended the transaction. */
  #runOne(entry: Entry<Effects>, effects: Effects): (() => void) | null {
    this.#save.run();
    try {
      const resolve = entry.run(effects);
      this.#keep.run();
      return resolve;
    } catch (error) {
      // A full disk, for one, makes SQLite roll everything back: then nobody's writes are there any more.
      if (!this.#options.database.isTransaction) throw error;
      this.#undo.run();
      this.#keep.run();
      entry.reject(error);
      return null;
    }
  }

  #abandon(entries: readonly Entry<Effects>[], cause: unknown): void {
    const { database, path } = this.#options;
    if (database.isTransaction) database.exec('ROLLBACK');
    const reason = cause instanceof Error ? cause.message : String(cause);
    const error = new Error(`The queue database ${path} could not commit (${reason}): nothing was taken`, {
      cause,
    });
    // Rejecting one that failed alone before changes nothing: a promise keeps its first end.
    for (const entry of entries) entry.reject(error);
  }

  /**
   * A system that failed to write a page may count it as written: a later sync that succeeds proves nothing about this
   * one (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020).
   */
  #lose(entries: readonly Entry<Effects>[], cause: unknown): void {
    const { path } = this.#options;
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.#lost = new Error(
      `The queue database ${path} could not be synced (${reason}): what was written last may not be on its disk. ` +
        'Check the disk and its free space, and start the service again',
      { cause },
    );
    this.#options.onLost(this.#lost);
    for (const entry of entries) entry.reject(this.#lost);
  }

  #takeBatch(): Entry<Effects>[] {
    let weight = 0;
    let count = 0;
    for (const entry of this.#waiting) {
      // Always one, however heavy: an accept is all or nothing.
      if (count > 0 && weight + entry.weight > this.#options.maxWeight) break;
      weight += entry.weight;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }
}
