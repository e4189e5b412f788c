-- Small facts that survive a restart and are no transfers; see src/core/durable-notes.ts. Versions come from one counter
-- for all names, so that a note removed and written anew never has an old version again.
CREATE TABLE notes (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE note_versions (last INTEGER NOT NULL) STRICT;
INSERT INTO note_versions (last) VALUES (0);
