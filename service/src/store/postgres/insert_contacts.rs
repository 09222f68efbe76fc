//! Inserting contacts: a few as arrays, many with COPY.

use super::contact_row::{ProfileColumns, bind_profiles};
use super::copy::{Rows, copy};
use super::session::PostgresSession;
use crate::domain::consent::MessageCategory;
use crate::domain::contact::Contact;
use crate::domain::error::Result;
use crate::store::Workspace;
use crate::store::common::{micros, status_code};

/// From this number on, contacts are copied. Postgres then takes a third less
/// time, because it does not have to take arrays apart.
const COPIED: usize = 500;

pub(super) async fn insert(
    db: &mut PostgresSession,
    workspace: &Workspace,
    contacts: &[Contact],
) -> Result<()> {
    if contacts.len() < COPIED {
        return insert_bound(db, workspace, contacts).await;
    }
    let statement = "COPY contact (workspace_id, contact_id, version, create_time, update_time,
             opt_in_marketing, marketing_expire_time, opt_in_utility, utility_expire_time,
             opt_in_authentication, authentication_expire_time, opt_in_update_time,
             phone_number, first_name, last_name, email, first_name_key, last_name_key,
             words, terms, attributes, record)
         FROM STDIN (FORMAT BINARY)";
    copy(db, statement, contacts, |rows, contact| push(rows, workspace, contact)).await
}

fn push(rows: &mut Rows, workspace: &Workspace, contact: &Contact) -> Result<()> {
    let columns = ProfileColumns::of(contact)?;
    let profile = &contact.profile;
    rows.row(22)
        .bytes(&workspace.workspace_id)
        .id(contact.contact_id)
        .bigint(contact.version)
        .bigint(micros(contact.create_time))
        .bigint(micros(contact.update_time));
    for (status, expire_time) in contact.consent.categories {
        rows.smallint(status_code(status)).bigint_or_null(expire_time.map(micros));
    }
    rows.bigint_or_null(contact.consent.update_time.map(micros))
        .bytes(columns.phone_number)
        .bytes(&profile.first_name)
        .bytes(&profile.last_name)
        .bytes(&profile.email)
        .bytes(&columns.names.first_name_key)
        .bytes(&columns.names.last_name_key)
        .tsvector(columns.names.words.split(' ').filter(|word| !word.is_empty()))
        .texts(&columns.terms)
        .jsonb(&columns.attributes)
        .bytes(&columns.record);
    Ok(())
}

async fn insert_bound(
    db: &mut PostgresSession,
    workspace: &Workspace,
    contacts: &[Contact],
) -> Result<()> {
    let query = sqlx::query(
        "INSERT INTO contact (workspace_id, contact_id, version, update_time,
             phone_number, first_name, last_name, email, first_name_key, last_name_key,
             words, terms, attributes, record, create_time, opt_in_update_time,
             opt_in_marketing, marketing_expire_time, opt_in_utility, utility_expire_time,
             opt_in_authentication, authentication_expire_time)
         SELECT w.workspace_id, u.contact_id, u.version, u.update_time,
             u.phone_number, u.first_name, u.last_name, u.email, u.first_name_key,
             u.last_name_key, array_to_tsvector(string_to_array(u.words, ' ')),
             string_to_array(u.terms, chr(31)), u.attributes::jsonb, u.record, u.create_time,
             u.consent_time, u.marketing, u.marketing_end, u.utility, u.utility_end,
             u.authentication, u.authentication_end
         FROM workspace AS w CROSS JOIN unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
             $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
             AS u (contact_id, version, update_time, phone_number, first_name, last_name, email,
                 first_name_key, last_name_key, words, terms, attributes, record, create_time,
                 consent_time, marketing, marketing_end, utility, utility_end, authentication,
                 authentication_end)
         WHERE w.workspace_id = $1",
    );
    let all: Vec<_> = contacts.iter().collect();
    let mut query = bind_profiles(query.bind(&workspace.workspace_id), &all)?
        .bind(all.iter().map(|c| micros(c.create_time)).collect::<Vec<_>>())
        .bind(all.iter().map(|c| c.consent.update_time.map(micros)).collect::<Vec<_>>());
    for category in MessageCategory::ALL {
        let consents: Vec<_> =
            all.iter().map(|c| c.consent.categories[category as usize]).collect();
        query = query
            .bind(consents.iter().map(|(status, _)| status_code(*status)).collect::<Vec<_>>())
            .bind(consents.iter().map(|(_, end)| end.map(micros)).collect::<Vec<_>>());
    }
    db.execute_exactly(query, contacts.len()).await
}
