//! SQL of contacts: their row, and what hangs on it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};
use uuid::Uuid;

use super::{ROWS, definitions, failure, micros, time};
use crate::domain::attribute::AttributeValue;
use crate::domain::consent::{ConsentSummary, OptInStatus};
use crate::domain::contact::{Contact, Person, Profile};
use crate::domain::error::{Error, Result};
use crate::domain::{ids, search};
use crate::store::{ContactRow, Receipt, Workspace, encode_profile, sort_key};

/// What a [`ContactRow`] is read from, of `contact c`.
pub(super) const COLUMNS: &str = "c.contact_id, c.record, c.version,
    c.opt_in_marketing, c.marketing_expire_time, c.opt_in_utility, c.utility_expire_time,
    c.opt_in_authentication, c.authentication_expire_time, c.opt_in_update_time";

pub(super) async fn find(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    people: &[Person],
) -> Result<Vec<Option<ContactRow>>> {
    let keys: BTreeSet<&str> = people
        .iter()
        .filter_map(|person| match person {
            Person::Key(key) => Some(key.as_str()),
            Person::Id(_) => None,
        })
        .collect();
    let ids_by_key = contact_ids(db, workspace, &keys).await?;
    let id_of = |person: &Person| match person {
        Person::Id(id) => Some(*id),
        Person::Key(key) => ids_by_key.get(key.as_str()).copied(),
    };
    let wanted: BTreeSet<Uuid> = people.iter().filter_map(id_of).collect();
    let rows = by_ids(db, workspace, &wanted).await?;
    Ok(people.iter().map(|person| rows.get(&id_of(person)?).cloned()).collect())
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
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT ");
    sql.push(COLUMNS).push(" FROM json_each(").push_bind(json(&sequences)?);
    sql.push(") AS asked CROSS JOIN contact AS c ON c.workspace_key = ");
    sql.push_bind(workspace.row_key).push(" AND c.seq = asked.value");
    let rows = sql.build().fetch_all(db).await.map_err(failure)?;
    // Two ids may share a sequence; only the whole id names a contact.
    let found = rows.iter().map(|row| decode(row, String::new())).collect::<Result<Vec<_>>>()?;
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
    for chunk in contacts.chunks(ROWS) {
        let mut sql = QueryBuilder::<Sqlite>::new(
            "INSERT INTO contact (workspace_key, seq, contact_id, version,
                 opt_in_marketing, marketing_expire_time, opt_in_utility, utility_expire_time,
                 opt_in_authentication, authentication_expire_time, opt_in_update_time,
                 create_time, update_time, phone_number, first_name, last_name, email,
                 first_name_key, last_name_key, record) ",
        );
        sql.push_values(chunk, |mut row, contact| {
            let profile = &contact.profile;
            row.push_bind(workspace.row_key)
                .push_bind(seq(contact.contact_id))
                .push_bind(contact.contact_id.as_bytes().as_slice())
                .push_bind(contact.version);
            for (status, expire) in contact.consent.categories {
                row.push_bind(status_code(status)).push_bind(expire.map(micros));
            }
            row.push_bind(contact.consent.update_time.map(micros))
                .push_bind(micros(contact.create_time))
                .push_bind(micros(contact.update_time))
                .push_bind(phone_text(profile))
                .push_bind(&profile.first_name)
                .push_bind(&profile.last_name)
                .push_bind(&profile.email)
                .push_bind(sort_key(&profile.first_name, &profile.last_name))
                .push_bind(sort_key(&profile.last_name, &profile.first_name))
                .push_bind(encode_profile(contact).to_vec());
        });
        sql.build().execute(&mut *db).await.map_err(failure)?;
    }
    let nobody = Profile::default();
    let changes: Vec<_> = contacts.iter().map(|c| (c.contact_id, &nobody, &c.profile)).collect();
    write_hanging(db, workspace, &changes).await?;
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
    changes: &[(Contact, Contact)],
) -> Result<()> {
    for chunk in changes.chunks(ROWS) {
        let mut sql = QueryBuilder::<Sqlite>::new("WITH changed (");
        sql.push(
            "seq, version, update_time, phone_number, first_name, last_name, email,
             first_name_key, last_name_key, record) AS (",
        );
        sql.push_values(chunk, |mut row, (_, contact)| {
            let profile = &contact.profile;
            row.push_bind(seq(contact.contact_id))
                .push_bind(contact.version)
                .push_bind(micros(contact.update_time))
                .push_bind(phone_text(profile))
                .push_bind(&profile.first_name)
                .push_bind(&profile.last_name)
                .push_bind(&profile.email)
                .push_bind(sort_key(&profile.first_name, &profile.last_name))
                .push_bind(sort_key(&profile.last_name, &profile.first_name))
                .push_bind(encode_profile(contact).to_vec());
        });
        sql.push(
            ") UPDATE contact SET version = changed.version, update_time = changed.update_time,
                   phone_number = changed.phone_number, first_name = changed.first_name,
                   last_name = changed.last_name, email = changed.email,
                   first_name_key = changed.first_name_key,
                   last_name_key = changed.last_name_key, record = changed.record
               FROM changed WHERE contact.seq = changed.seq AND contact.workspace_key = ",
        );
        sql.push_bind(workspace.row_key);
        sql.build().execute(&mut *db).await.map_err(failure)?;
    }
    let changes: Vec<_> = changes
        .iter()
        .map(|(before, after)| (after.contact_id, &before.profile, &after.profile))
        .collect();
    write_hanging(db, workspace, &changes).await
}

