//! SQL of contacts by id or key, and of their changes.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::contact_row::{bind_consents, bind_profiles, columns, decode};
use super::session::{PostgresSession, ROWS};
use super::{external_ids, insert_contacts};
use crate::domain::consent::ConsentSummary;
use crate::domain::contact::{Contact, Recipient};
use crate::domain::error::Result;
use crate::store::common::{
    Columns, ConsentColumns, ContactLookup, ExternalIdChanges, consent_summary, contact_columns,
    find_contacts,
};
use crate::store::{ContactColumns, ContactReader, ContactRow, ContactWriter, Workspace};

#[async_trait]
impl ContactReader for PostgresSession {
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
        let query = sqlx::query(
            "SELECT c.contact_id, c.opt_in_marketing, c.marketing_time, c.marketing_expire_time,
                 c.marketing_counted_from, c.opt_in_utility, c.utility_time, c.utility_expire_time,
                 c.utility_counted_from, c.opt_in_authentication, c.authentication_time,
                 c.authentication_expire_time, c.authentication_counted_from, c.opt_in_update_time
             FROM contact AS c WHERE c.workspace_id = $1 AND c.contact_id = ANY($2)",
        );
        let rows = self.fetch_all(query.bind(&workspace.workspace_id).bind(contact_ids)).await?;
        let summary = |row: &PgRow| {
            let columns = [1, 5, 9].map(|at| ConsentColumns {
                code: row.get(at),
                time: row.optional_int(at + 1),
                expire_time: row.optional_int(at + 2),
                counted_from: row.optional_int(at + 3),
            });
            Ok((row.id(0), consent_summary(columns, row.optional_time(13))?))
        };
        rows.iter().map(summary).collect()
    }

    async fn contact_columns(
        &mut self,
        workspace: &Workspace,
        contact_ids: &[Uuid],
    ) -> Result<HashMap<Uuid, ContactColumns>> {
        let query = sqlx::query(
            "SELECT c.opt_in_marketing, c.marketing_time, c.marketing_expire_time,
                 c.marketing_counted_from, c.opt_in_utility, c.utility_time, c.utility_expire_time,
                 c.utility_counted_from, c.opt_in_authentication, c.authentication_time,
                 c.authentication_expire_time, c.authentication_counted_from, c.opt_in_update_time,
                 c.phone_number, c.email, c.first_name, c.last_name, c.create_time, c.update_time,
                 c.contact_id
             FROM contact AS c WHERE c.workspace_id = $1 AND c.contact_id = ANY($2)",
        );
        let rows = self.fetch_all(query.bind(&workspace.workspace_id).bind(contact_ids)).await?;
        Ok(rows.iter().map(|row| (row.id(19), contact_columns(row))).collect())
    }
}

#[async_trait]
impl ContactLookup for PostgresSession {
    async fn contact_ids(
        &mut self,
        workspace: &Workspace,
        keys: BTreeSet<&str>,
    ) -> Result<HashMap<String, Uuid>> {
        let query = sqlx::query(
            "SELECT match_key, contact_id FROM consent
             WHERE workspace_id = $1 AND match_key = ANY($2) AND contact_id IS NOT NULL",
        );
        let keys: Vec<_> = keys.into_iter().collect();
        let rows = self.fetch_all(query.bind(&workspace.workspace_id).bind(keys)).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    async fn contact_ids_by_external_id(
        &mut self,
        workspace: &Workspace,
        external_ids: BTreeSet<&str>,
    ) -> Result<HashMap<String, Uuid>> {
        external_ids::find(self, workspace, external_ids).await
    }

    async fn contacts_by_id(
        &mut self,
        workspace: &Workspace,
        contact_ids: &BTreeSet<Uuid>,
    ) -> Result<HashMap<Uuid, ContactRow>> {
        let found = "FROM contact AS c WHERE c.workspace_id = $1 AND c.contact_id = ANY($2)";
        // Whoever locks several rows locks them in this order.
        let lock = if self.locks_rows() { "ORDER BY c.contact_id FOR UPDATE" } else { "" };
        let policy = &workspace.settings.opt_in_policy;
        let columns = columns(policy);
        let query = sqlx::query(AssertSqlSafe(format!("SELECT {columns} {found} {lock}")));
        let contact_ids: Vec<_> = contact_ids.iter().copied().collect();
        let mut found = HashMap::with_capacity(contact_ids.len());
        let query = query.bind(&workspace.workspace_id).bind(contact_ids);
        self.fetch_each(query, |row| {
            let row = decode(row, policy, String::new())?;
            found.insert(row.contact_id, row);
            Ok(())
        })
        .await?;
        Ok(found)
    }

    async fn redirects(
        &mut self,
        workspace: &Workspace,
        merged_ids: &BTreeSet<Uuid>,
    ) -> Result<HashMap<Uuid, Uuid>> {
        let query = sqlx::query(
            "SELECT merged_id, contact_id FROM contact_redirect
             WHERE workspace_id = $1 AND merged_id = ANY($2)",
        );
        let merged_ids: Vec<_> = merged_ids.iter().copied().collect();
        let rows = self.fetch_all(query.bind(&workspace.workspace_id).bind(merged_ids)).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }
}

#[async_trait]
impl ContactWriter for PostgresSession {
    async fn insert_contacts(
        &mut self,
        workspace: &Workspace,
        contacts: &[(Contact, ConsentSummary)],
    ) -> Result<()> {
        insert_contacts::insert(self, workspace, contacts).await?;
        let added = contacts.iter().map(|(c, _)| (c.contact_id, None, Some(&c.profile)));
        external_ids::update(self, workspace, ExternalIdChanges::of(added)).await?;
        for (contact, _) in contacts {
            self.usage.add(workspace, None, Some(&contact.profile));
        }
        Ok(())
    }

