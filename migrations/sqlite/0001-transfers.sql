-- One row per transfer id. Rows other than done are live: one per rule and source object. Done rows are history.
-- Keys are compared byte by byte (BINARY, the default) and may hold any character, NUL included.
CREATE TABLE transfers (
  -- The order of beginning; listings walk it.
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  rule_name TEXT NOT NULL,
  source_bucket TEXT NOT NULL,
  source_key TEXT NOT NULL,
  target_bucket TEXT NOT NULL,
  target_key TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('queued', 'copying', 'settling', 'done', 'parked')),
  attempt_count INTEGER NOT NULL,
  -- An effect of an earlier attempt may still land.
  owed INTEGER NOT NULL CHECK (owed IN (0, 1)),
  -- The running attempt was claimed from settling.
  is_settling INTEGER NOT NULL CHECK (is_settling IN (0, 1)),
  lease_token INTEGER NOT NULL,
  -- When a queued or settling row is due; when the lease of a copying row ends; null at rest.
  wake_at INTEGER CHECK ((wake_at IS NULL) = (status IN ('done', 'parked'))),
  -- The oldest change that no finished attempt covers.
  change_at INTEGER NOT NULL,
  size_hint INTEGER,
  -- Not null: dirty. The id, and the first change, of the period that begins when the attempt ends.
  dirty_id TEXT CHECK (dirty_id IS NULL OR status = 'copying'),
  dirty_change_at INTEGER,
  dirty_size_hint INTEGER,
  dirty_created_at INTEGER,
  size_bytes INTEGER,
  bytes_done INTEGER NOT NULL,
  -- Sealed; see src/queues/checkpoint-sealer.ts.
  checkpoint BLOB,
  outcome TEXT,
  fault_code TEXT,
  fault TEXT,
  receipt TEXT,
  updated_at INTEGER NOT NULL,
  finished_at INTEGER CHECK ((finished_at IS NOT NULL) = (status = 'done'))
) STRICT;

CREATE UNIQUE INDEX transfers_by_id ON transfers (id);
CREATE UNIQUE INDEX transfers_by_dirty_id ON transfers (dirty_id) WHERE dirty_id IS NOT NULL;
-- Intake: the live row of a rule and key, of which there is at most one.
CREATE UNIQUE INDEX transfers_live ON transfers (source_bucket, source_key, rule_name) WHERE status <> 'done';
-- Claims, expired leases, the time until something is due.
CREATE INDEX transfers_by_wake ON transfers (status, wake_at) WHERE wake_at IS NOT NULL;
-- The watermark.
CREATE INDEX transfers_by_change ON transfers (change_at) WHERE status <> 'done';
-- The newest receipt of a rule and key.
CREATE INDEX transfers_with_receipt ON transfers (source_bucket, source_key, rule_name) WHERE receipt IS NOT NULL;
-- Listings; the position is the last column of each by itself.
CREATE INDEX transfers_by_key ON transfers (source_bucket, source_key);
CREATE INDEX transfers_by_status ON transfers (status);
CREATE INDEX transfers_by_rule ON transfers (rule_name);
CREATE INDEX transfers_by_fault ON transfers (fault_code) WHERE fault_code IS NOT NULL;
-- Pruning.
CREATE INDEX transfers_by_finish ON transfers (finished_at) WHERE finished_at IS NOT NULL;

-- Records that could not be understood, as they came.
CREATE TABLE quarantine (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  reason TEXT NOT NULL,
  raw TEXT NOT NULL,
  received_at INTEGER NOT NULL
) STRICT;
