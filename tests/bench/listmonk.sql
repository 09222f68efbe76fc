-- The part of listmonk's schema that its subscribers are kept in: the same tables, columns, types and
-- indexes, so that its statements cost here what they cost there. Written anew from schema.sql of
-- https://github.com/knadh/listmonk (commit 911e0b7, AGPL-3.0), of which nothing is copied verbatim.
CREATE SCHEMA listmonk;
SET search_path = listmonk, public;

CREATE TYPE subscriber_status AS ENUM ('enabled', 'disabled', 'blocklisted');
CREATE TYPE subscription_status AS ENUM ('unconfirmed', 'confirmed', 'unsubscribed');

CREATE TABLE subscribers (
    id         serial PRIMARY KEY,
    uuid       uuid NOT NULL UNIQUE,
    email      text NOT NULL UNIQUE,
    name       text NOT NULL,
    attribs    jsonb NOT NULL DEFAULT '{}',
    status     subscriber_status NOT NULL DEFAULT 'enabled',
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now()
);
CREATE UNIQUE INDEX ON subscribers (lower(email));
CREATE INDEX ON subscribers (status);
CREATE INDEX ON subscribers (id, status);
CREATE INDEX ON subscribers (created_at);
CREATE INDEX ON subscribers (updated_at);

-- Of lists, what these statements use.
CREATE TABLE lists (
    id   serial PRIMARY KEY,
    name text NOT NULL
);

CREATE TABLE subscriber_lists (
    subscriber_id integer REFERENCES subscribers (id) ON DELETE CASCADE ON UPDATE CASCADE,
    list_id       integer REFERENCES lists (id) ON DELETE CASCADE ON UPDATE CASCADE,
    meta          jsonb NOT NULL DEFAULT '{}',
    status        subscription_status NOT NULL DEFAULT 'unconfirmed',
    created_at    timestamptz DEFAULT now(),
    updated_at    timestamptz DEFAULT now(),
    PRIMARY KEY (subscriber_id, list_id)
);
CREATE INDEX ON subscriber_lists (subscriber_id);
CREATE INDEX ON subscriber_lists (list_id);
CREATE INDEX ON subscriber_lists (status);

-- Our contacts as subscribers. A tag is a list; who opted in has confirmed their lists.
INSERT INTO lists (name)
SELECT DISTINCT term FROM contact, unnest(terms) AS term WHERE strpos(term, '=') = 0;

CREATE TEMPORARY TABLE person AS
SELECT row_number() OVER (ORDER BY contact_id) AS place, email,
       first_name || ' ' || last_name AS name,
       attributes || jsonb_build_object('phone', phone_number) AS attribs,
       ARRAY(SELECT l.id FROM lists AS l WHERE l.name = ANY(terms)) AS list_ids,
       CASE WHEN (opt_in_marketing & 7) = 2 THEN 'confirmed' ELSE 'unconfirmed' END AS status
FROM contact;
