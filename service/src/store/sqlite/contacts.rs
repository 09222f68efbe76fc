//! SQL of contacts by id or key, and of their changes.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};
use uuid::Uuid;

use super::ahead::for_each_encoded;
use super::contact_row::{EncodedProfile, ProfileChange, bind_consent, bind_profile};
use super::in_place::Values;
use super::session::{ROWS, SqliteSession};
use super::values::{json, seq};
use super::{external_ids, name_index, row_batch, usage};
use crate::domain::consent::ConsentSummary;
use crate::domain::contact::{Contact, Profile, Recipient};
use crate::domain::error::Result;
use crate::store::common::{
    Columns, ConsentColumns, ContactLookup, ExternalIdChanges, consent_summary, contact_columns,
    find_contacts, micros,
};
use crate::store::{ContactColumns, ContactReader, ContactRow, ContactWriter, Workspace};

#[async_trait]
impl ContactReader for SqliteSession {
    async fn find_contacts(
        &mut self,
        workspace: &Workspace,
        recipients: &[Recipient],
    ) -> Result<Vec<Option<ContactRow>>> {
        find_contacts(self, workspace, recipients).await
    }

    async fn contact_consents(
        &mut self,
        workspace: &Workspace,
        contact_ids: &[Uuid],
    ) -> Result<HashMap<Uuid, ConsentSummary>> {
        let by_seq: HashMap<_, _> = contact_ids.iter().map(|id| (seq(*id), *id)).collect();
        let sequences: Vec<_> = by_seq.keys().collect();
        let query = sqlx::query(
            "SELECT c.seq, c.opt_in_marketing, c.marketing_time, c.marketing_expire_time,
                 c.marketing_counted_from, c.opt_in_utility, c.utility_time, c.utility_expire_time,
                 c.utility_counted_from, c.opt_in_authentication, c.authentication_time,
                 c.authentication_expire_time, c.authentication_counted_from, c.opt_in_update_time
             FROM json_each(?) AS asked
             CROSS JOIN contact AS c ON c.workspace_key = ? AND c.seq = asked.value",
        );
        let rows = self.fetch_all(query.bind(json(&sequences)?).bind(workspace.row_key)).await?;
        let mut found = HashMap::with_capacity(rows.len());
        for row in &rows {
            let columns = [1, 5, 9].map(|at| ConsentColumns {
                code: row.get(at),
                time: row.optional_int(at + 1),
                expire_time: row.optional_int(at + 2),
                counted_from: row.optional_int(at + 3),
            });
            if let Some(id) = by_seq.get(&row.int(0)) {
                found.insert(*id, consent_summary(columns, row.optional_time(13))?);
            }
        }
        Ok(found)
    }

    async fn contact_columns(
        &mut self,
        workspace: &Workspace,
        contact_ids: &[Uuid],
    ) -> Result<HashMap<Uuid, ContactColumns>> {
        let by_seq: HashMap<_, _> = contact_ids.iter().map(|id| (seq(*id), *id)).collect();
        let sequences: Vec<_> = by_seq.keys().collect();
        let query = sqlx::query(
            "SELECT c.opt_in_marketing, c.marketing_time, c.marketing_expire_time,
                 c.marketing_counted_from, c.opt_in_utility, c.utility_time, c.utility_expire_time,
                 c.utility_counted_from, c.opt_in_authentication, c.authentication_time,
                 c.authentication_expire_time, c.authentication_counted_from, c.opt_in_update_time,
                 c.phone_number, c.email, c.first_name, c.last_name, c.create_time, c.update_time,
                 c.seq
             FROM json_each(?) AS asked
             CROSS JOIN contact AS c ON c.workspace_key = ? AND c.seq = asked.value",
        );
        let rows = self.fetch_all(query.bind(json(&sequences)?).bind(workspace.row_key)).await?;
        let columns = |row| Some((*by_seq.get(&row_seq(row))?, contact_columns(row)));
        Ok(rows.iter().filter_map(columns).collect())
    }
}

fn row_seq(row: &SqliteRow) -> i64 {
    row.int(19)
}

