-- The live row of a rule and key, told apart by a column that a claim does not write: keys lie all over this index, and
-- every row that changes its status would otherwise cost a page of its own.
DROP INDEX transfers_live;
CREATE UNIQUE INDEX transfers_live ON transfers (source_bucket, source_key, rule_name) WHERE finished_at IS NULL;
