-- Which versions of the suppression key a workspace's rows may be under. A server that lacks one of
-- them answers nothing about people who are no contacts.
CREATE TABLE suppression_key (
    workspace_key INTEGER NOT NULL,
    key_version   INTEGER NOT NULL,
    fingerprint   BLOB    NOT NULL,
    PRIMARY KEY (workspace_key, key_version)
) WITHOUT ROWID;

-- Those who are no contacts, in the order they were written.
CREATE INDEX consent_suppressed ON consent (workspace_key, revision) WHERE contact_id IS NULL;

-- The hashed key of somebody who is no contact, whose erasure erases the answer too.
ALTER TABLE saved_answer ADD COLUMN match_key TEXT;
CREATE INDEX saved_answer_stranger ON saved_answer (workspace_key, match_key)
    WHERE match_key IS NOT NULL;