#[async_trait]
impl ContactLookup for SqliteSession {
    async fn contact_ids(
        &mut self,
        workspace: &Workspace,
        keys: BTreeSet<&str>,
    ) -> Result<HashMap<String, Uuid>> {
        let query = sqlx::query(
            "SELECT c.match_key, c.contact_id
             FROM json_each(?) AS asked
             CROSS JOIN consent AS c ON c.workspace_key = ? AND c.match_key = asked.value
             WHERE c.contact_id IS NOT NULL",
        );
        let rows = self.fetch_all(query.bind(json(&keys)?).bind(workspace.row_key)).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    async fn contact_ids_by_external_id(
        &mut self,
        workspace: &Workspace,
        external_ids: BTreeSet<&str>,
    ) -> Result<HashMap<String, Uuid>> {
        external_ids::find(self, workspace, &external_ids).await
    }

    async fn contacts_by_id(
        &mut self,
        workspace: &Workspace,
        contact_ids: &BTreeSet<Uuid>,
    ) -> Result<HashMap<Uuid, ContactRow>> {
        let sequences: Vec<_> = contact_ids.iter().map(|id| seq(*id)).collect();
        let policy = &workspace.settings.opt_in_policy;
        let (mut found, mut left) = (Vec::new(), sequences.as_slice());
        let mut at_once = left.len();
        while !left.is_empty() {
            let (asked, rest) = left.split_at(at_once.min(left.len()));
            let mut sql = row_batch::select("''", policy);
            sql.push(" FROM json_each(").push_bind(json(asked)?);
            sql.push(") AS asked CROSS JOIN contact AS c ON c.workspace_key = ");
            sql.push_bind(workspace.row_key).push(" AND c.seq = asked.value");
            match row_batch::fetch(self, sql, policy).await? {
                Some(rows) => found.extend(rows),
                None => {
                    at_once = row_batch::fewer(at_once)?;
                    continue;
                }
            }
            left = rest;
        }
        // Two ids may share a sequence; only the whole id identifies a contact.
        Ok(found
            .into_iter()
            .filter(|row| contact_ids.contains(&row.contact_id))
            .map(|row| (row.contact_id, row))
            .collect())
    }

    async fn redirects(
        &mut self,
        workspace: &Workspace,
        merged_ids: &BTreeSet<Uuid>,
    ) -> Result<HashMap<Uuid, Uuid>> {
        let merged_ids: Vec<_> = merged_ids.iter().copied().collect();
        let mut found = HashMap::new();
        for chunk in merged_ids.chunks(ROWS) {
            let mut sql = QueryBuilder::<Sqlite>::new(
                "SELECT merged_id, contact_id FROM contact_redirect WHERE workspace_key = ",
            );
            sql.push_bind(workspace.row_key).push(" AND merged_id IN (");
            let mut list = sql.separated(", ");
            for id in chunk {
                list.push_bind(*id);
            }
            sql.push(")");
            let rows = self.fetch_all(sql.build()).await?;
            found.extend(rows.iter().map(|row| (row.get::<Uuid, _>(0), row.get::<Uuid, _>(1))));
        }
        Ok(found)
    }
}

#[async_trait]
impl ContactWriter for SqliteSession {
    async fn insert_contacts(
        &mut self,
        workspace: &Workspace,
        contacts: &[(Contact, ConsentSummary)],
    ) -> Result<()> {
        let tag_keys = usage::tag_keys(self, workspace).await?;
        let sql = "INSERT INTO contact (workspace_key, seq, version,
                 opt_in_marketing, marketing_time, marketing_expire_time,
                 marketing_counted_from, opt_in_utility, utility_time, utility_expire_time,
                 utility_counted_from, opt_in_authentication, authentication_time,
                 authentication_expire_time, authentication_counted_from, opt_in_update_time,
                 create_time, update_time, tags, attributes, phone_number, email, first_name,
                 last_name, search_words, first_name_key, last_name_key, record)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
                 ?, ?, ?, ?)";
        self.in_place(contacts.len(), |db| {
            let (mut insert, mut index) = (db.prepare(sql)?, db.prepare(name_index::INSERT)?);
            let encode = |(contact, _): &(Contact, _), encoded: &mut EncodedProfile| {
                encoded.set(contact, &tag_keys);
            };
            for_each_encoded(contacts, encode, |(contact, consent), encoded| {
                Values::run(&mut insert, |values| {
                    values
                        .bind(workspace.row_key)?
                        .bind(seq(contact.contact_id))?
                        .bind(contact.version)?;
                    bind_consent(values, consent)?;
                    values.bind(micros(contact.create_time))?.bind(micros(contact.update_time))?;
                    bind_profile(values, &contact.profile, encoded)
                })?;
                name_index::insert(&mut index, contact, &encoded.names)
            })
        })
        .await?;
        let empty = Profile::default();
        let changes: Vec<_> = contacts.iter().map(|(contact, _)| added(contact, &empty)).collect();
        usage::update(self, workspace, &changes, &tag_keys).await?;
        let added = contacts.iter().map(|(c, _)| (c.contact_id, None, Some(&c.profile)));
        external_ids::update(self, workspace, ExternalIdChanges::of(added)).await?;
        let last = contacts.iter().map(|(contact, _)| seq(contact.contact_id)).max().unwrap_or(0);
        let query = sqlx::query(
            "INSERT INTO sequence (id, last) VALUES (1, ?)
             ON CONFLICT (id) DO UPDATE SET last = max(last, excluded.last)",
        );
        self.execute(query.bind(last)).await?;
        Ok(())
    }

    async fn update_contacts(
        &mut self,
        workspace: &Workspace,
        changed: &[(Contact, Contact)],
    ) -> Result<()> {
        let tag_keys = usage::tag_keys(self, workspace).await?;
        let changes: Vec<_> = changed
            .iter()
            .map(|(before, after)| ProfileChange {
                contact_id: after.contact_id,
                before: &before.profile,
                after: &after.profile,
            })
            .collect();
        // While the rows still have the words to delete.
        name_index::delete(self, workspace, &changes).await?;
        let sql = "UPDATE contact SET version = ?, update_time = ?, tags = ?, attributes = ?,
                 phone_number = ?, email = ?, first_name = ?, last_name = ?, search_words = ?,
                 first_name_key = ?, last_name_key = ?, record = ?
             WHERE workspace_key = ? AND seq = ?";
        self.in_place(changed.len(), |db| {
            let (mut update, mut index) = (db.prepare(sql)?, db.prepare(name_index::INSERT)?);
            let encode = |(_, contact): &(_, Contact), encoded: &mut EncodedProfile| {
                encoded.set(contact, &tag_keys);
            };
            for_each_encoded(changed, encode, |(before, contact), encoded| {
                Values::run(&mut update, |values| {
                    values.bind(contact.version)?.bind(micros(contact.update_time))?;
                    bind_profile(values, &contact.profile, encoded)?;
                    values.bind(workspace.row_key)?.bind(seq(contact.contact_id))?;
                    Ok(())
                })?;
                if name_index::is_renamed(&before.profile, &contact.profile) {
                    name_index::insert(&mut index, contact, &encoded.names)?;
                }
                Ok(())
            })
        })
        .await?;
        let ids = changes.iter().map(|c| (c.contact_id, Some(c.before), Some(c.after)));
        external_ids::update(self, workspace, ExternalIdChanges::of(ids)).await?;
        usage::update(self, workspace, &changes, &tag_keys).await
    }

    async fn delete_contacts(&mut self, workspace: &Workspace, contacts: &[Contact]) -> Result<()> {
        let tag_keys = usage::tag_keys(self, workspace).await?;
        let empty = Profile::default();
        let change = |contact| deleted(contact, &empty);
        let changes: Vec<_> = contacts.iter().map(change).collect();
        name_index::delete(self, workspace, &changes).await?;
        usage::update(self, workspace, &changes, &tag_keys).await?;
        let ids = contacts.iter().map(|c| (c.contact_id, Some(&c.profile), None));
        external_ids::update(self, workspace, ExternalIdChanges::of(ids)).await?;
        for contact in contacts {
            let query = sqlx::query("DELETE FROM contact WHERE workspace_key = ? AND seq = ?");
            self.execute(query.bind(workspace.row_key).bind(seq(contact.contact_id))).await?;
            let query = sqlx::query(
                "DELETE FROM contact_redirect WHERE workspace_key = ? AND contact_id = ?",
            );
            self.execute(query.bind(workspace.row_key).bind(contact.contact_id)).await?;
        }
        Ok(())
    }

    async fn redirect_contact(
        &mut self,
        workspace: &Workspace,
        from: Uuid,
        to: Uuid,
    ) -> Result<()> {
        for sql in [
            "UPDATE contact_redirect SET contact_id = ?3
             WHERE workspace_key = ?1 AND contact_id = ?2",
            "UPDATE stored_response SET contact_id = ?3
             WHERE workspace_key = ?1 AND contact_id = ?2",
            "INSERT INTO contact_redirect (workspace_key, merged_id, contact_id)
             VALUES (?1, ?2, ?3)",
        ] {
            self.execute(sqlx::query(sql).bind(workspace.row_key).bind(from).bind(to)).await?;
        }
        Ok(())
    }

    async fn set_contact_consent(
        &mut self,
        workspace: &Workspace,
        consents: &[(Uuid, ConsentSummary)],
    ) -> Result<()> {
        let sql = "UPDATE contact SET opt_in_marketing = ?, marketing_time = ?,
                 marketing_expire_time = ?, marketing_counted_from = ?, opt_in_utility = ?,
                 utility_time = ?, utility_expire_time = ?, utility_counted_from = ?,
                 opt_in_authentication = ?, authentication_time = ?,
                 authentication_expire_time = ?, authentication_counted_from = ?,
                 opt_in_update_time = ?
             WHERE workspace_key = ? AND seq = ?";
        self.for_each(sql, consents, |values, (contact_id, consent)| {
            bind_consent(values, consent)?;
            values.bind(workspace.row_key)?.bind(seq(*contact_id))?;
            Ok(())
        })
        .await
    }
}

fn added<'a>(contact: &'a Contact, empty: &'a Profile) -> ProfileChange<'a> {
    ProfileChange { contact_id: contact.contact_id, before: empty, after: &contact.profile }
}

fn deleted<'a>(contact: &'a Contact, empty: &'a Profile) -> ProfileChange<'a> {
    ProfileChange { contact_id: contact.contact_id, before: &contact.profile, after: empty }
}
