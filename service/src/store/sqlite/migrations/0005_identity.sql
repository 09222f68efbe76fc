-- Where the id of a merged contact leads: to the contact itself, never to another that was merged.
CREATE TABLE contact_redirect (
    workspace_key INTEGER NOT NULL,
    merged_id     BLOB    NOT NULL,
    contact_id    BLOB    NOT NULL,
    PRIMARY KEY (workspace_key, merged_id)
) WITHOUT ROWID;

CREATE INDEX contact_redirect_contact ON contact_redirect (workspace_key, contact_id);

-- For the copy of everything held about one person. Null: from before this column.
ALTER TABLE saved_answer ADD COLUMN method TEXT;

CREATE INDEX deletion_receipt_contact ON deletion_receipt (workspace_key, contact_id);
