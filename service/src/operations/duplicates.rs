//! Groups of contacts that may be the same person.

use std::collections::VecDeque;

use uuid::Uuid;

use crate::domain::contact::Recipient;
use crate::domain::error::Result;
use crate::store::{ContactRow, DuplicateCandidate, DuplicateKey, Store, Workspace};

use super::ensure_still_there;

/// The largest number of contacts that is read of one group.
pub const MAX_CONTACTS: usize = 100;
/// Pages grow: small first pages return the first groups early. Each page reads all
/// contacts, whatever its size, so later ones are large.
const FIRST_PAGE: usize = 100;
const LARGEST_PAGE: usize = 50_000;

/// Contacts that may be the same person.
#[derive(Debug)]
pub struct Group {
    /// What they have in common.
    pub likeness: DuplicateKey,
    /// The oldest of them, at least two and at most [`MAX_CONTACTS`].
    pub contacts: Vec<ContactRow>,
    /// How many contacts are in the group.
    pub count: usize,
    /// The cursor at which the search continues after this group.
    pub place: GroupCursor,
}

/// Identifies the last group that a search has returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupCursor {
    likeness: DuplicateKey,
    text: String,
    number: String,
}

impl GroupCursor {
    /// Encodes the cursor for a token, in at most 256 bytes.
    pub fn encode(&self) -> String {
        match self.likeness {
            DuplicateKey::Email => format!("e{}", self.text),
            DuplicateKey::NameAndNumber => format!("n{:<8}{}", self.number, self.text),
        }
    }

    /// Decodes what [`encode`](Self::encode) made. None for other texts.
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

/// A search for duplicates. It holds no connection between pages. In memory it holds
/// one page and the oldest contacts of the current group.
pub struct Duplicates {
    store: Store,
    workspace: Workspace,
    /// None at the end of the search.
    likeness: Option<DuplicateKey>,
    after: Option<DuplicateCandidate>,
    page: VecDeque<DuplicateCandidate>,
    page_size: usize,
}

impl Duplicates {
    /// Makes a search that begins after a cursor.
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

    /// Returns the next group, None at the end.
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

    /// Returns what the next contact is compared by, None after the last one.
    async fn next(&mut self, likeness: DuplicateKey) -> Result<Option<DuplicateCandidate>> {
        if self.page.is_empty() {
            let mut db = self.store.read_stream().await?;
            db.enter(&self.workspace).await?;
            let (after, limit) = (self.after.as_ref(), self.page_size);
            self.page =
                db.duplicate_candidates(&self.workspace, likeness, after, limit).await?.into();
            ensure_still_there(&mut *db, &self.workspace).await?;
            self.page_size = (limit * 8).min(LARGEST_PAGE);
            if let Some(last) = self.page.back() {
                self.after = Some(last.clone());
            }
        }
        Ok(self.page.pop_front())
    }

    /// Reads a group. None if its contacts were deleted or merged meanwhile.
    async fn read(
        &self,
        place: GroupCursor,
        ids: Vec<Uuid>,
        count: usize,
    ) -> Result<Option<Group>> {
        let people: Vec<_> = ids.into_iter().map(Recipient::Id).collect();
        let mut db = self.store.read_stream().await?;
        db.enter(&self.workspace).await?;
        let found = db.find_contacts(&self.workspace, &people).await?;
        ensure_still_there(&mut *db, &self.workspace).await?;
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
    fn encoded_cursors_decode() {
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
