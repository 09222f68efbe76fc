-- Times are microseconds since 1970: exact, compared without a time zone, and the
-- same numbers as in attributes. Every key begins with workspace_id, which Citus
-- distributes by. Text is compared by its bytes (COLLATE "C"), which is by code point
-- and the same on every machine. Columns of fixed width come first: Postgres finds
-- them without reading the others.

CREATE TABLE workspace (
    workspace_id     text   COLLATE "C" PRIMARY KEY,
    display_name     text   COLLATE "C" NOT NULL,
    create_time      bigint NOT NULL,
    consent_revision bigint NOT NULL, -- incremented by every change of consent
    consent_stamp    bigint NOT NULL, -- random, of that revision
    ledger_length    bigint NOT NULL, -- the end of the ledger, see opt_in_event_pack
    ledger_hash      bytea  NOT NULL,
    token_key        bytea  NOT NULL, -- authenticates page and resume tokens
    opt_in_policy    bytea  NOT NULL, -- the encoded message; that of now, see opt_in_policy
    stop_words       text   COLLATE "C" NOT NULL -- one a line
);

-- The ids of all workspaces, for work that takes them one by one. On Citus every node has a
-- copy, so that the list can be read while a worker is down.
CREATE TABLE workspace_list (
    workspace_id text COLLATE "C" PRIMARY KEY
);

-- The policies of a workspace, with the time from which each applied.
CREATE TABLE opt_in_policy (
    begin_time   bigint NOT NULL,
    workspace_id text   COLLATE "C" NOT NULL,
    policy       bytea  NOT NULL,
    PRIMARY KEY (workspace_id, begin_time)
);

-- The tokens that callers authenticate with. They belong to no workspace. hash is the
-- SHA-256 of the secret, which is stored nowhere.
CREATE TABLE api_token (
    token_id    uuid   PRIMARY KEY,
    create_time bigint NOT NULL,
    expire_time bigint,
    revoke_time bigint,
    created_by  uuid, -- null for the command line
    hash        bytea  NOT NULL UNIQUE,
    name        text   COLLATE "C" NOT NULL,
    scopes      text   COLLATE "C" NOT NULL, -- one a line
    workspaces  text   COLLATE "C" NOT NULL  -- one a line, or * for all
);

CREATE TABLE tag (
    workspace_id text   COLLATE "C" NOT NULL,
    tag_id       text   COLLATE "C" NOT NULL,
    display_name text   COLLATE "C" NOT NULL,
    description  text   COLLATE "C" NOT NULL,
    color        text   COLLATE "C" NOT NULL,
    create_time  bigint NOT NULL,
    update_time  bigint NOT NULL,
    PRIMARY KEY (workspace_id, tag_id)
);

CREATE TABLE attribute (
    workspace_id   text   COLLATE "C" NOT NULL,
    attribute_id   text   COLLATE "C" NOT NULL,
    display_name   text   COLLATE "C" NOT NULL,
    attribute_type text   COLLATE "C" NOT NULL,
    enum_options   text[] COLLATE "C" NOT NULL,
    description    text   COLLATE "C" NOT NULL,
    create_time    bigint NOT NULL,
    update_time    bigint NOT NULL,
    PRIMARY KEY (workspace_id, attribute_id)
);

-- How many contacts have a tag, or a value of an attribute (`id=`): the sum of the
-- parts. See usage.rs.
CREATE TABLE usage_count (
    workspace_id text     COLLATE "C" NOT NULL,
    term         text     COLLATE "C" NOT NULL,
    part         smallint NOT NULL,
    contacts     bigint   NOT NULL,
    PRIMARY KEY (workspace_id, term, part)
) WITH (fillfactor = 50);