pub(super) async fn delete(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    contacts: &[Contact],
) -> Result<()> {
    let nobody = Profile::default();
    let changes: Vec<_> = contacts.iter().map(|c| (c.contact_id, &c.profile, &nobody)).collect();
    write_hanging(db, workspace, &changes).await?;
    for contact in contacts {
        sqlx::query("DELETE FROM contact WHERE workspace_key = ? AND seq = ?")
            .bind(workspace.row_key)
            .bind(seq(contact.contact_id))
            .execute(&mut *db)
            .await
            .map_err(failure)?;
        sqlx::query("DELETE FROM saved_answer WHERE workspace_key = ? AND contact_id = ?")
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
    for chunk in consents.chunks(ROWS) {
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
        sql.build().execute(&mut *db).await.map_err(failure)?;
    }
    Ok(())
}

pub(super) async fn insert_receipt(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    receipt: &Receipt,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO deletion_receipt (workspace_key, receipt_id, contact_id, reason, delete_time)
         VALUES (?, ?, ?, ?, ?)",
    )
    .bind(workspace.row_key)
    .bind(receipt.receipt_id.as_bytes().as_slice())
    .bind(receipt.contact_id.as_bytes().as_slice())
    .bind(receipt.reason)
    .bind(micros(receipt.delete_time))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}

/// Brings tags, attribute values and name search from one profile to another.
/// What stays the same is not touched.
async fn write_hanging(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    changes: &[(Uuid, &Profile, &Profile)],
) -> Result<()> {
    write_tags(db, workspace, changes).await?;
    write_attributes(db, workspace, changes).await?;
    write_names(db, changes).await
}

async fn write_tags(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    changes: &[(Uuid, &Profile, &Profile)],
) -> Result<()> {
    let (mut gone, mut new) = (Vec::new(), Vec::new());
    for (id, before, after) in changes {
        gone.extend(before.tags.difference(&after.tags).map(|tag| (tag, seq(*id))));
        new.extend(after.tags.difference(&before.tags).map(|tag| (tag, seq(*id))));
    }
    if gone.is_empty() && new.is_empty() {
        return Ok(());
    }
    let keys = definitions::tag_keys(db, workspace).await?;
    let key = |tag: &String| keys.get(tag).copied();
    let mut new: Vec<_> = new.into_iter().map(|(tag, seq)| (key(tag), seq)).collect();
    // Neighbours in the index are written together.
    new.sort_unstable();
    for chunk in new.chunks(4 * ROWS) {
        let mut sql = QueryBuilder::<Sqlite>::new("INSERT INTO contact_tag (tag_key, seq) ");
        sql.push_values(chunk, |mut row, (tag_key, seq)| {
            row.push_bind(*tag_key).push_bind(*seq);
        });
        sql.build().execute(&mut *db).await.map_err(failure)?;
    }
    for chunk in gone.chunks(ROWS) {
        let mut sql =
            QueryBuilder::<Sqlite>::new("DELETE FROM contact_tag WHERE (tag_key, seq) IN (");
        sql.push_values(chunk, |mut row, (tag, seq)| {
            row.push_bind(key(tag)).push_bind(*seq);
        });
        sql.push(")").build().execute(&mut *db).await.map_err(failure)?;
    }
    Ok(())
}

