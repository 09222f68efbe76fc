-- Times are microseconds since 1970, ids 16 bytes. In the large tables, small
-- integer keys stand for workspace and tag ids, which would be most of a row.

CREATE TABLE workspace (
    workspace_key    INTEGER PRIMARY KEY,
    workspace_id     TEXT    NOT NULL UNIQUE,
    display_name     TEXT    NOT NULL,
    create_time      INTEGER NOT NULL,
    consent_revision INTEGER NOT NULL, -- incremented by every change of consent
    consent_stamp    INTEGER NOT NULL, -- random, of that revision
    ledger_length    INTEGER NOT NULL, -- the end of the ledger, see opt_in_event_pack
    ledger_hash      BLOB    NOT NULL,
    token_key        BLOB    NOT NULL, -- authenticates page and resume tokens
    stop_words       TEXT    NOT NULL, -- one a line
    opt_in_policy    BLOB    NOT NULL  -- the encoded message; that of now, see opt_in_policy
);

-- The policies of a workspace, with the time from which each applied.
CREATE TABLE opt_in_policy (
    workspace_key INTEGER NOT NULL,
    begin_time    INTEGER NOT NULL,
    policy        BLOB    NOT NULL,
    PRIMARY KEY (workspace_key, begin_time)
) WITHOUT ROWID;

-- The sequence of the last id made, so that ids grow across restarts even if the
-- clock goes back.
CREATE TABLE sequence (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    last INTEGER NOT NULL
);

-- The tokens that callers authenticate with. They belong to no workspace. hash is the
-- SHA-256 of the secret, which is stored nowhere.
CREATE TABLE api_token (
    token_id    BLOB    NOT NULL PRIMARY KEY,
    hash        BLOB    NOT NULL UNIQUE,
    name        TEXT    NOT NULL,
    scopes      TEXT    NOT NULL, -- one a line
    workspaces  TEXT    NOT NULL, -- one a line, or * for all
    create_time INTEGER NOT NULL,
    expire_time INTEGER,
    revoke_time INTEGER,
    created_by  BLOB -- null for the command line
) WITHOUT ROWID;

CREATE TABLE tag (
    tag_key       INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace_key INTEGER NOT NULL,
    tag_id        TEXT    NOT NULL,
    display_name  TEXT    NOT NULL,
    description   TEXT    NOT NULL,
    color         TEXT    NOT NULL,
    contact_count INTEGER NOT NULL DEFAULT 0,
    create_time   INTEGER NOT NULL,
    update_time   INTEGER NOT NULL,
    UNIQUE (workspace_key, tag_id)
);

CREATE TABLE attribute (
    attribute_key  INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace_key  INTEGER NOT NULL,
    attribute_id   TEXT    NOT NULL,
    display_name   TEXT    NOT NULL,
    attribute_type TEXT    NOT NULL,
    enum_options   TEXT    NOT NULL, -- a JSON array
    description    TEXT    NOT NULL,
    contact_count  INTEGER NOT NULL DEFAULT 0,
    create_time    INTEGER NOT NULL,
    update_time    INTEGER NOT NULL,
    UNIQUE (workspace_key, attribute_id)
);

-- seq is the part of contact_id that is unique and ordered by itself, so contacts
-- are stored in the order of their ids. One row holds everything that filters
-- read: each filter is an expression on it, and each page a range of rows.
CREATE TABLE contact (
    workspace_key              INTEGER NOT NULL,
    seq                        INTEGER NOT NULL,
    version                    INTEGER NOT NULL,
    opt_in_marketing           INTEGER NOT NULL, -- state and source, see common/summary.rs
    opt_in_utility             INTEGER NOT NULL,
    opt_in_authentication      INTEGER NOT NULL,
    marketing_expire_time      INTEGER,
    utility_expire_time        INTEGER,
    authentication_expire_time INTEGER,
    marketing_time             INTEGER, -- when what decides was said
    utility_time               INTEGER, -- null for that of marketing
    authentication_time        INTEGER,
    marketing_counted_from     INTEGER, -- from when a permission ages, null for the time
    utility_counted_from       INTEGER,
    authentication_counted_from INTEGER,
    opt_in_update_time         INTEGER,
    tags                       TEXT    NOT NULL, -- tag keys: ,3,17,
    attributes                 BLOB    NOT NULL, -- JSONB by attribute id, see attribute_json.rs
    create_time                INTEGER NOT NULL,
    update_time                INTEGER NOT NULL,
    phone_number               TEXT    NOT NULL,
    email                      TEXT    NOT NULL,
    first_name                 TEXT    NOT NULL,
    last_name                  TEXT    NOT NULL,
    search_words               TEXT    NOT NULL, -- the words in name_search, needed to delete them there
    first_name_key             TEXT    NOT NULL, -- the keys that lists are ordered by
    last_name_key              TEXT    NOT NULL,
    record                     BLOB    NOT NULL, -- the encoded profile, see record.rs
    PRIMARY KEY (workspace_key, seq)
) WITHOUT ROWID;

