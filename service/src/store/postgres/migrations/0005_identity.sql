-- One statement: Citus refuses a message of several once tables are distributed.
DO $$
BEGIN
    -- Where the id of a merged contact leads: to the contact itself, never to
    -- another that was merged.
    CREATE TABLE contact_redirect (
        workspace_id text COLLATE "C" NOT NULL,
        merged_id    uuid NOT NULL,
        contact_id   uuid NOT NULL,
        PRIMARY KEY (workspace_id, merged_id)
    );

    CREATE INDEX contact_redirect_contact ON contact_redirect (workspace_id, contact_id);

    -- For the copy of everything held about one person. Null: from before this
    -- column.
    ALTER TABLE saved_answer ADD COLUMN method text COLLATE "C";

    CREATE INDEX deletion_receipt_contact ON deletion_receipt (workspace_id, contact_id);
END
$$;