async fn write_attributes(
    db: &mut SqliteConnection,
    workspace: &Workspace,
    changes: &[(Uuid, &Profile, &Profile)],
) -> Result<()> {
    type Values = BTreeMap<String, AttributeValue>;
    fn missing<'a>(from: &'a Values, other: &Values) -> Vec<(&'a String, &'a AttributeValue)> {
        from.iter().filter(|(id, value)| other.get(*id) != Some(value)).collect()
    }
    let (mut gone, mut new) = (Vec::new(), Vec::new());
    for (id, before, after) in changes {
        let row = |(attribute, value)| (attribute, value, seq(*id));
        gone.extend(missing(&before.attributes, &after.attributes).into_iter().map(row));
        new.extend(missing(&after.attributes, &before.attributes).into_iter().map(row));
    }
    if gone.is_empty() && new.is_empty() {
        return Ok(());
    }
    let keys = definitions::attribute_keys(db, workspace).await?;
    new.sort_by_key(|(attribute, _, seq)| (keys.get(*attribute).copied(), *seq));
    for chunk in gone.chunks(ROWS) {
        let mut sql = QueryBuilder::<Sqlite>::new(
            "DELETE FROM contact_attribute WHERE (attribute_key, seq) IN (",
        );
        sql.push_values(chunk, |mut row, (attribute, _, seq)| {
            row.push_bind(keys.get(*attribute).copied()).push_bind(*seq);
        });
        sql.push(")").build().execute(&mut *db).await.map_err(failure)?;
    }
    for chunk in new.chunks(4 * ROWS) {
        let mut sql = QueryBuilder::<Sqlite>::new(
            "INSERT INTO contact_attribute (attribute_key, seq, value) ",
        );
        sql.push_values(chunk, |mut row, (attribute, value, seq)| {
            row.push_bind(keys.get(*attribute).copied()).push_bind(*seq);
            push_value(&mut row, value);
        });
        sql.build().execute(&mut *db).await.map_err(failure)?;
    }
    Ok(())
}

async fn write_names(
    db: &mut SqliteConnection,
    changes: &[(Uuid, &Profile, &Profile)],
) -> Result<()> {
    let words = |profile: &Profile| search::normalised(&profile.first_name, &profile.last_name);
    let (mut gone, mut new) = (Vec::new(), Vec::new());
    for (id, before, after) in changes {
        let (before, after) = (words(before), words(after));
        if before != after {
            if !before.is_empty() {
                gone.push(seq(*id));
            }
            if !after.is_empty() {
                new.push((seq(*id), after));
            }
        }
    }
    for chunk in gone.chunks(ROWS) {
        sqlx::query("DELETE FROM name_search WHERE rowid IN (SELECT value FROM json_each(?))")
            .bind(json(chunk)?)
            .execute(&mut *db)
            .await
            .map_err(failure)?;
    }
    for chunk in new.chunks(ROWS) {
        let mut sql = QueryBuilder::<Sqlite>::new("INSERT INTO name_search (rowid, words) ");
        sql.push_values(chunk, |mut row, (seq, words)| {
            row.push_bind(*seq).push_bind(words);
        });
        sql.build().execute(&mut *db).await.map_err(failure)?;
    }
    Ok(())
}

/// A value as it lies in the index.
fn push_value(
    row: &mut sqlx::query_builder::Separated<'_, Sqlite, &'static str>,
    value: &AttributeValue,
) {
    match value {
        AttributeValue::String(string) => row.push_bind(string.clone()),
        AttributeValue::Number(number) => row.push_bind(*number),
        AttributeValue::Boolean(bool) => row.push_bind(*bool),
        AttributeValue::Timestamp(time) => row.push_bind(micros(*time)),
    };
}

pub(super) fn decode(row: &SqliteRow, sort_key: String) -> Result<ContactRow> {
    let category = |at: usize| -> Result<(OptInStatus, Option<crate::domain::Time>)> {
        let expire: Option<i64> = row.get(at + 1);
        Ok((status(row.get(at))?, expire.map(time)))
    };
    let record: Vec<u8> = row.get(1);
    let update_time: Option<i64> = row.get(9);
    Ok(ContactRow {
        contact_id: uuid(row.get(0))?,
        record: Bytes::from(record),
        version: row.get(2),
        consent: ConsentSummary {
            categories: [category(3)?, category(5)?, category(7)?],
            update_time: update_time.map(time),
        },
        sort_key,
    })
}

/// The row key of a contact.
pub(super) fn seq(contact_id: Uuid) -> i64 {
    // 60 bits: never negative.
    ids::sequence(contact_id) as i64
}

pub(super) fn uuid(bytes: &[u8]) -> Result<Uuid> {
    Uuid::from_slice(bytes).map_err(Error::internal)
}

pub(super) fn json<T: serde::Serialize + ?Sized>(values: &T) -> Result<String> {
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

fn phone_text(profile: &Profile) -> String {
    profile.phone_number.as_ref().map(ToString::to_string).unwrap_or_default()
}
