-- What is parked, by class: the first and the last of each, without a walk over the others. A parked row was updated
-- when it was parked. Rows of other statuses are not in the index, so they pay nothing for it.
CREATE INDEX transfers_parked ON transfers (fault_code, rule_name, updated_at) WHERE status = 'parked';
