-- For an erasure to be repeated on a restored backup: the ids of contacts merged into the one that
-- was erased, and its hashed keys, as JSON. Null: from before these columns.
ALTER TABLE deletion_receipt ADD COLUMN merged_contact_ids TEXT;
ALTER TABLE deletion_receipt ADD COLUMN hashed_keys TEXT;
