-- The newest row of a rule and key is its live row or the last of its history. Nothing of this index changes with the
-- status of a row, so that claims and ends write no page for the place of the key among all others.
CREATE INDEX transfers_by_rule_and_key ON transfers (source_bucket, source_key, rule_name);
-- Where the newest receipt of the rule and key was when the row was added; null where there was none.
ALTER TABLE transfers ADD COLUMN prior_receipt_seq INTEGER;
UPDATE transfers SET prior_receipt_seq = (
  SELECT earlier.seq FROM transfers AS earlier
  WHERE earlier.source_bucket = transfers.source_bucket AND earlier.source_key = transfers.source_key
    AND earlier.rule_name = transfers.rule_name AND earlier.receipt IS NOT NULL AND earlier.seq < transfers.seq
  ORDER BY earlier.seq DESC LIMIT 1
) WHERE receipt IS NULL OR finished_at IS NULL;
DROP INDEX transfers_with_receipt;
DROP INDEX transfers_live;
