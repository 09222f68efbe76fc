//! The contacts: their rows, what they repeat of them, and what their lists show.

use std::collections::{HashMap, HashSet};

use super::ledger::Told;
use super::listed::Wanted;
use super::rows::deciding;
use super::{Audit, Difference, PAGE, StateMismatch};
use crate::domain::Time;
use crate::domain::consent::ConsentSummary;
use crate::domain::contact::Contact;
use crate::domain::error::Result;
use crate::domain::phone::MatchKey;
use crate::store::{
    ConsentRow, ContactColumns, ListedUnder, Listing, Order, OrderBy, Selection, Subjects,
    decode_profile,
};

impl Audit<'_> {
    /// Every contact's identities have a row of it, which is what the contact shows; and what
    /// decides its checks is listed.
    pub(super) async fn compare_contacts(
        &mut self,
        told: &Told,
        malformed: &HashSet<MatchKey>,
    ) -> Result<()> {
        let everybody = Selection { filter: None, words: Vec::new(), now: Time::UNIX_EPOCH };
        let order = Order { by: OrderBy::CreateTime, descending: false };
        let mut after = None;
        loop {
            let workspace = self.workspace;
            let page =
                self.db.list_contacts(workspace, &everybody, order, after.as_ref(), PAGE).await?;
            let page = page.rows;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.cursor());
            let mut contacts = Vec::with_capacity(page.len());
            for row in &page {
                match decode_profile(row) {
                    Ok(contact) => contacts.push(contact),
                    Err(_) => self.found.add(StateMismatch {
                        contact_id: Some(row.contact_id),
                        ..StateMismatch::of(Difference::ContactMalformed)
                    }),
                }
            }
            self.compare_page(told, malformed, &contacts).await?;
        }
    }

    async fn compare_page(
        &mut self,
        told: &Told,
        malformed: &HashSet<MatchKey>,
        contacts: &[Contact],
    ) -> Result<()> {
        let workspace = self.workspace;
        let keys: Vec<_> = contacts.iter().flat_map(|c| c.profile.match_keys()).collect();
        let keys: Vec<_> = keys.into_iter().filter(|key| !malformed.contains(key)).collect();
        let rows = self.db.consent(workspace, &keys).await?.into_iter().flatten();
        let mut found: HashMap<_, _> = rows.map(|row| (row.match_key.clone(), row)).collect();
        let ids: Vec<_> = contacts.iter().map(|contact| contact.contact_id).collect();
        let mut columns = self.db.contact_columns(workspace, &ids).await?;
        let mut wanted = Wanted::default();
        for contact in contacts {
            let keys = contact.profile.match_keys().into_iter();
            let keys = keys.filter(|key| !malformed.contains(key));
            let rows: Vec<_> = keys.map(|key| (found.remove(&key), key)).collect();
            let columns = columns.remove(&contact.contact_id).unwrap_or_default();
            self.compare_contact(contact, &rows, columns);
            self.want_deciding(told, contact, &rows, &mut wanted);
        }
        self.report_unlisted(wanted).await
    }

    fn compare_contact(
        &mut self,
        contact: &Contact,
        rows: &[(Option<ConsentRow>, MatchKey)],
        columns: ContactColumns,
    ) {
        let mut add = |row: Option<&ConsentRow>, difference| {
            self.found.add(StateMismatch {
                identity_id: row.map(|row| row.identity_id.0),
                contact_id: Some(contact.contact_id),
                ..StateMismatch::of(difference)
            });
        };
        for (row, key) in rows {
            let row = row.as_ref();
            match row {
                None => add(row, Difference::Missing),
                Some(found) if found.contact_id != Some(contact.contact_id) => {
                    add(row, Difference::Join);
                }
                Some(found) if found.is_former != contact.profile.is_former(key) => {
                    add(row, Difference::Role);
                }
                Some(_) => {}
            }
        }
        let primary = contact.profile.match_keys().into_iter().next();
        let first = rows.first().filter(|(_, key)| Some(key) == primary.as_ref());
        let first = first.and_then(|(row, _)| row.as_ref());
        let of_contact = first.filter(|row| row.contact_id == Some(contact.contact_id));
        let summary = of_contact.map(|row| ConsentSummary::of(&row.consent, row.update_time));
        if summary.is_some() && columns.consent != summary {
            add(first, Difference::Summary);
        }
        let expected = ContactColumns::of(contact, columns.consent);
        if columns != expected {
            add(None, Difference::Columns);
        }
    }

    /// Wants what decides a contact's checks to be listed for it.
    fn want_deciding(
        &self,
        told: &Told,
        contact: &Contact,
        rows: &[(Option<ConsentRow>, MatchKey)],
        wanted: &mut Wanted<StateMismatch>,
    ) {
        let rows = rows.iter().filter_map(|(row, _)| row.as_ref());
        let rows = rows.filter(|row| row.contact_id == Some(contact.contact_id));
        let mut known = HashSet::new();
        let mut subjects = None;
        for row in rows {
            for event in deciding(&row.consent).filter(|event| known.insert(*event)) {
                let Some(place) = told.places.get(&event) else { continue };
                let Subjects { contact_ids, keys, .. } = subjects
                    .get_or_insert_with(|| Subjects::of(contact, self.keyring, self.workspace));
                if place.contact_id.is_some_and(|id| contact_ids.contains(&id)) {
                    // Whether its detail is listed was compared with the ledger.
                    continue;
                }
                let of_contact = contact_ids.iter().flat_map(|id| {
                    [ListedUnder::Claimed(*id), ListedUnder::Also(Listing::Contact(*id))]
                });
                let of_key = keys.iter().flat_map(|key| {
                    let also = ListedUnder::Also(Listing::Key(key.clone()));
                    [ListedUnder::Key(key.clone()), also]
                });
                let mismatch = StateMismatch {
                    identity_id: Some(row.identity_id.0),
                    contact_id: Some(contact.contact_id),
                    position: Some(place.position),
                    difference: Difference::Unlisted,
                };
                wanted.add(of_contact.chain(of_key), place.position, mismatch);
            }
        }
    }
}
