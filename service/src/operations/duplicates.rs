//! Contacts that look like one person, group by group.

use std::collections::VecDeque;

use uuid::Uuid;

use crate::domain::contact::Recipient;
use crate::domain::error::Result;
use crate::store::{ContactRow, DuplicateCandidate, DuplicateKey, Store, Workspace};

/// Most contacts that are read of one group.
pub const MAX_CONTACTS: usize = 100;
/// Pages grow: the first groups are there soon, and later pages each cost a walk
/// over all contacts, whatever their size.
const FIRST_PAGE: usize = 100;
const LARGEST_PAGE: usize = 50_000;

/// Contacts that look like one person.
#[derive(Debug)]
pub struct Group {
    /// Why.
    pub likeness: DuplicateKey,
    /// The oldest of them, two at least.
    pub contacts: Vec<ContactRow>,
    /// How many there are.
    pub count: usize,
    /// The search goes on behind it.
    pub place: GroupCursor,
}

/// Where a search is: behind all contacts that are compared by this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupCursor {
    likeness: DuplicateKey,
    text: String,
    number: String,
}

impl GroupCursor {
    /// As a token keeps it: at most 256 bytes.
    pub fn encode(&self) -> String {
        match self.likeness {
            DuplicateKey::Email => format!("e{}", self.text),
            DuplicateKey::NameAndNumber => format!("n{:<8}{}", self.number, self.text),
        }
    }

    /// Reads it. None for what [`write`](Self::write) did not make.
    pub fn decode(text: &str) -> Option<Self> {
        if let Some(text) = text.strip_prefix('e') {
            let (likeness, text) = (DuplicateKey::Email, text.to_owned());
            return Some(Self { likeness, text, number: String::new() });
        }
        let (number, text) = text.strip_prefix('n')?.split_at_checked(DuplicateKey::NUMBER_END)?;
        let (number, text) = (number.trim_end().to_owned(), text.to_owned());
        Some(Self { likeness: DuplicateKey::NameAndNumber, text, number })
    }

    fn of(likeness: DuplicateKey, likely: &DuplicateCandidate) -> Self {
        Self { likeness, text: likely.text.clone(), number: likely.number.clone() }
    }

    fn is_of(&self, likely: &DuplicateCandidate) -> bool {
        self.text == likely.text && self.number == likely.number
    }
}

/// A search for duplicates. Between pages no connection is held; what is held is
/// one page, and of the group under way no more than its oldest contacts.
pub struct Duplicates {
    store: Store,
    workspace: Workspace,
    /// None when all was searched.
    likeness: Option<DuplicateKey>,
    after: Option<DuplicateCandidate>,
    page: VecDeque<DuplicateCandidate>,
    page_size: usize,
}

impl Duplicates {
    /// A search that goes on behind a place.
    pub fn new(store: Store, workspace: Workspace, place: Option<GroupCursor>) -> Self {
        let likeness = place.as_ref().map_or(DuplicateKey::Email, |place| place.likeness);
        let after = place.map(|GroupCursor { text, number, .. }| DuplicateCandidate {
            text,
            number,
            contact_id: Uuid::max(),
        });
        let page = VecDeque::new();
        Self { store, workspace, likeness: Some(likeness), after, page, page_size: FIRST_PAGE }
    }

    /// The next group; none when there are no more.
    pub async fn next_group(&mut self) -> Result<Option<Group>> {
        while let Some(likeness) = self.likeness {
            let Some(first) = self.next(likeness).await? else {
                self.likeness = match likeness {
                    DuplicateKey::Email => Some(DuplicateKey::NameAndNumber),
                    DuplicateKey::NameAndNumber => None,
                };
                self.after = None;
                continue;
            };
            let place = GroupCursor::of(likeness, &first);
            let mut ids = vec![first.contact_id];
            let mut count = 1;
            while let Some(likely) = self.next(likeness).await? {
                if !place.is_of(&likely) {
                    self.page.push_front(likely);
                    break;
                }
                count += 1;
                if ids.len() < MAX_CONTACTS {
                    ids.push(likely.contact_id);
                }
            }
            if count > 1
                && let Some(group) = self.read(place, ids, count).await?
            {
                return Ok(Some(group));
            }
        }
        Ok(None)
    }

    /// What the next contact is compared by; none behind the last.
    async fn next(&mut self, likeness: DuplicateKey) -> Result<Option<DuplicateCandidate>> {
        if self.page.is_empty() {
            let mut db = self.store.read_stream().await?;
            let (after, limit) = (self.after.as_ref(), self.page_size);
            self.page =
                db.duplicate_candidates(&self.workspace, likeness, after, limit).await?.into();
            self.page_size = (limit * 8).min(LARGEST_PAGE);
            if let Some(last) = self.page.back() {
                self.after = Some(last.clone());
            }
        }
        Ok(self.page.pop_front())
    }

    /// None if they were deleted or merged meanwhile.
    async fn read(
        &self,
        place: GroupCursor,
        ids: Vec<Uuid>,
        count: usize,
    ) -> Result<Option<Group>> {
        let people: Vec<_> = ids.into_iter().map(Recipient::Id).collect();
        let mut db = self.store.read_stream().await?;
        let found = db.find_contacts(&self.workspace, &people).await?;
        let mut contacts: Vec<_> = found.into_iter().flatten().collect();
        contacts.sort_by_key(|row| row.contact_id);
        contacts.dedup_by_key(|row| row.contact_id);
        let count = count - (people.len() - contacts.len());
        let likeness = place.likeness;
        Ok((contacts.len() > 1).then_some(Group { likeness, contacts, count, place }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_were_written() {
        let longest = "x".repeat(DuplicateKey::MAX_EMAIL);
        for (likeness, text, number) in [
            (DuplicateKey::Email, "ana@example.com", ""),
            (DuplicateKey::Email, longest.as_str(), ""),
            (DuplicateKey::NameAndNumber, "ana souza", "51234567"),
            (DuplicateKey::NameAndNumber, "ana", "5123456"),
        ] {
            let (text, number) = (text.to_owned(), number.to_owned());
            let place = GroupCursor { likeness, text, number };
            assert!(place.encode().len() <= 256);
            assert_eq!(GroupCursor::decode(&place.encode()), Some(place));
        }
        assert_eq!(GroupCursor::decode("n123"), None);
    }
}
