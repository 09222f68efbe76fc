//! Consistency checks across the tables of a Postgres database, for tests that kill processes.

use std::collections::{HashMap, HashSet};

use contacts_service::domain::Time;
use contacts_service::domain::consent::{
    ConsentSummary, IdentityConsent, IdentityId, MessageCategory,
};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

/// Queries for rows that only a partially applied transaction could leave behind.
const INCONSISTENCIES: [(&str, &str); 7] = [
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
    assert_consent_is_consistent(database).await;
}

/// Panics if a contact shows another consent than a check of it reads, if what stands against a
/// person is not on all of its rows, or if something was decided by an event that the ledger lacks.
async fn assert_consent_is_consistent(database: &mut PgConnection) {
    let events: Vec<(String, Uuid)> =
        sqlx::query_as("SELECT workspace_id, event_id FROM opt_in_event")
            .fetch_all(&mut *database)
            .await
            .expect("events");
    let events: HashSet<(String, Uuid)> = events.into_iter().collect();
    let rows = sqlx::query(
        "SELECT s.workspace_id, s.contact_id, s.identity_id, s.consent, s.update_time, s.match_key,
             c.opt_in_update_time,
             c.opt_in_marketing, c.marketing_expire_time, c.marketing_time,
             coalesce(c.marketing_counted_from, c.marketing_time),
             c.opt_in_utility, c.utility_expire_time,
             coalesce(c.utility_time, c.marketing_time),
             coalesce(c.utility_counted_from, c.utility_time, c.marketing_time),
             c.opt_in_authentication, c.authentication_expire_time,
             coalesce(c.authentication_time, c.marketing_time),
             coalesce(c.authentication_counted_from, c.authentication_time, c.marketing_time)
         FROM consent AS s
         LEFT JOIN contact AS c ON c.workspace_id = s.workspace_id AND c.contact_id = s.contact_id
         ORDER BY s.workspace_id, s.contact_id, s.is_former, s.match_key",
    )
    .fetch_all(database)
    .await
    .expect("rows");
    let mut persons: HashMap<(String, Uuid), IdentityConsent> = HashMap::new();
    for row in &rows {
        let workspace: String = row.get(0);
        let consent = IdentityConsent::decode(IdentityId(row.get(2)), row.get(3)).expect("consent");
        let permissions = MessageCategory::ALL.into_iter().filter_map(|c| consent.permission(c));
        let deciding = permissions.map(|permission| permission.event);
        for event in deciding.chain(consent.objections.events()) {
            assert!(events.contains(&(workspace.clone(), event)), "no event {event}");
        }
        let Some(contact) = row.get::<Option<Uuid>, _>(1) else { continue };
        let key = (workspace, contact);
        if let Some(first) = persons.get(&key) {
            assert_eq!(first.objections, consent.objections, "contact {contact}");
            continue;
        }
        // The first row is that of the identity a message would go to.
        let summary = ConsentSummary::of(&consent, None);
        for (expected, at) in summary.categories.iter().zip([7, 11, 15]) {
            let source = expected.source.map_or(0, |source| source as i16);
            let code: i16 = row.get(at);
            assert_eq!(code, expected.state as i16 + 8 * source, "contact {contact}");
            let micros = |time: Option<Time>| time.map(|time| time.timestamp_micros());
            let end: Option<i64> = row.get(at + 1);
            assert_eq!(end, micros(expected.expire), "contact {contact}");
            if let Some(said) = expected.time {
                assert_eq!(row.get::<i64, _>(at + 2), said.timestamp_micros(), "contact {contact}");
            }
            if let Some(from) = expected.counted_from {
                assert_eq!(row.get::<i64, _>(at + 3), from.timestamp_micros(), "contact {contact}");
            }
        }
        let times = (row.get::<Option<i64>, _>(6), row.get::<Option<i64>, _>(4));
        assert_eq!(times.0, times.1, "contact {contact}");
        persons.insert(key, consent);
    }
}