    async fn update_contacts(
        &mut self,
        workspace: &Workspace,
        changes: &[(Contact, Contact)],
    ) -> Result<()> {
        for chunk in changes.chunks(ROWS) {
            let query = sqlx::query(
                "UPDATE contact AS c SET version = u.version, update_time = u.update_time,
                     phone_number = u.phone_number, first_name = u.first_name,
                     last_name = u.last_name, email = u.email, first_name_key = u.first_name_key,
                     last_name_key = u.last_name_key,
                     words = array_to_tsvector(string_to_array(u.words, ' ')),
                     terms = string_to_array(u.terms, chr(31)), attributes = u.attributes::jsonb,
                     record = u.record
                 FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
                     AS u (contact_id, version, update_time, phone_number, first_name, last_name,
                         email, first_name_key, last_name_key, words, terms, attributes, record,
                         seen)
                 WHERE c.workspace_id = $1 AND c.contact_id = u.contact_id AND c.version = u.seen",
            );
            let after: Vec<_> = chunk.iter().map(|(_, after)| after).collect();
            let seen: Vec<_> = chunk.iter().map(|(before, _)| before.version).collect();
            let query = bind_profiles(query.bind(&workspace.workspace_id), &after)?.bind(seen);
            self.execute_exactly(query, chunk.len()).await?;
        }
        let ids = changes
            .iter()
            .map(|(before, after)| (after.contact_id, Some(&before.profile), Some(&after.profile)));
        external_ids::update(self, workspace, ExternalIdChanges::of(ids)).await?;
        for (before, after) in changes {
            self.usage.add(workspace, Some(&before.profile), Some(&after.profile));
        }
        Ok(())
    }

    async fn delete_contacts(&mut self, workspace: &Workspace, contacts: &[Contact]) -> Result<()> {
        let ids: Vec<_> = contacts.iter().map(|contact| contact.contact_id).collect();
        let query =
            sqlx::query("DELETE FROM contact WHERE workspace_id = $1 AND contact_id = ANY($2)");
        let query = query.bind(&workspace.workspace_id).bind(&ids);
        self.execute_exactly(query, contacts.len()).await?;
        let query = sqlx::query(
            "DELETE FROM contact_redirect WHERE workspace_id = $1 AND contact_id = ANY($2)",
        );
        self.execute(query.bind(&workspace.workspace_id).bind(&ids)).await?;
        let removed = contacts.iter().map(|c| (c.contact_id, Some(&c.profile), None));
        external_ids::update(self, workspace, ExternalIdChanges::of(removed)).await?;
        for contact in contacts {
            self.usage.add(workspace, Some(&contact.profile), None);
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
            "UPDATE contact_redirect SET contact_id = $3
             WHERE workspace_id = $1 AND contact_id = $2",
            "UPDATE stored_response SET contact_id = $3
             WHERE workspace_id = $1 AND contact_id = $2",
            "INSERT INTO contact_redirect (workspace_id, merged_id, contact_id)
             VALUES ($1, $2, $3)",
        ] {
            let query = sqlx::query(sql).bind(&workspace.workspace_id).bind(from).bind(to);
            self.execute(query).await?;
        }
        Ok(())
    }

    async fn set_contact_consent(
        &mut self,
        workspace: &Workspace,
        consents: &[(Uuid, ConsentSummary)],
    ) -> Result<()> {
        for chunk in consents.chunks(ROWS) {
            let query = sqlx::query(
                "UPDATE contact AS c SET
                     opt_in_update_time = u.update_time, opt_in_marketing = u.marketing,
                     marketing_time = u.marketing_time, marketing_expire_time = u.marketing_end,
                     marketing_counted_from = u.marketing_from, opt_in_utility = u.utility,
                     utility_time = u.utility_time, utility_expire_time = u.utility_end,
                     utility_counted_from = u.utility_from,
                     opt_in_authentication = u.authentication,
                     authentication_time = u.authentication_time,
                     authentication_expire_time = u.authentication_end,
                     authentication_counted_from = u.authentication_from
                 FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
                     AS u (contact_id, update_time, marketing, marketing_time, marketing_end,
                         marketing_from, utility, utility_time, utility_end, utility_from,
                         authentication, authentication_time, authentication_end,
                         authentication_from)
                 WHERE c.workspace_id = $1 AND c.contact_id = u.contact_id",
            )
            .bind(&workspace.workspace_id)
            .bind(chunk.iter().map(|(id, _)| *id).collect::<Vec<_>>());
            let consents: Vec<_> = chunk.iter().map(|(_, consent)| consent).collect();
            self.execute_exactly(bind_consents(query, &consents), chunk.len()).await?;
        }
        Ok(())
    }
}
