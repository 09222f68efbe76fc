-- For an erasure to be repeated on a restored backup: the ids of contacts merged into
-- the one that was erased, and its hashed keys. Null: from before these columns.
ALTER TABLE deletion_receipt
    ADD COLUMN merged_contact_ids uuid[],
    ADD COLUMN hashed_keys text[] COLLATE "C";
