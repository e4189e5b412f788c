-- The tables stand in the first schema of the search path. Names of rules, buckets and keys are kept as
-- src/queues/postgres/stored-text.ts says (NUL, lone surrogates and backslashes escaped) and compared byte by byte.
-- Times are Unix milliseconds by the clock of this server: processes on many machines share them.
CREATE FUNCTION replicator_now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS
  'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint';

-- The order of beginning; listings walk it, over both tables.
CREATE SEQUENCE replicator_transfer_seq;

-- Live rows: one per rule and source object. A row that is done moves to replicator_history, so that this table, its
-- indexes and their vacuum stay as small as the work that is waiting, however long the history is.
CREATE TABLE replicator_transfers (
  seq bigint PRIMARY KEY,
  id uuid NOT NULL,
  rule_name text COLLATE "C" NOT NULL,
  source_bucket text COLLATE "C" NOT NULL,
  source_key text COLLATE "C" NOT NULL,
  target_bucket text COLLATE "C" NOT NULL,
  target_key text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL,
  status text NOT NULL CHECK (status IN ('queued', 'copying', 'settling', 'parked')),
  attempt_count bigint NOT NULL,
  -- An effect of an earlier attempt may still land.
  owed boolean NOT NULL,
  -- The running attempt was claimed from settling.
  is_settling boolean NOT NULL,
  lease_token bigint NOT NULL,
  -- When a queued or settling row is due; when the lease of a copying row ends; null while parked.
  wake_at bigint CHECK ((wake_at IS NULL) = (status = 'parked')),
  -- The oldest change that no finished attempt covers.
  change_at bigint NOT NULL,
  size_hint bigint,
  lane text NOT NULL CHECK (lane IN ('small', 'large')),
  priority text NOT NULL CHECK (priority IN ('live', 'background')),
  -- Not null: dirty. The id, and the first change, of the period that begins when the attempt ends.
  dirty_id uuid CHECK (dirty_id IS NULL OR status = 'copying'),
  dirty_change_at bigint,
  dirty_size_hint bigint,
  dirty_priority text CHECK (dirty_priority IN ('live', 'background')),
  dirty_created_at bigint,
  size_bytes bigint,
  bytes_done bigint NOT NULL,
  -- Sealed; see src/queues/checkpoint-sealer.ts.
  checkpoint bytea,
  outcome text,
  fault_code text,
  fault text,
  receipt text,
  -- Where the newest receipt of the rule and key is in the history, as the last claim found it.
  prior_receipt_seq bigint,
  updated_at bigint NOT NULL
) WITH (
  autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_threshold = 1000, autovacuum_analyze_scale_factor = 0.1, vacuum_truncate = off
);
CREATE UNIQUE INDEX replicator_transfers_by_id ON replicator_transfers (id);
-- Intake. Of two processes that take the first change of an object at once, this makes one wait for the other.
CREATE UNIQUE INDEX replicator_transfers_live ON replicator_transfers (source_bucket, source_key, rule_name);
CREATE UNIQUE INDEX replicator_transfers_by_dirty_id ON replicator_transfers (dirty_id) WHERE dirty_id IS NOT NULL;
-- Claims: the due rows of a lane and priority. And leases that expired.
CREATE INDEX replicator_transfers_waiting ON replicator_transfers (lane, priority, wake_at, seq)
  WHERE status IN ('queued', 'settling');
CREATE INDEX replicator_transfers_leased ON replicator_transfers (wake_at, seq) WHERE status = 'copying';
-- The oldest change that work goes on for.
CREATE INDEX replicator_transfers_pending ON replicator_transfers (change_at)
  WHERE status IN ('queued', 'copying', 'settling');
-- Listings, redriving a class, counting anew.
CREATE INDEX replicator_transfers_by_status ON replicator_transfers (status, seq);
CREATE INDEX replicator_transfers_by_fault ON replicator_transfers (fault_code, seq) WHERE fault_code IS NOT NULL;
-- First and last of each class of what is parked.
CREATE INDEX replicator_transfers_parked ON replicator_transfers (fault_code, rule_name, updated_at, seq)
  WHERE status = 'parked';
CREATE INDEX replicator_transfers_with_upload ON replicator_transfers (updated_at, seq) WHERE checkpoint IS NOT NULL;

-- Rows that are done: written once, pruned when they are old.
CREATE TABLE replicator_history (
  seq bigint PRIMARY KEY,
  id uuid NOT NULL,
  rule_name text COLLATE "C" NOT NULL,
  source_bucket text COLLATE "C" NOT NULL,
  source_key text COLLATE "C" NOT NULL,
  target_bucket text COLLATE "C" NOT NULL,
  target_key text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL,
  attempt_count bigint NOT NULL,
  change_at bigint NOT NULL,
  size_hint bigint,
  size_bytes bigint,
  bytes_done bigint NOT NULL,
  outcome text,
  receipt text,
  prior_receipt_seq bigint,
  finished_at bigint NOT NULL
) WITH (
  autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05,
  autovacuum_analyze_scale_factor = 0.02
);
CREATE UNIQUE INDEX replicator_history_by_id ON replicator_history (id);
-- The newest row of a rule and key, and every row of a key.
CREATE INDEX replicator_history_by_key ON replicator_history (source_bucket, source_key, rule_name, seq);
CREATE INDEX replicator_history_by_rule ON replicator_history (rule_name, seq);
-- Pruning; what ended since a moment.
CREATE INDEX replicator_history_by_finish ON replicator_history (finished_at, seq);

-- What every transaction changed of the counts, so that no two of them wait for each other; the sum over all rows is
-- the count. Rows are folded into one now and then. Parked rows are counted by rule and fault.
CREATE TABLE replicator_tallies (
  rule_name text COLLATE "C",
  fault_code text,
  queued bigint NOT NULL,
  copying bigint NOT NULL,
  settling bigint NOT NULL,
  parked bigint NOT NULL,
  quarantined bigint NOT NULL
) WITH (autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0);

-- Records that could not be understood, as they came.
CREATE TABLE replicator_quarantine (
  seq bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  id uuid NOT NULL,
  reason text NOT NULL,
  raw bytea NOT NULL,
  received_at bigint NOT NULL
);
CREATE UNIQUE INDEX replicator_quarantine_by_id ON replicator_quarantine (id);
CREATE INDEX replicator_quarantine_by_time ON replicator_quarantine (received_at, seq);

-- Ids of deliveries that were taken, so that a repeated one is not taken again; forgotten after some hours.
CREATE TABLE replicator_deliveries (
  id text COLLATE "C" PRIMARY KEY,
  taken_at bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX replicator_deliveries_by_time ON replicator_deliveries (taken_at, id);

-- Small facts that are no transfers; see src/core/durable-notes.ts. Versions come from one sequence for all names, so
-- that a note removed and written anew never has an old version again.
CREATE SEQUENCE replicator_note_versions;
CREATE TABLE replicator_notes (
  name text COLLATE "C" PRIMARY KEY,
  value text NOT NULL,
  version bigint NOT NULL
);
