-- Stored uploads that nobody went on with, longest untouched first. Few rows have one.
CREATE INDEX transfers_with_upload ON transfers (updated_at) WHERE checkpoint IS NOT NULL;
