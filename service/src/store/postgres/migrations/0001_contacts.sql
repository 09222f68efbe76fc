-- Times are microseconds since 1970: exact, compared without a time zone, and
-- the same numbers as in attributes. Every key begins with workspace_id, which
-- Citus distributes by. Text is compared by its bytes (COLLATE "C"), which is
-- by code point and the same on every machine.

CREATE TABLE workspace (
    workspace_id     text   COLLATE "C" PRIMARY KEY,
    display_name     text   COLLATE "C" NOT NULL,
    create_time      bigint NOT NULL,
    consent_revision bigint NOT NULL,
    token_key        bytea  NOT NULL
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

-- Wide columns last: what filters read is found without walking past them.
-- The room left in each page lets a change of consent, which is in no index,
-- stay on its page and out of all six.
CREATE TABLE contact (
    contact_id                 uuid     NOT NULL,
    version                    bigint   NOT NULL,
    create_time                bigint   NOT NULL,
    update_time                bigint   NOT NULL,
    marketing_expire_time      bigint,
    utility_expire_time        bigint,
    authentication_expire_time bigint,
    opt_in_update_time         bigint,
    opt_in_marketing           smallint NOT NULL, -- 1 not asked, 2 opted in, 3 opted out
    opt_in_utility             smallint NOT NULL,
    opt_in_authentication      smallint NOT NULL,
    workspace_id               text     COLLATE "C" NOT NULL,
    terms                      text[]   COLLATE "C" NOT NULL, -- tags, and values as id=value
    attributes                 jsonb    NOT NULL, -- times as microseconds
    phone_number               text     COLLATE "C" NOT NULL,
    first_name                 text     COLLATE "C" NOT NULL,
    last_name                  text     COLLATE "C" NOT NULL,
    email                      text     COLLATE "C" NOT NULL,
    first_name_key             text     COLLATE "C" NOT NULL, -- what lists are ordered by
    last_name_key              text     COLLATE "C" NOT NULL,
    words                      tsvector NOT NULL, -- of the name, folded and split (domain::search)
    record                     bytea    NOT NULL, -- the profile, as it is sent
    PRIMARY KEY (workspace_id, contact_id)
) WITH (fillfactor = 90, autovacuum_analyze_scale_factor = 0.02);

CREATE INDEX contact_first_name ON contact (workspace_id, first_name_key, contact_id);
CREATE INDEX contact_last_name ON contact (workspace_id, last_name_key, contact_id);
CREATE INDEX contact_terms ON contact USING gin (terms);
CREATE INDEX contact_words ON contact USING gin (words);

-- What a check reads. Also how contacts are found by phone number or user id.
-- Without a contact_id: somebody who objected and is no contact.
CREATE TABLE consent (
    contact_id                 uuid,
    marketing_event            uuid,
    utility_event              uuid,
    authentication_event       uuid,
    revision                   bigint   NOT NULL,
    update_time                bigint,
    marketing_time             bigint,
    marketing_expire_time      bigint,
    utility_time               bigint,
    utility_expire_time        bigint,
    authentication_time        bigint,
    authentication_expire_time bigint,
    marketing_status           smallint NOT NULL,
    utility_status             smallint NOT NULL,
    authentication_status      smallint NOT NULL,
    workspace_id               text     COLLATE "C" NOT NULL,
    match_key                  text     COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace_id, match_key)
) WITH (fillfactor = 90);

-- The ledger: nothing personal, never changed.
CREATE TABLE opt_in_event (
    event_id           uuid     NOT NULL,
    contact_id         uuid,
    occurred_time      bigint   NOT NULL,
    record_time        bigint   NOT NULL,
    expire_time        bigint,
    status             smallint NOT NULL,
    categories         smallint NOT NULL, -- bits: 1 marketing, 2 utility, 4 authentication
    changed_categories smallint NOT NULL,
    source             smallint NOT NULL,
    workspace_id       text     COLLATE "C" NOT NULL,
    wording_version    text     COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace_id, event_id)
);

-- What is personal about an event, until the person is erased. The subject is
-- a contact_id, or the match key of somebody who was no contact.
CREATE TABLE opt_in_event_detail (
    event_id      uuid NOT NULL,
    workspace_id  text COLLATE "C" NOT NULL,
    subject       text COLLATE "C" NOT NULL,
    match_key     text COLLATE "C" NOT NULL,
    wording       text COLLATE "C" NOT NULL,
    business_name text COLLATE "C" NOT NULL,
    url           text COLLATE "C" NOT NULL,
    message_id    text COLLATE "C" NOT NULL,
    actor         text COLLATE "C" NOT NULL,
    reason_text   text COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace_id, subject, event_id)
);

CREATE TABLE deletion_receipt (
    workspace_id text     COLLATE "C" NOT NULL,
    receipt_id   uuid     NOT NULL,
    contact_id   uuid     NOT NULL,
    reason       integer  NOT NULL,
    delete_time  bigint   NOT NULL,
    PRIMARY KEY (workspace_id, receipt_id)
);

CREATE TABLE saved_answer (
    workspace_id text   COLLATE "C" NOT NULL,
    request_id   uuid   NOT NULL,
    contact_id   uuid,
    create_time  bigint NOT NULL,
    fingerprint  bytea  NOT NULL,
    response     bytea  NOT NULL,
    PRIMARY KEY (workspace_id, request_id)
);

CREATE INDEX saved_answer_contact ON saved_answer (workspace_id, contact_id)
    WHERE contact_id IS NOT NULL;
CREATE INDEX saved_answer_time ON saved_answer (workspace_id, create_time);
