-- One statement: Citus refuses a message of several once tables are distributed.
DO $$
BEGIN
    -- Citus: tables are altered after their rows were changed, which takes one
    -- connection to each machine for all of it.
    PERFORM set_config('citus.multi_shard_modify_mode', 'sequential', true);

    -- What people told WhatsApp itself, see platform.rs. NULL for nearly everybody.
    ALTER TABLE consent ADD COLUMN platform text COLLATE "C";

    -- Where the ledger ends. Hash and salt of what is there already come after the
    -- migration (operations/upgrade.rs): until then the ledger ends before it.
    ALTER TABLE workspace
        ADD COLUMN ledger_length bigint NOT NULL DEFAULT 0,
        ADD COLUMN ledger_hash bytea NOT NULL DEFAULT '';
    ALTER TABLE workspace
        ALTER COLUMN ledger_length DROP DEFAULT,
        ALTER COLUMN ledger_hash DROP DEFAULT;

    -- The ledger, in the order of commits: 1, 2, 3 … without gaps.
    ALTER TABLE opt_in_event
        ADD COLUMN position bigint,
        ADD COLUMN sender_phone_number_id text COLLATE "C",
        ADD COLUMN erased_positions bytea,
        ADD COLUMN detail_hash bytea,
        ADD COLUMN hash bytea; -- NULL until sealed
    UPDATE opt_in_event AS e SET position = n.position
    FROM (
        SELECT workspace_id, event_id,
            row_number() OVER (PARTITION BY workspace_id ORDER BY event_id) AS position
        FROM opt_in_event
    ) AS n
    WHERE n.workspace_id = e.workspace_id AND n.event_id = e.event_id;

    ALTER TABLE opt_in_event_detail
        ADD COLUMN position bigint,
        ADD COLUMN salt bytea; -- NULL until sealed
    UPDATE opt_in_event_detail AS d SET position = e.position
    FROM opt_in_event AS e
    WHERE e.workspace_id = d.workspace_id AND e.event_id = d.event_id;

    -- The status says more now: 2 opt-in, 3 opt-out, 4 platform stop, 5 resume,
    -- 6 erasure.
    ALTER TABLE opt_in_event RENAME COLUMN status TO kind;
    ALTER TABLE opt_in_event ALTER COLUMN position SET NOT NULL;
    ALTER TABLE opt_in_event DROP CONSTRAINT opt_in_event_pkey;
    ALTER TABLE opt_in_event
        ADD CONSTRAINT opt_in_event_pkey PRIMARY KEY (workspace_id, position);

    -- A detail's subject is the contact of its event, and stays so; or the match
    -- key of somebody who was none.
    ALTER TABLE opt_in_event_detail ALTER COLUMN position SET NOT NULL;
    ALTER TABLE opt_in_event_detail DROP CONSTRAINT opt_in_event_detail_pkey;
    ALTER TABLE opt_in_event_detail DROP COLUMN event_id;
    ALTER TABLE opt_in_event_detail
        ADD CONSTRAINT opt_in_event_detail_pkey PRIMARY KEY (workspace_id, subject, position);

    -- A detail is found by the contact of its event, or here: contacts, which are
    -- nearly all, cost no further index. An id is hexadecimal, and a match key
    -- begins with a letter behind those.
    CREATE INDEX opt_in_event_detail_stranger ON opt_in_event_detail (workspace_id, position)
        WHERE subject >= 'g';
END
$$;
