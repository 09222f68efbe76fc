-- One statement: Citus refuses a message of several once tables are distributed.
DO $$
BEGIN
    -- Which versions of the suppression key a workspace's rows may be under. A
    -- server that lacks one of them answers nothing about people who are no
    -- contacts. Who writes such rows holds these.
    CREATE TABLE suppression_key (
        workspace_id text    COLLATE "C" NOT NULL,
        key_version  integer NOT NULL,
        fingerprint  bytea   NOT NULL,
        PRIMARY KEY (workspace_id, key_version)
    );

    -- Those who are no contacts, in the order they were written.
    CREATE INDEX consent_suppressed ON consent (workspace_id, revision) WHERE contact_id IS NULL;

    -- The hashed key of somebody who is no contact, whose erasure erases the
    -- answer too.
    ALTER TABLE saved_answer ADD COLUMN match_key text COLLATE "C";
    CREATE INDEX saved_answer_stranger ON saved_answer (workspace_id, match_key)
        WHERE match_key IS NOT NULL;
END
$$;