-- The id of a merged contact, and the contact it was merged into: never one that
-- was merged itself.
CREATE TABLE contact_redirect (
    workspace_key INTEGER NOT NULL,
    merged_id     BLOB    NOT NULL,
    contact_id    BLOB    NOT NULL,
    PRIMARY KEY (workspace_key, merged_id)
) WITHOUT ROWID;

CREATE INDEX contact_redirect_contact ON contact_redirect (workspace_key, contact_id);

-- The business's own ids of contacts, also of those merged into them.
CREATE TABLE external_id (
    workspace_key INTEGER NOT NULL,
    external_id   TEXT    NOT NULL,
    contact_id    BLOB    NOT NULL,
    PRIMARY KEY (workspace_key, external_id)
) WITHOUT ROWID;

-- For filters on a rare tag.
CREATE TABLE contact_tag (
    tag_key INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    PRIMARY KEY (tag_key, seq)
) WITHOUT ROWID;

-- Words of names by the contact's seq. They are already folded and split
-- (domain::search). Not contentless_delete, which leaves deleted words in the file.
CREATE VIRTUAL TABLE name_search USING fts5(
    words, content = '', detail = none, columnsize = 0, tokenize = 'ascii', prefix = '1 2 3 4 5'
);
INSERT INTO name_search (name_search, rank) VALUES ('secure-delete', 1);

-- Everything a check reads, by phone number or user id, which is also how contacts are
-- found by these. A row without a contact_id is a suppression: somebody who opted out
-- or was erased, and is no contact. Its match_key is a keyed hash. What is said is in
-- one encoded column (domain/consent/fold/codec.rs), so that a check reads a short row.
CREATE TABLE consent (
    workspace_key INTEGER NOT NULL,
    match_key     TEXT    NOT NULL,
    contact_id    BLOB,
    identity_id   BLOB    NOT NULL, -- random; the ledger names the identity by it
    is_former     INTEGER NOT NULL, -- 1: the contact had it before
    consent       BLOB    NOT NULL,
    update_time   INTEGER,
    revision      INTEGER NOT NULL, -- the consent_revision that wrote the row
    PRIMARY KEY (workspace_key, match_key)
) WITHOUT ROWID;

-- Suppressions, in the order they were written.
CREATE INDEX consent_suppressed ON consent (workspace_key, revision) WHERE contact_id IS NULL;

-- The identities that each revision changed, for servers that keep consent in memory: 64-bit
-- keyed hashes of their keys, one after the other. Kept for an hour.
CREATE TABLE consent_change (
    workspace_key INTEGER NOT NULL,
    revision      INTEGER NOT NULL,
    stamp         INTEGER NOT NULL, -- the consent_stamp of the revision
    change_time   INTEGER NOT NULL,
    key_version   INTEGER NOT NULL,
    tags          BLOB    NOT NULL,
    PRIMARY KEY (workspace_key, revision)
);

-- The versions of the suppression key that the workspace's suppressions may use. A
-- server that lacks one of them would miss these rows, so it refuses to answer.
CREATE TABLE suppression_key (
    workspace_key INTEGER NOT NULL,
    key_version   INTEGER NOT NULL,
    fingerprint   BLOB    NOT NULL,
    PRIMARY KEY (workspace_key, key_version)
) WITHOUT ROWID;

