//! Consistency checks across the tables of a Postgres database, for tests that kill processes.

use sqlx::PgConnection;

/// Queries for rows that only a partially applied transaction could leave behind.
const INCONSISTENCIES: [(&str, &str); 10] = [
    (
        "contacts without a row for checks",
        "SELECT c.contact_id::text FROM contact AS c WHERE NOT EXISTS (
             SELECT FROM consent AS s
             WHERE s.workspace_id = c.workspace_id AND s.contact_id = c.contact_id)",
    ),
    (
        "rows for checks of a contact that is not there",
        "SELECT s.contact_id::text FROM consent AS s WHERE s.contact_id IS NOT NULL AND NOT EXISTS (
             SELECT FROM contact AS c
             WHERE c.workspace_id = s.workspace_id AND c.contact_id = s.contact_id)",
    ),
    (
        "contacts whose own consent is not what checks read",
        "SELECT c.contact_id::text FROM contact AS c
         JOIN consent AS s ON s.workspace_id = c.workspace_id AND s.contact_id = c.contact_id
         WHERE (c.opt_in_utility, c.opt_in_authentication, c.opt_in_update_time)
             IS DISTINCT FROM (s.utility_status, s.authentication_status, s.update_time)",
    ),
    (
        "contacts that are opted in to marketing while checks say otherwise",
        "SELECT c.contact_id::text FROM contact AS c
         JOIN consent AS s ON s.workspace_id = c.workspace_id AND s.contact_id = c.contact_id
         WHERE c.opt_in_marketing = 2 AND s.marketing_status <> 2",
    ),
    (
        "consent that no event of the ledger decided",
        "SELECT s.contact_id::text FROM consent AS s
         CROSS JOIN LATERAL (VALUES (s.marketing_event), (s.utility_event), (s.authentication_event))
             AS decided (event_id)
         WHERE decided.event_id IS NOT NULL AND NOT EXISTS (
             SELECT FROM opt_in_event AS e
             WHERE e.workspace_id = s.workspace_id AND e.event_id = decided.event_id)",
    ),
    (
        "events without the detail of what was said, although nobody was erased",
        "SELECT e.event_id::text FROM opt_in_event AS e WHERE e.kind <> 6 AND NOT EXISTS (
             SELECT FROM opt_in_event_detail AS d
             WHERE d.workspace_id = e.workspace_id AND d.position = e.position)
             AND NOT EXISTS (
                 SELECT FROM deletion_receipt AS r WHERE r.workspace_id = e.workspace_id)",
    ),
    (
        "details of no event",
        "SELECT d.position::text FROM opt_in_event_detail AS d WHERE NOT EXISTS (
             SELECT FROM opt_in_event AS e
             WHERE e.workspace_id = d.workspace_id AND e.position = d.position)",
    ),
    (
        "ledgers with a gap, or another end than their workspace knows",
        "SELECT w.workspace_id FROM workspace AS w
         LEFT JOIN opt_in_event AS e ON e.workspace_id = w.workspace_id
         GROUP BY w.workspace_id, w.ledger_length
         HAVING count(e.position) <> w.ledger_length
             OR coalesce(max(e.position), 0) <> w.ledger_length",
    ),
    (
        "kept counts that are off",
        "SELECT coalesce(kept.term, counted.term) FROM
             (SELECT workspace_id, term, sum(contacts)::bigint AS contacts FROM usage_count
              GROUP BY 1, 2 HAVING sum(contacts) <> 0) AS kept
         FULL JOIN
             (SELECT c.workspace_id, u.term, count(*) AS contacts FROM contact AS c
              CROSS JOIN LATERAL (
                  SELECT t.term FROM unnest(c.terms) AS t (term) WHERE strpos(t.term, '=') = 0
                  UNION ALL SELECT k.id || '=' FROM jsonb_object_keys(c.attributes) AS k (id)
              ) AS u (term) GROUP BY 1, 2) AS counted
         USING (workspace_id, term)
         WHERE kept.contacts IS DISTINCT FROM counted.contacts",
    ),
    (
        "consent newer than its workspace",
        "SELECT s.workspace_id FROM consent AS s JOIN workspace AS w USING (workspace_id)
         WHERE s.revision > w.consent_revision",
    ),
];

/// Panics if the tables contradict each other.
pub async fn assert_consistent(database: &mut PgConnection) {
    for (inconsistency, sql) in INCONSISTENCIES {
        let found: Vec<String> =
            sqlx::query_scalar(sql).fetch_all(&mut *database).await.expect("counted");
        let some = &found[..found.len().min(3)];
        assert!(found.is_empty(), "{} {inconsistency}, such as {some:?}", found.len());
    }
}
