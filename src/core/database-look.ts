// What a look from outside tells of a database that keeps the queue.

export interface DatabaseLook {
  /** Of the server, such as `17.2`. */
  readonly version: string;
  /** `ready`: the tables are there and may be used. `empty`: none is there, and they may be made. */
  readonly tables: 'ready' | 'empty' | 'not_allowed' | 'cannot_be_made';
}
