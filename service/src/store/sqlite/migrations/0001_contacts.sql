-- Times are microseconds since 1970, ids 16 bytes. Small integer keys stand for
-- workspace, tag and attribute ids in the large tables: they are most of a row.

CREATE TABLE workspace (
    workspace_key    INTEGER PRIMARY KEY,
    workspace_id     TEXT    NOT NULL UNIQUE,
    display_name     TEXT    NOT NULL,
    create_time      INTEGER NOT NULL,
    consent_revision INTEGER NOT NULL,
    token_key        BLOB    NOT NULL
);

-- The sequence of the last id made, so that ids grow across restarts whatever
-- the clock does.
CREATE TABLE sequence (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    last INTEGER NOT NULL
);

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

-- seq is the part of contact_id that is unique and ordered by itself: contacts
-- lie in the order of their ids. One row holds all that filters look at, so that
-- every filter is an expression on it and every page a walk in order.
CREATE TABLE contact (
    workspace_key              INTEGER NOT NULL,
    seq                        INTEGER NOT NULL,
    version                    INTEGER NOT NULL,
    opt_in_marketing           INTEGER NOT NULL, -- 1 not asked, 2 opted in, 3 opted out
    opt_in_utility             INTEGER NOT NULL,
    opt_in_authentication      INTEGER NOT NULL,
    marketing_expire_time      INTEGER,
    utility_expire_time        INTEGER,
    authentication_expire_time INTEGER,
    opt_in_update_time         INTEGER,
    tags                       TEXT    NOT NULL, -- tag keys: ,3,17,
    attributes                 BLOB    NOT NULL, -- JSONB by attribute id, see attributes.rs
    create_time                INTEGER NOT NULL,
    update_time                INTEGER NOT NULL,
    phone_number               TEXT    NOT NULL,
    email                      TEXT    NOT NULL,
    first_name                 TEXT    NOT NULL,
    last_name                  TEXT    NOT NULL,
    search_words               TEXT    NOT NULL, -- as in name_search, which forgets only what it is told
    first_name_key             TEXT    NOT NULL, -- what lists are ordered by
    last_name_key              TEXT    NOT NULL,
    record                     BLOB    NOT NULL, -- the profile, as it is sent
    PRIMARY KEY (workspace_key, seq)
) WITHOUT ROWID;

-- For filters on a tag few carry.
CREATE TABLE contact_tag (
    tag_key INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    PRIMARY KEY (tag_key, seq)
) WITHOUT ROWID;

-- What a check reads. Also how contacts are found by phone number or user id.
-- Without a contact_id: somebody who objected and is no contact.
CREATE TABLE consent (
    workspace_key              INTEGER NOT NULL,
    match_key                  TEXT    NOT NULL,
    contact_id                 BLOB,
    marketing_status           INTEGER NOT NULL,
    marketing_time             INTEGER,
    marketing_expire_time      INTEGER,
    marketing_event            BLOB,
    utility_status             INTEGER NOT NULL,
    utility_time               INTEGER,
    utility_expire_time        INTEGER,
    utility_event              BLOB,
    authentication_status      INTEGER NOT NULL,
    authentication_time        INTEGER,
    authentication_expire_time INTEGER,
    authentication_event       BLOB,
    update_time                INTEGER,
    revision                   INTEGER NOT NULL,
    PRIMARY KEY (workspace_key, match_key)
) WITHOUT ROWID;

-- The ledger: nothing personal, never changed.
CREATE TABLE opt_in_event (
    workspace_key      INTEGER NOT NULL,
    event_id           BLOB    NOT NULL,
    contact_id         BLOB,
    status             INTEGER NOT NULL,
    categories         INTEGER NOT NULL, -- bits: 1 marketing, 2 utility, 4 authentication
    changed_categories INTEGER NOT NULL,
    source             INTEGER NOT NULL,
    wording_version    TEXT    NOT NULL,
    occurred_time      INTEGER NOT NULL,
    record_time        INTEGER NOT NULL,
    expire_time        INTEGER,
    PRIMARY KEY (workspace_key, event_id)
) WITHOUT ROWID;

-- What is personal about an event, until the person is erased. The subject is
-- a contact's seq, or the match key of somebody who was no contact.
CREATE TABLE opt_in_event_detail (
    workspace_key INTEGER NOT NULL,
    subject               NOT NULL,
    event_id      BLOB    NOT NULL,
    match_key     TEXT    NOT NULL,
    wording       TEXT    NOT NULL,
    business_name TEXT    NOT NULL,
    url           TEXT    NOT NULL,
    message_id    TEXT    NOT NULL,
    actor         TEXT    NOT NULL,
    reason_text   TEXT    NOT NULL,
    PRIMARY KEY (workspace_key, subject, event_id)
) WITHOUT ROWID;

CREATE TABLE deletion_receipt (
    workspace_key INTEGER NOT NULL,
    receipt_id    BLOB    NOT NULL,
    contact_id    BLOB    NOT NULL,
    reason        INTEGER NOT NULL,
    delete_time   INTEGER NOT NULL,
    PRIMARY KEY (workspace_key, receipt_id)
) WITHOUT ROWID;

CREATE TABLE saved_answer (
    workspace_key INTEGER NOT NULL,
    request_id    BLOB    NOT NULL,
    fingerprint   BLOB    NOT NULL,
    response      BLOB    NOT NULL,
    contact_id    BLOB,
    create_time   INTEGER NOT NULL,
    PRIMARY KEY (workspace_key, request_id)
) WITHOUT ROWID;

CREATE INDEX saved_answer_contact ON saved_answer (workspace_key, contact_id)
    WHERE contact_id IS NOT NULL;
CREATE INDEX saved_answer_time ON saved_answer (workspace_key, create_time);

-- Words of names by the contact's seq. They come folded and split (domain::search).
-- Not contentless_delete: it leaves what was deleted in the file.
CREATE VIRTUAL TABLE name_search USING fts5(
    words, content = '', detail = none, columnsize = 0, tokenize = 'ascii', prefix = '1 2 3 4 5'
);
INSERT INTO name_search (name_search, rank) VALUES ('secure-delete', 1);
