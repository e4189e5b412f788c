// Port: small facts that must survive a restart and are no transfers: where a listing stands, how many deletes a
// rule has made, which alert was sent. A driver passes test/contract/durable-notes.contract.ts.

/** A note as it was read: `version` grows with each write of its name and is what the next write is conditioned on. */
export interface Note {
  readonly value: string;
  readonly version: number;
}

/** Every method rejects with an Error where the store cannot be read or written; then nothing was written. */
export interface DurableNotes {
  /** Null where there is no note of this name. */
  read(name: string): Promise<Note | null>;
  /**
   * Writes a note that would survive a power cut when this resolves. `version`: the one that was read; null where there
   * was none. False, and nothing written, where somebody else wrote meanwhile: read again and decide again.
   */
  write(name: string, value: string, version: number | null): Promise<boolean>;
  /** Removes a note of exactly this version; false where it is another one or gone. */
  remove(name: string, version: number): Promise<boolean>;
  /** The notes whose names begin with `prefix`, by name (UTF-8 bytes). Meant for tens of notes, not thousands. */
  list(prefix: string): Promise<readonly (Note & { readonly name: string })[]>;
}
