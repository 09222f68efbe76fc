-- One statement: Citus refuses a message of several once tables are distributed.
DO $$
BEGIN
    -- How many contacts carry a tag, or have a value of an attribute (`id=`).
    -- Their number is the sum of its parts.
    CREATE TABLE usage_count (
        workspace_id text     COLLATE "C" NOT NULL,
        term         text     COLLATE "C" NOT NULL,
        part         smallint NOT NULL,
        contacts     bigint   NOT NULL,
        PRIMARY KEY (workspace_id, term, part)
    ) WITH (fillfactor = 50);

    -- A tag has no `=` in its id; the terms that have one are values.
    INSERT INTO usage_count (workspace_id, term, part, contacts)
    SELECT c.workspace_id, u.term, 0, count(*)
    FROM contact AS c
    CROSS JOIN LATERAL (
        SELECT t.term FROM unnest(c.terms) AS t (term) WHERE strpos(t.term, '=') = 0
        UNION ALL
        SELECT k.id || '=' FROM jsonb_object_keys(c.attributes) AS k (id)
    ) AS u (term)
    GROUP BY c.workspace_id, u.term;
END
$$;
