// Group commit. Operations that arrive in one turn of the event loop share one transaction and one sync of the disk.
// Where one fails all are undone and run once more, each in a savepoint of its own, so that the failing one rejects
// alone; none resolves before the commit.
import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** What a transaction comes to: its effects, and whom to tell. */
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
  /** A transaction takes operations until their weights reach this; the rest waits for the next turn. */
  readonly maxWeight: number;
  readonly newEffects: () => Effects;
  /** Called after each commit, before anybody who awaits an operation goes on. */
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
  #turn: NodeJS.Immediate | null = null;
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
   * Runs `operation` in the next transaction and resolves with its result after the commit. Rejects with the error
   * of the operation, whose writes are then undone; or with the commit's, and then nothing was written. It may be run
   * twice, with new effects, so it changes nothing but the database and them (the turns of claims may then be one off).
   */
  run<Result>(weight: number, operation: (effects: Effects) => Result): Promise<Result> {
    if (this.#isClosed) return Promise.reject(new Error('The queue is closed'));
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const run: Entry<Effects>['run'] = (effects) => {
      const result = operation(effects);
      return () => resolve(result);
    };
    this.#waiting.push({ weight, run, reject });
    this.#schedule();
    return promise;
  }

  /** Commits what waits and takes no more. */
  close(): void {
    this.#isClosed = true;
    while (this.#waiting.length > 0) this.#commitNext();
    if (this.#turn !== null) clearImmediate(this.#turn);
    this.#turn = null;
  }

  #schedule(): void {
    this.#turn ??= setImmediate(() => {
      this.#turn = null;
      this.#commitNext();
      if (this.#waiting.length > 0) this.#schedule();
    });
  }

  #commitNext(): void {
    const entries = this.#takeBatch();
    let done: Ended<Effects>;
    try {
      this.#options.assertFile();
      this.#begin.run();
      done = this.#runTogether(entries) ?? this.#runApart(entries);
      this.#commit.run();
    } catch (error) {
      this.#abandon(entries, error);
      return;
    }
    // Whoever awaits goes on in a later microtask: after `onCommitted`, and also where a listener throws.
    for (const resolve of done.resolvers) resolve();
    this.#options.onCommitted(done.effects);
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
