//! Consistency checks across the tables of a Postgres database, for tests that kill processes.

use std::collections::{HashMap, HashSet};

use contacts_service::domain::Time;
use contacts_service::domain::consent::{
    ConsentSummary, IdentityConsent, IdentityId, MessageCategory,
};
use contacts_service::store::ledger_pack::unpack;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

/// Queries for rows that only a partially applied transaction could leave behind.
const INCONSISTENCIES: [(&str, &str); 5] = [
    (
        "contacts without a row for checks",
        "SELECT c.contact_id::text FROM contact AS c WHERE NOT EXISTS (
             SELECT FROM consent AS s
             WHERE s.workspace_id = c.workspace_id AND s.contact_id = c.contact_id)",
    ),
    (
        "rows for checks of a contact that is not there",
        "SELECT s.contact_id::text FROM consent AS s
         WHERE s.contact_id IS NOT NULL AND s.match_key <> '!' AND NOT EXISTS (
             SELECT FROM contact AS c
             WHERE c.workspace_id = s.workspace_id AND c.contact_id = s.contact_id)",
    ),
    (
        "workspaces that checks see otherwise",
        "SELECT workspace_id FROM workspace AS w
         FULL JOIN (SELECT workspace_id, consent FROM consent WHERE match_key = '!') AS c
             USING (workspace_id)
         WHERE c.consent IS DISTINCT FROM w.token_key || w.opt_in_policy",
    ),
    (
        "kept counts that are off",
        "SELECT coalesce(kept.term, counted.term) FROM
             (SELECT workspace_id, term, sum(contacts)::bigint AS contacts FROM usage_count
              GROUP BY 1, 2 HAVING sum(contacts) <> 0) AS kept
         FULL JOIN
             (SELECT c.workspace_id, u.term, count(*) AS contacts FROM contact AS c
              CROSS JOIN LATERAL unnest(
                  ARRAY(SELECT t FROM unnest(c.terms) AS t WHERE strpos(t, '=') = 0)
                      || ARRAY(SELECT k || '=' FROM jsonb_object_keys(c.attributes) AS k)
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
    let events = events_of_consistent_ledgers(database).await;
    assert_consent_is_consistent(database, &events).await;
}

/// Panics if the packs of a ledger have a gap or another end than their workspace knows, if a detail
/// or the subject of one belongs to no event, or if one is missing although nobody was erased.
/// Returns the workspace and id of each event.
async fn events_of_consistent_ledgers(database: &mut PgConnection) -> HashSet<(String, Uuid)> {
    let mut events = HashSet::new();
    let workspaces = sqlx::query(
        "SELECT w.workspace_id, w.ledger_length,
             EXISTS (SELECT FROM deletion_receipt AS r WHERE r.workspace_id = w.workspace_id)
         FROM workspace AS w",
    );
    for workspace in workspaces.fetch_all(&mut *database).await.expect("workspaces") {
        let (id, length): (String, i64) = (workspace.get(0), workspace.get(1));
        let packs = sqlx::query(
            "SELECT e.last_position, e.facts, d.details
             FROM opt_in_event_pack AS e
             FULL JOIN opt_in_event_detail_pack AS d USING (workspace_id, last_position)
             WHERE workspace_id = $1 ORDER BY last_position",
        );
        let packs = packs.bind(&id).fetch_all(&mut *database).await.expect("packs");
        let subjects =
            sqlx::query_scalar("SELECT position FROM opt_in_event_subject WHERE workspace_id = $1");
        let subjects: HashSet<i64> = subjects
            .bind(&id)
            .fetch_all(&mut *database)
            .await
            .expect("subjects")
            .into_iter()
            .collect();
        let (mut position, mut with_detail) = (0, HashSet::new());
        for pack in packs {
            let facts =
                pack.get::<Option<&[u8]>, _>(1).expect("a pack of facts beside its details");
            for entry in unpack(pack.get(0), facts, pack.get(2)) {
                position += 1;
                assert_eq!(entry.position, position, "workspace {id}");
                let id_of_event = entry.fact.event_id;
                if entry.detail.is_some() {
                    with_detail.insert(position);
                } else {
                    let is_erased = entry.detail_hash.is_none() || workspace.get(2);
                    assert!(is_erased, "workspace {id}: {id_of_event} lacks its detail");
                }
                events.insert((id.clone(), id_of_event));
            }
            assert_eq!(pack.get::<i64, _>(0), position, "workspace {id}");
        }
        assert_eq!(position, length, "workspace {id}");
        assert_eq!(subjects, with_detail, "workspace {id}");
    }
    events
}

/// Panics if a contact shows another consent than a check of it reads, if what stands against a
/// person is not on all of its rows, or if something was decided by an event that the ledger lacks.
async fn assert_consent_is_consistent(
    database: &mut PgConnection,
    events: &HashSet<(String, Uuid)>,
) {
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
         WHERE s.match_key <> '!'
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