-- The room left in each page lets a change of consent, which no index has, stay on
-- its page, so that it updates none of the indexes.
CREATE TABLE contact (
    contact_id                 uuid     NOT NULL,
    version                    bigint   NOT NULL,
    create_time                bigint   NOT NULL,
    update_time                bigint   NOT NULL,
    marketing_expire_time      bigint,
    utility_expire_time        bigint,
    authentication_expire_time bigint,
    marketing_time             bigint, -- when what decides was said
    utility_time               bigint, -- null for that of marketing
    authentication_time        bigint,
    marketing_counted_from     bigint, -- from when a permission ages, null for the time
    utility_counted_from       bigint,
    authentication_counted_from bigint,
    opt_in_update_time         bigint,
    opt_in_marketing           smallint NOT NULL, -- state and source, see common/summary.rs
    opt_in_utility             smallint NOT NULL,
    opt_in_authentication      smallint NOT NULL,
    record                     bytea    NOT NULL, -- the encoded profile, see record.rs; streams read no column after it
    workspace_id               text     COLLATE "C" NOT NULL,
    terms                      text[]   COLLATE "C" NOT NULL, -- tags, and values as id=value
    attributes                 jsonb    NOT NULL, -- times as microseconds
    phone_number               text     COLLATE "C" NOT NULL,
    first_name                 text     COLLATE "C" NOT NULL,
    last_name                  text     COLLATE "C" NOT NULL,
    email                      text     COLLATE "C" NOT NULL,
    first_name_key             text     COLLATE "C" NOT NULL, -- the keys that lists are ordered by
    last_name_key              text     COLLATE "C" NOT NULL,
    words                      tsvector NOT NULL, -- of the name, folded and split (domain::search)
    PRIMARY KEY (workspace_id, contact_id)
) WITH (fillfactor = 90, autovacuum_analyze_scale_factor = 0.02);

CREATE INDEX contact_first_name ON contact (workspace_id, first_name_key, contact_id);
CREATE INDEX contact_last_name ON contact (workspace_id, last_name_key, contact_id);
CREATE INDEX contact_terms ON contact USING gin (terms);
CREATE INDEX contact_words ON contact USING gin (words);

-- The id of a merged contact, and the contact it was merged into: never one that was
-- merged itself.
CREATE TABLE contact_redirect (
    workspace_id text COLLATE "C" NOT NULL,
    merged_id    uuid NOT NULL,
    contact_id   uuid NOT NULL,
    PRIMARY KEY (workspace_id, merged_id)
);

CREATE INDEX contact_redirect_contact ON contact_redirect (workspace_id, contact_id);

-- The business's own ids of contacts, also of those merged into them.
CREATE TABLE external_id (
    contact_id   uuid NOT NULL,
    workspace_id text COLLATE "C" NOT NULL,
    external_id  text COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace_id, external_id)
);

-- Everything a check reads, by phone number or user id, which is also how contacts are
-- found by these. A row without a contact_id is a suppression: somebody who opted out
-- or was erased, and is no contact. Its match_key is a keyed hash. What is said is in
-- one encoded column (domain/consent/fold/codec.rs), so that a check reads a short row. The
-- row with the match_key ! is the workspace's own: it has token_key and opt_in_policy of the
-- workspace in place of consent, so that a check reads no other table, and ids of zeros.
CREATE TABLE consent (
    contact_id   uuid,
    identity_id  uuid    NOT NULL, -- random; the ledger names the identity by it
    revision     bigint  NOT NULL, -- the consent_revision that wrote the row
    update_time  bigint,
    is_former    boolean NOT NULL, -- the contact had it before
    workspace_id text    COLLATE "C" NOT NULL,
    match_key    text    COLLATE "C" NOT NULL,
    consent      bytea   NOT NULL,
    PRIMARY KEY (workspace_id, match_key)
) WITH (fillfactor = 90);

-- Suppressions, in the order they were written.
CREATE INDEX consent_suppressed ON consent (workspace_id, revision) WHERE contact_id IS NULL;

-- The identities that each revision changed, for servers that keep consent in memory: 64-bit
-- keyed hashes of their keys, one after the other. Kept for an hour.
CREATE TABLE consent_change (
    revision     bigint  NOT NULL,
    stamp        bigint  NOT NULL, -- the consent_stamp of the revision
    change_time  bigint  NOT NULL,
    key_version  integer NOT NULL,
    workspace_id text    COLLATE "C" NOT NULL,
    tags         bytea   NOT NULL,
    PRIMARY KEY (workspace_id, revision)
);

-- The versions of the suppression key that the workspace's suppressions may use. A
-- server that lacks one of them would miss these rows, so it refuses to answer. Who
-- writes suppressions locks these rows.
CREATE TABLE suppression_key (
    workspace_id text    COLLATE "C" NOT NULL,
    key_version  integer NOT NULL,
    fingerprint  bytea   NOT NULL,
    PRIMARY KEY (workspace_id, key_version)
);

