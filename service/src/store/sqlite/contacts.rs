//! SQL of contacts: their row, and what hangs on it.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use uuid::Uuid;

use super::{ROWS, attributes, definitions, failure, micros, name_index, redirects, row_batch};
use crate::domain::consent::{ConsentSummary, OptInStatus};
use crate::domain::contact::{Contact, Profile, Recipient};
use crate::domain::error::{Error, Result};
use crate::domain::{ids, search};
use crate::store::{ContactRow, Workspace, encode_profile, sort_key};

pub(super) async fn find(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    people: &[Recipient],
) -> Result<Vec<Option<ContactRow>>> {
    let keys: BTreeSet<&str> = people
        .iter()
        .filter_map(|person| match person {
            Recipient::Key(key) => Some(key.as_str()),
            Recipient::Id(_) => None,
        })
        .collect();
    let ids_by_key = contact_ids(db, workspace, &keys).await?;
    let id_of = |person: &Recipient| match person {
        Recipient::Id(id) => Some(*id),
        Recipient::Key(key) => ids_by_key.get(key.as_str()).copied(),
    };
    let wanted: BTreeSet<Uuid> = people.iter().filter_map(id_of).collect();
    let mut rows = by_ids(db, workspace, &wanted).await?;
    let missing: BTreeSet<_> = wanted.into_iter().filter(|id| !rows.contains_key(id)).collect();
    let mut merged = HashMap::new();
    if !missing.is_empty() {
        merged = redirects::get(db, workspace, &missing).await?;
        rows.extend(by_ids(db, workspace, &merged.values().copied().collect()).await?);
    }
    let row = |id: Uuid| rows.get(merged.get(&id).unwrap_or(&id)).cloned();
    Ok(people.iter().map(|person| row(id_of(person)?)).collect())
}

async fn contact_ids(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    keys: &BTreeSet<&str>,
) -> Result<HashMap<String, Uuid>> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(String, Vec<u8>)> = sqlx::query_as(
        "SELECT c.match_key, c.contact_id
         FROM json_each(?) AS asked
         CROSS JOIN consent AS c ON c.workspace_key = ? AND c.match_key = asked.value
         WHERE c.contact_id IS NOT NULL",
    )
    .bind(serde_json::to_string(keys).map_err(Error::internal)?)
    .bind(workspace.row_key)
    .fetch_all(db)
    .await
    .map_err(failure)?;
    rows.into_iter().map(|(key, id)| Ok((key, uuid(&id)?))).collect()
}

async fn by_ids(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    wanted: &BTreeSet<Uuid>,
) -> Result<HashMap<Uuid, ContactRow>> {
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let sequences: Vec<_> = wanted.iter().map(|id| seq(*id)).collect();
    let mut sql = row_batch::select("''");
    sql.push(" FROM json_each(").push_bind(json(&sequences)?);
    sql.push(") AS asked CROSS JOIN contact AS c ON c.workspace_key = ");
    sql.push_bind(workspace.row_key).push(" AND c.seq = asked.value");
    let found = row_batch::fetch(db, sql).await?;
    // Two ids may share a sequence; only the whole id names a contact.
    Ok(found
        .into_iter()
        .filter(|row| wanted.contains(&row.contact_id))
        .map(|row| (row.contact_id, row))
        .collect())
}

pub(super) async fn insert(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    contacts: &[Contact],
) -> Result<()> {
    let tag_keys = definitions::tag_keys(db, workspace).await?;
    let statements = contacts.chunks(ROWS).map(|chunk| {
        let mut sql = QueryBuilder::<Sqlite>::new(
            "INSERT INTO contact (workspace_key, seq, version,
                 opt_in_marketing, marketing_expire_time, opt_in_utility, utility_expire_time,
                 opt_in_authentication, authentication_expire_time, opt_in_update_time,
                 create_time, update_time, tags, attributes, phone_number, email, first_name,
                 last_name, search_words, first_name_key, last_name_key, record) ",
        );
        sql.push_values(chunk, |mut row, contact| {
            row.push_bind(workspace.row_key)
                .push_bind(seq(contact.contact_id))
                .push_bind(contact.version);
            for (status, expire) in contact.consent.categories {
                row.push_bind(status_code(status)).push_bind(expire.map(micros));
            }
            row.push_bind(contact.consent.update_time.map(micros))
                .push_bind(micros(contact.create_time))
                .push_bind(micros(contact.update_time));
            push_profile(&mut row, contact, &tag_keys);
        });
        sql
    });
    super::execute_all(db, statements).await?;
    let nobody = Profile::default();
    let changes: Vec<_> = contacts.iter().map(|c| (c.contact_id, &nobody, &c.profile)).collect();
    name_index::insert(db, workspace, &changes).await?;
    write_tags(db, workspace, &changes, &tag_keys).await?;
    definitions::count_attributes(db, workspace, &changes).await?;
    let last = contacts.iter().map(|contact| seq(contact.contact_id)).max().unwrap_or(0);
    sqlx::query(
        "INSERT INTO sequence (id, last) VALUES (1, ?)
         ON CONFLICT (id) DO UPDATE SET last = max(last, excluded.last)",
    )
    .bind(last)
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

