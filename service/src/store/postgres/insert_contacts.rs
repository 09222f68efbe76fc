//! Inserting contacts: a few as arrays, many with COPY.

use super::contact_row::{ProfileColumns, bind_consents, bind_profiles};
use super::copy::{Rows, copy};
use super::session::{PostgresSession, ROWS};
use crate::domain::consent::ConsentSummary;
use crate::domain::contact::Contact;
use crate::domain::error::Result;
use crate::store::Workspace;
use crate::store::common::{consent_columns, micros};

/// From this number on, contacts are copied. Postgres then takes a third less
/// time, because it does not have to take arrays apart.
const COPIED: usize = 500;

pub(super) async fn insert(
    db: &mut PostgresSession,
    workspace: &Workspace,
    contacts: &[(Contact, ConsentSummary)],
) -> Result<()> {
    if contacts.len() < COPIED || !db.can_copy() {
        for chunk in contacts.chunks(ROWS) {
            insert_bound(db, workspace, chunk).await?;
        }
        return Ok(());
    }
    let statement = "COPY contact (workspace_id, contact_id, version, create_time, update_time,
             opt_in_update_time, opt_in_marketing, marketing_time, marketing_expire_time,
             marketing_counted_from, opt_in_utility, utility_time, utility_expire_time,
             utility_counted_from, opt_in_authentication, authentication_time,
             authentication_expire_time, authentication_counted_from,
             phone_number, first_name, last_name, email, first_name_key, last_name_key,
             words, terms, attributes, record)
         FROM STDIN (FORMAT BINARY)";
    copy(db, statement, contacts, |rows, (contact, consent)| {
        push(rows, workspace, contact, consent)
    })
    .await
}

fn push(
    rows: &mut Rows,
    workspace: &Workspace,
    contact: &Contact,
    consent: &ConsentSummary,
) -> Result<()> {
    let columns = ProfileColumns::of(contact)?;
    let profile = &contact.profile;
    rows.row(28)
        .bytes(&workspace.workspace_id)
        .id(contact.contact_id)
        .bigint(contact.version)
        .bigint(micros(contact.create_time))
        .bigint(micros(contact.update_time))
        .bigint_or_null(consent.update_time.map(micros));
    for columns in consent_columns(consent) {
        rows.smallint(columns.code)
            .bigint_or_null(columns.time)
            .bigint_or_null(columns.expire_time)
            .bigint_or_null(columns.counted_from);
    }
    rows.bytes(columns.phone_number)
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
    contacts: &[(Contact, ConsentSummary)],
) -> Result<()> {
    let query = sqlx::query(
        "INSERT INTO contact (workspace_id, contact_id, version, update_time,
             phone_number, first_name, last_name, email, first_name_key, last_name_key,
             words, terms, attributes, record, create_time, opt_in_update_time,
             opt_in_marketing, marketing_time, marketing_expire_time, marketing_counted_from,
             opt_in_utility, utility_time, utility_expire_time, utility_counted_from,
             opt_in_authentication, authentication_time, authentication_expire_time,
             authentication_counted_from)
         SELECT w.workspace_id, u.contact_id, u.version, u.update_time,
             u.phone_number, u.first_name, u.last_name, u.email, u.first_name_key,
             u.last_name_key, array_to_tsvector(string_to_array(u.words, ' ')),
             string_to_array(u.terms, chr(31)), u.attributes::jsonb, u.record, u.create_time,
             u.consent_time, u.marketing, u.marketing_time, u.marketing_end, u.marketing_from,
             u.utility, u.utility_time, u.utility_end, u.utility_from, u.authentication,
             u.authentication_time, u.authentication_end, u.authentication_from
         FROM workspace AS w CROSS JOIN unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
             $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28)
             AS u (contact_id, version, update_time, phone_number, first_name, last_name, email,
                 first_name_key, last_name_key, words, terms, attributes, record, create_time,
                 consent_time, marketing, marketing_time, marketing_end, marketing_from, utility,
                 utility_time, utility_end, utility_from, authentication, authentication_time,
                 authentication_end, authentication_from)
         WHERE w.workspace_id = $1",
    );
    let all: Vec<_> = contacts.iter().map(|(contact, _)| contact).collect();
    let consents: Vec<_> = contacts.iter().map(|(_, consent)| consent).collect();
    let query = bind_profiles(query.bind(&workspace.workspace_id), &all)?
        .bind(all.iter().map(|contact| micros(contact.create_time)).collect::<Vec<_>>());
    db.execute_exactly(bind_consents(query, &consents), contacts.len()).await
}
