-- What people told WhatsApp itself, see platform.rs. NULL for nearly everybody.
ALTER TABLE consent ADD COLUMN platform TEXT;

-- Where the ledger ends. Hash and salt of what is there already come after the
-- migration (operations/upgrade.rs): until then the ledger ends before it.
ALTER TABLE workspace ADD COLUMN ledger_length INTEGER NOT NULL DEFAULT 0;
ALTER TABLE workspace ADD COLUMN ledger_hash BLOB NOT NULL DEFAULT x'';

-- The ledger: nothing personal, never changed, in the order of commits.
CREATE TABLE new_event (
    workspace_key          INTEGER NOT NULL,
    position               INTEGER NOT NULL, -- from 1, without gaps
    event_id               BLOB    NOT NULL,
    contact_id             BLOB,
    kind                   INTEGER NOT NULL, -- 2 opt-in, 3 opt-out, 4 platform stop, 5 resume, 6 erasure
    categories             INTEGER NOT NULL, -- bits: 1 marketing, 2 utility, 4 authentication
    changed_categories     INTEGER NOT NULL,
    source                 INTEGER NOT NULL,
    wording_version        TEXT    NOT NULL,
    sender_phone_number_id TEXT,
    occurred_time          INTEGER NOT NULL,
    record_time            INTEGER NOT NULL,
    expire_time            INTEGER,
    erased_positions       BLOB,
    detail_hash            BLOB,
    hash                   BLOB,             -- NULL until sealed
    PRIMARY KEY (workspace_key, position)
) WITHOUT ROWID;

INSERT INTO new_event (workspace_key, position, event_id, contact_id, kind, categories,
    changed_categories, source, wording_version, occurred_time, record_time, expire_time)
SELECT workspace_key, row_number() OVER (PARTITION BY workspace_key ORDER BY event_id), event_id,
    contact_id, status, categories, changed_categories, source, wording_version, occurred_time,
    record_time, expire_time
FROM opt_in_event;

-- What is personal about an event, until the person is erased. The subject is
-- the contact's seq, and stays so; or the match key of somebody who was none.
CREATE TABLE new_detail (
    workspace_key INTEGER NOT NULL,
    subject               NOT NULL,
    position      INTEGER NOT NULL,
    match_key     TEXT    NOT NULL,
    wording       TEXT    NOT NULL,
    business_name TEXT    NOT NULL,
    url           TEXT    NOT NULL,
    message_id    TEXT    NOT NULL,
    actor         TEXT    NOT NULL,
    reason_text   TEXT    NOT NULL,
    salt          BLOB,                      -- NULL until sealed
    PRIMARY KEY (workspace_key, subject, position)
) WITHOUT ROWID;

CREATE INDEX new_event_id ON new_event (workspace_key, event_id);

INSERT INTO new_detail (workspace_key, subject, position, match_key, wording, business_name,
    url, message_id, actor, reason_text)
SELECT d.workspace_key, d.subject, e.position, d.match_key, d.wording, d.business_name, d.url,
    d.message_id, d.actor, d.reason_text
FROM opt_in_event_detail AS d
CROSS JOIN new_event AS e ON e.workspace_key = d.workspace_key AND e.event_id = d.event_id;

DROP INDEX new_event_id;
DROP TABLE opt_in_event;
DROP TABLE opt_in_event_detail;
ALTER TABLE new_event RENAME TO opt_in_event;
ALTER TABLE new_detail RENAME TO opt_in_event_detail;

-- A detail is found by the contact of its event, or here: contacts, which are
-- nearly all, cost no further index.
CREATE INDEX opt_in_event_detail_stranger ON opt_in_event_detail (workspace_key, position)
    WHERE typeof(subject) = 'text';