pub(super) async fn update(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    changed: &[(Contact, Contact)],
) -> Result<()> {
    let tag_keys = definitions::tag_keys(db, workspace).await?;
    let changes: Vec<_> = changed
        .iter()
        .map(|(before, after)| (after.contact_id, &before.profile, &after.profile))
        .collect();
    // While the row still says what the index has to forget.
    name_index::delete(db, workspace, &changes).await?;
    let statements = changed.chunks(ROWS).map(|chunk| {
        let mut sql = QueryBuilder::<Sqlite>::new(
            "WITH changed (seq, version, update_time, tags, attributes, phone_number, email,
                 first_name, last_name, search_words, first_name_key, last_name_key, record) AS (",
        );
        sql.push_values(chunk, |mut row, (_, contact)| {
            row.push_bind(seq(contact.contact_id))
                .push_bind(contact.version)
                .push_bind(micros(contact.update_time));
            push_profile(&mut row, contact, &tag_keys);
        });
        sql.push(
            ") UPDATE contact AS c SET version = n.version, update_time = n.update_time,
                   tags = n.tags, attributes = n.attributes, phone_number = n.phone_number,
                   email = n.email, first_name = n.first_name, last_name = n.last_name,
                   search_words = n.search_words, first_name_key = n.first_name_key,
                   last_name_key = n.last_name_key, record = n.record
               FROM changed AS n WHERE c.seq = n.seq AND c.workspace_key = ",
        );
        sql.push_bind(workspace.row_key);
        sql
    });
    super::execute_all(db, statements).await?;
    name_index::insert(db, workspace, &changes).await?;
    write_tags(db, workspace, &changes, &tag_keys).await?;
    definitions::count_attributes(db, workspace, &changes).await
}

pub(super) async fn delete(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    contacts: &[Contact],
) -> Result<()> {
    let tag_keys = definitions::tag_keys(db, workspace).await?;
    let nobody = Profile::default();
    let changes: Vec<_> = contacts.iter().map(|c| (c.contact_id, &c.profile, &nobody)).collect();
    name_index::delete(db, workspace, &changes).await?;
    write_tags(db, workspace, &changes, &tag_keys).await?;
    definitions::count_attributes(db, workspace, &changes).await?;
    for contact in contacts {
        sqlx::query("DELETE FROM contact WHERE workspace_key = ? AND seq = ?")
            .bind(workspace.row_key)
            .bind(seq(contact.contact_id))
            .execute(&mut *db)
            .await
            .map_err(failure)?;
        sqlx::query("DELETE FROM contact_redirect WHERE workspace_key = ? AND contact_id = ?")
            .bind(workspace.row_key)
            .bind(contact.contact_id.as_bytes().as_slice())
            .execute(&mut *db)
            .await
            .map_err(failure)?;
    }
    Ok(())
}

pub(super) async fn set_consent(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    consents: &[(Uuid, ConsentSummary)],
) -> Result<()> {
    let statements = consents.chunks(ROWS).map(|chunk| {
        let mut sql = QueryBuilder::<Sqlite>::new(
            "WITH changed (seq, marketing, marketing_end, utility, utility_end,
                 authentication, authentication_end, update_time) AS (",
        );
        sql.push_values(chunk, |mut row, (contact_id, consent)| {
            row.push_bind(seq(*contact_id));
            for (status, expire) in consent.categories {
                row.push_bind(status_code(status)).push_bind(expire.map(micros));
            }
            row.push_bind(consent.update_time.map(micros));
        });
        sql.push(
            ") UPDATE contact SET opt_in_marketing = changed.marketing,
                   marketing_expire_time = changed.marketing_end,
                   opt_in_utility = changed.utility, utility_expire_time = changed.utility_end,
                   opt_in_authentication = changed.authentication,
                   authentication_expire_time = changed.authentication_end,
                   opt_in_update_time = changed.update_time
               FROM changed WHERE contact.seq = changed.seq AND contact.workspace_key = ",
        );
        sql.push_bind(workspace.row_key);
        sql
    });
    super::execute_all(db, statements).await?;
    Ok(())
}

