-- Ids of deliveries that were taken, so that a repeated one is not taken again; forgotten after some hours.
CREATE TABLE deliveries (
  id TEXT PRIMARY KEY,
  taken_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_by_time ON deliveries (taken_at);
