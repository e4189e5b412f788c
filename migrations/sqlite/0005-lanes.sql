-- Waiting rows stand in one of two lanes by size, and in each live ones come before background ones. Rows from before
-- get the lane of the bound that is the default; one that stands wrong is put right when its attempt learns the size.
ALTER TABLE transfers ADD COLUMN lane TEXT NOT NULL DEFAULT 'small' CHECK (lane IN ('small', 'large'));
ALTER TABLE transfers ADD COLUMN priority TEXT NOT NULL DEFAULT 'live' CHECK (priority IN ('live', 'background'));
ALTER TABLE transfers ADD COLUMN dirty_priority TEXT CHECK (dirty_priority IN ('live', 'background'));
UPDATE transfers SET dirty_priority = 'live' WHERE dirty_id IS NOT NULL;
UPDATE transfers SET lane = 'large' WHERE status IN ('queued', 'copying', 'parked') AND coalesce(size_bytes, size_hint) > 8388608;

-- Claims: the due rows of a lane and priority, whatever they wait for. And leases that expired.
DROP INDEX transfers_by_wake;
CREATE INDEX transfers_waiting ON transfers (lane, priority, wake_at) WHERE status IN ('queued', 'settling');
CREATE INDEX transfers_leased ON transfers (wake_at) WHERE status = 'copying';
-- Replaced by transfers_pending_change: nothing reads it any more.
DROP INDEX transfers_by_change;