-- The ledger, in the order of commits. Never changed, and nothing in it is personal. A
-- row holds up to 64 consecutive entries that one transaction appended, encoded
-- (common/ledger_pack.rs). Positions begin with 1 and have no gaps.
CREATE TABLE opt_in_event_pack (
    last_position bigint NOT NULL,
    workspace_id  text   COLLATE "C" NOT NULL,
    facts         bytea  NOT NULL,
    PRIMARY KEY (workspace_id, last_position)
);

-- The personal details of a pack's events, each until the person is erased.
CREATE TABLE opt_in_event_detail_pack (
    last_position bigint NOT NULL,
    workspace_id  text   COLLATE "C" NOT NULL,
    details       bytea  NOT NULL,
    PRIMARY KEY (workspace_id, last_position)
);

-- Hashes and ids do not compress: trying costs more than it saves.
ALTER TABLE opt_in_event_pack ALTER COLUMN facts SET STORAGE EXTERNAL;
ALTER TABLE opt_in_event_detail_pack ALTER COLUMN details SET STORAGE EXTERNAL;

-- Whose detail is at a position. The subject is the contact_id of the event, and stays so
-- after a merge; for a non-contact it is the match key, a keyed hash, and becomes k: and
-- the contact_id when a contact claims it. As bytes: an id is 16 of them, a text is longer.
CREATE TABLE opt_in_event_subject (
    position     bigint NOT NULL,
    workspace_id text   COLLATE "C" NOT NULL,
    subject      bytea  NOT NULL,
    PRIMARY KEY (workspace_id, subject, position)
);

-- Further entries that a person's list shows, without details: those that still count
-- for an identity after it was released or erased, under a keyed hash. With `i:` and an
-- identity_id, the entries that released, erased or forgot it, and with `k:` and the id of a
-- contact that is gone, its erasure: by these the past is found for checks as of a time.
-- With `k:` and the id of a contact also what was listed for an identity that it claimed:
-- it still counts for the contact after the identity is released.
CREATE TABLE opt_in_event_pointer (
    position     bigint NOT NULL,
    workspace_id text   COLLATE "C" NOT NULL,
    subject      text   COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace_id, subject, position)
);

CREATE TABLE deletion_receipt (
    workspace_id       text    COLLATE "C" NOT NULL,
    receipt_id         uuid    NOT NULL,
    contact_id         uuid    NOT NULL,
    reason             integer NOT NULL,
    delete_time        bigint  NOT NULL,
    -- For repeating the erasure on a restored backup.
    merged_contact_ids uuid[]  NOT NULL,
    hashed_keys        text[]  COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace_id, receipt_id)
);

CREATE INDEX deletion_receipt_contact ON deletion_receipt (workspace_id, contact_id);

-- Responses by request_id, for requests that are sent again. Erasing the contact or
-- non-contact (match_key, a keyed hash) that a response is about erases its content.
CREATE TABLE stored_response (
    request_id   uuid   NOT NULL,
    contact_id   uuid,
    create_time  bigint NOT NULL,
    workspace_id text   COLLATE "C" NOT NULL,
    method       text   COLLATE "C" NOT NULL,
    match_key    text   COLLATE "C",
    fingerprint  bytea  NOT NULL,
    response     bytea  NOT NULL,
    PRIMARY KEY (workspace_id, request_id)
);

CREATE INDEX stored_response_contact ON stored_response (workspace_id, contact_id)
    WHERE contact_id IS NOT NULL;
CREATE INDEX stored_response_non_contact ON stored_response (workspace_id, match_key)
    WHERE match_key IS NOT NULL;
CREATE INDEX stored_response_time ON stored_response (workspace_id, create_time);

-- What webhooks said and was applied, so that one that is sent again changes nothing;
-- and the ids that webhooks said their persons left. The record_id is a keyed hash.
-- Deleted after 31 days.
CREATE TABLE webhook_record (
    record_id    uuid   NOT NULL,
    time         bigint NOT NULL, -- when it was applied; when they left
    workspace_id text   COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace_id, record_id)
);

CREATE INDEX webhook_record_time ON webhook_record (workspace_id, time);
