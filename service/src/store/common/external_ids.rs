//! Which external ids find which contacts, before and after a change.

use uuid::Uuid;

use crate::domain::contact::Profile;

/// The external ids that changes take from contacts, and those that they give to them.
#[derive(Debug, Default)]
pub(in crate::store) struct ExternalIdChanges<'a> {
    pub(in crate::store) removed: Vec<&'a str>,
    pub(in crate::store) added: Vec<(&'a str, Uuid)>,
}

impl<'a> ExternalIdChanges<'a> {
    /// Of contacts, each with its profile before and after.
    pub(in crate::store) fn of(
        changes: impl IntoIterator<Item = (Uuid, Option<&'a Profile>, Option<&'a Profile>)>,
    ) -> Self {
        let mut all = Self::default();
        for (contact_id, before, after) in changes {
            let ids =
                |profile: Option<&'a Profile>| profile.into_iter().flat_map(Profile::external_ids);
            let is_in = |id, profile| ids(profile).any(|known| known == id);
            all.removed.extend(ids(before).filter(|id| !is_in(*id, after)).map(|id| id.as_str()));
            let added = ids(after).filter(|id| !is_in(*id, before));
            all.added.extend(added.map(|id| (id.as_str(), contact_id)));
        }
        all
    }
}
