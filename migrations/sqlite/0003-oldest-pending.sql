-- The oldest change that work is still going on for: parked rows wait for a person and have a count of their own.
CREATE INDEX transfers_pending_change ON transfers (change_at) WHERE status IN ('queued', 'copying', 'settling');