/// A contact's change, as the tables that hang on it see it.
pub(super) type Change<'a> = (Uuid, &'a Profile, &'a Profile);

/// Brings the tag index from one profile to another. What stays is not touched.
async fn write_tags(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    changes: &[Change<'_>],
    tag_keys: &HashMap<String, i64>,
) -> Result<()> {
    let (mut gone, mut new) = (Vec::new(), Vec::new());
    for (id, before, after) in changes {
        let row = |tag: &String| Some((tag_keys.get(tag).copied()?, seq(*id)));
        gone.extend(before.tags.difference(&after.tags).filter_map(row));
        new.extend(after.tags.difference(&before.tags).filter_map(row));
    }
    // Neighbours in the index are written together.
    new.sort_unstable();
    let statements = new.chunks(4 * ROWS).map(|chunk| {
        let mut sql = QueryBuilder::<Sqlite>::new("INSERT INTO contact_tag (tag_key, seq) ");
        sql.push_values(chunk, |mut row, (tag_key, seq)| {
            row.push_bind(*tag_key).push_bind(*seq);
        });
        sql
    });
    super::execute_all(db, statements).await?;
    let statements = gone.chunks(ROWS).map(|chunk| {
        let mut sql =
            QueryBuilder::<Sqlite>::new("DELETE FROM contact_tag WHERE (tag_key, seq) IN (");
        sql.push_values(chunk, |mut row, (tag_key, seq)| {
            row.push_bind(*tag_key).push_bind(*seq);
        });
        sql.push(")");
        sql
    });
    super::execute_all(db, statements).await?;
    let mut counts = HashMap::new();
    new.iter().for_each(|(key, _)| *counts.entry(*key).or_insert(0) += 1);
    gone.iter().for_each(|(key, _)| *counts.entry(*key).or_insert(0) -= 1);
    definitions::count_tags(db, workspace, &counts).await
}

type Values<'a> = sqlx::query_builder::Separated<'a, Sqlite, &'static str>;

/// The columns that come from the profile, in the order of the schema.
fn push_profile(row: &mut Values<'_>, contact: &Contact, tag_keys: &HashMap<String, i64>) {
    let profile = &contact.profile;
    let search_words = search::normalised(&profile.first_name, &profile.last_name);
    let first_name_key = sort_key(search_words.clone());
    let last_name_key = sort_key(search::normalised(&profile.last_name, &profile.first_name));
    let mut tags = String::from(",");
    for key in profile.tags.iter().filter_map(|tag| tag_keys.get(tag)) {
        tags.push_str(&key.to_string());
        tags.push(',');
    }
    row.push_bind(tags)
        .push("jsonb(")
        .push_bind_unseparated(attributes::encode(&profile.attributes))
        .push_unseparated(")")
        .push_bind(profile.phone_number.as_ref().map(ToString::to_string).unwrap_or_default())
        .push_bind(&profile.email)
        .push_bind(&profile.first_name)
        .push_bind(&profile.last_name)
        .push_bind(search_words)
        .push_bind(first_name_key)
        .push_bind(last_name_key)
        .push_bind(encode_profile(contact).to_vec());
}

/// The row key of a contact.
pub(super) fn seq(contact_id: Uuid) -> i64 {
    // 60 bits: never negative.
    ids::sequence(contact_id) as i64
}

pub(super) fn uuid(bytes: &[u8]) -> Result<Uuid> {
    Uuid::from_slice(bytes).map_err(Error::internal)
}

pub(super) fn json<T: Serialize + ?Sized>(values: &T) -> Result<String> {
    serde_json::to_string(values).map_err(Error::internal)
}

pub(super) fn status_code(status: OptInStatus) -> i64 {
    match status {
        OptInStatus::NotAsked => 1,
        OptInStatus::OptedIn => 2,
        OptInStatus::OptedOut => 3,
    }
}

pub(super) fn status(code: i64) -> Result<OptInStatus> {
    match code {
        1 => Ok(OptInStatus::NotAsked),
        2 => Ok(OptInStatus::OptedIn),
        3 => Ok(OptInStatus::OptedOut),
        _ => Err(Error::internal("a stored opt-in status is unknown")),
    }
}