-- The ledger, in the order of commits. Never changed, and nothing in it is personal. A
-- row holds up to 64 consecutive entries that one transaction appended, encoded
-- (common/ledger_pack.rs). Positions begin with 1 and have no gaps.
CREATE TABLE opt_in_event_pack (
    workspace_key INTEGER NOT NULL,
    last_position INTEGER NOT NULL,
    facts         BLOB    NOT NULL,
    PRIMARY KEY (workspace_key, last_position)
);

-- The personal details of a pack's events, each until the person is erased.
CREATE TABLE opt_in_event_detail_pack (
    workspace_key INTEGER NOT NULL,
    last_position INTEGER NOT NULL,
    details       BLOB    NOT NULL,
    PRIMARY KEY (workspace_key, last_position)
);

-- Whose detail is at a position. The subject is the contact's seq, and stays so after a
-- merge; for a non-contact it is the match key, a keyed hash, and becomes k: and the
-- contact_id when a contact claims it.
CREATE TABLE opt_in_event_subject (
    workspace_key INTEGER NOT NULL,
    subject               NOT NULL,
    position      INTEGER NOT NULL,
    PRIMARY KEY (workspace_key, subject, position)
) WITHOUT ROWID;

-- Further entries that a person's list shows, without details: those that still count
-- for an identity after it was released or erased, under a keyed hash. With `i:` and an
-- identity_id, the entries that released, erased or forgot it, and with `k:` and the id of a
-- contact that is gone, its erasure: by these the past is found for checks as of a time.
-- With `k:` and the id of a contact also what was listed for an identity that it claimed:
-- it still counts for the contact after the identity is released.
CREATE TABLE opt_in_event_pointer (
    workspace_key INTEGER NOT NULL,
    subject       TEXT    NOT NULL,
    position      INTEGER NOT NULL,
    PRIMARY KEY (workspace_key, subject, position)
) WITHOUT ROWID;

CREATE TABLE deletion_receipt (
    workspace_key      INTEGER NOT NULL,
    receipt_id         BLOB    NOT NULL,
    contact_id         BLOB    NOT NULL,
    reason             INTEGER NOT NULL,
    delete_time        INTEGER NOT NULL,
    -- JSON arrays, for repeating the erasure on a restored backup.
    merged_contact_ids TEXT    NOT NULL,
    hashed_keys        TEXT    NOT NULL,
    PRIMARY KEY (workspace_key, receipt_id)
) WITHOUT ROWID;

CREATE INDEX deletion_receipt_contact ON deletion_receipt (workspace_key, contact_id);

-- Responses by request_id, for requests that are sent again. Erasing the contact or
-- non-contact (match_key, a keyed hash) that a response is about erases its content.
CREATE TABLE stored_response (
    workspace_key INTEGER NOT NULL,
    request_id    BLOB    NOT NULL,
    fingerprint   BLOB    NOT NULL,
    method        TEXT    NOT NULL,
    response      BLOB    NOT NULL,
    contact_id    BLOB,
    match_key     TEXT,
    create_time   INTEGER NOT NULL,
    PRIMARY KEY (workspace_key, request_id)
) WITHOUT ROWID;

CREATE INDEX stored_response_contact ON stored_response (workspace_key, contact_id)
    WHERE contact_id IS NOT NULL;
CREATE INDEX stored_response_non_contact ON stored_response (workspace_key, match_key)
    WHERE match_key IS NOT NULL;
CREATE INDEX stored_response_time ON stored_response (workspace_key, create_time);

-- What webhooks said and was applied, so that one that is sent again changes nothing;
-- and the ids that webhooks said their persons left. The record_id is a keyed hash.
-- Deleted after 31 days.
CREATE TABLE webhook_record (
    workspace_key INTEGER NOT NULL,
    record_id     BLOB    NOT NULL,
    time          INTEGER NOT NULL, -- when it was applied; when they left
    PRIMARY KEY (workspace_key, record_id)
) WITHOUT ROWID;

CREATE INDEX webhook_record_time ON webhook_record (workspace_key, time);
