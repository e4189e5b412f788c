// Notes in the database of the queue: each write is a transaction of its own, so that it is kept when it resolves.
import type { DurableNotes, Note } from '../../core/durable-notes.ts';
import type { Database, Statement } from './database.ts';
import { type Columns, integer, text } from './rows.ts';
import { fromStored, toStored } from './stored-text.ts';

const PATIENCE_MS = 5_000;
const READ = 'SELECT value, version FROM replicator_notes WHERE name = $1::text';
const INSERT =
  "INSERT INTO replicator_notes (name, value, version) VALUES ($1::text, $2::text, nextval('replicator_note_versions')) " +
  'ON CONFLICT DO NOTHING RETURNING version';
const UPDATE =
  "UPDATE replicator_notes SET value = $2::text, version = nextval('replicator_note_versions') " +
  'WHERE name = $1::text AND version = $3::bigint RETURNING version';
const REMOVE =
  'DELETE FROM replicator_notes WHERE name = $1::text AND version = $2::bigint RETURNING version';
const LIST =
  'SELECT name, value, version FROM replicator_notes WHERE starts_with(name, $1::text) ORDER BY name';

export class PostgresNotes implements DurableNotes {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async read(name: string): Promise<Note | null> {
    const statement = { name: 'read-note', text: READ, values: [toStored(name)] };
    const [found] = await this.#database.ask(statement, PATIENCE_MS);
    return found === undefined ? null : toNote(found);
  }

  write(name: string, value: string, version: number | null): Promise<boolean> {
    const values = [toStored(name), toStored(value)];
    return this.#change(
      version === null
        ? { name: 'insert-note', text: INSERT, values }
        : { name: 'update-note', text: UPDATE, values: [...values, version] },
    );
  }

  remove(name: string, version: number): Promise<boolean> {
    return this.#change({ name: 'remove-note', text: REMOVE, values: [toStored(name), version] });
  }

  async list(prefix: string): Promise<readonly (Note & { readonly name: string })[]> {
    const statement = { name: 'list-notes', text: LIST, values: [toStored(prefix)] };
    const found = await this.#database.ask(statement, PATIENCE_MS);
    return found
      .map((columns) => ({ name: fromStored(text(columns, 'name')), ...toNote(columns) }))
      .toSorted((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  }

  /** True where the statement found the note as it was expected. */
  #change(statement: Statement): Promise<boolean> {
    return this.#database.transact(
      {
        reads: [statement],
        alwaysWrites: true,
        decide: ([changed = []]) => ({ writes: [], result: changed.length === 1 }),
      },
      PATIENCE_MS,
    );
  }
}

function toNote(columns: Columns): Note {
  return { value: fromStored(text(columns, 'value')), version: integer(columns, 'version') };
}
