// Notes in the database of the queue: written through its commit group, so that they are on the disk when a write
// resolves.
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { DurableNotes, Note } from '../../core/durable-notes.ts';
import { integer, text } from './rows.ts';

/** Runs an operation in the next transaction; resolves after its commit. */
type RunInTransaction = <Result>(operation: () => Result) => Promise<Result>;

/** The notes table. Reads are answered behind every write handed in before. */
export class SqliteNotes implements DurableNotes {
  readonly #run: RunInTransaction;
  readonly #read: StatementSync;
  readonly #nextVersion: StatementSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #remove: StatementSync;
  readonly #list: StatementSync;

  constructor(database: DatabaseSync, run: RunInTransaction) {
    this.#run = run;
    this.#read = database.prepare('SELECT value, version FROM notes WHERE name = ?');
    this.#nextVersion = database.prepare('UPDATE note_versions SET last = last + 1 RETURNING last');
    this.#insert = database.prepare(
      'INSERT INTO notes (name, value, version) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
    );
    this.#update = database.prepare('UPDATE notes SET value = ?, version = ? WHERE name = ? AND version = ?');
    this.#remove = database.prepare('DELETE FROM notes WHERE name = ? AND version = ?');
    this.#list = database.prepare('SELECT name, value, version FROM notes WHERE name >= ? ORDER BY name');
  }

  read(name: string): Promise<Note | null> {
    return this.#run(() => {
      const found = this.#read.get(name);
      return found === undefined ? null : { value: text(found, 'value'), version: integer(found, 'version') };
    });
  }

  write(name: string, value: string, version: number | null): Promise<boolean> {
    return this.#run(() => {
      const next = integer(this.#nextVersion.get() ?? {}, 'last');
      const { changes } =
        version === null ? this.#insert.run(name, value, next) : this.#update.run(value, next, name, version);
      return Number(changes) === 1;
    });
  }

  remove(name: string, version: number): Promise<boolean> {
    return this.#run(() => Number(this.#remove.run(name, version).changes) === 1);
  }

  list(prefix: string): Promise<readonly (Note & { readonly name: string })[]> {
    return this.#run(() => {
      const found: (Note & { readonly name: string })[] = [];
      for (const columns of this.#list.iterate(prefix)) {
        const name = text(columns, 'name');
        if (!name.startsWith(prefix)) break;
        found.push({ name, value: text(columns, 'value'), version: integer(columns, 'version') });
      }
      return found;
    });
  }
}
