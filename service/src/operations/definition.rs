//! What tags and attribute definitions have in common: an id and a display name,
//! both unique in the workspace.

use crate::domain::attribute::AttributeDefinition;
use crate::domain::error::{Error, Reason, Result};
use crate::domain::ids;
use crate::domain::tag::{self, Tag};
use crate::store::Counted;

/// A tag or an attribute definition.
pub(super) trait Definition: Clone {
    /// `tag` or `attribute`.
    const KIND: &'static str;
    /// The name of the API field that holds the id.
    const ID_FIELD: &'static str;
    const NOT_FOUND: Reason;
    const ALREADY_EXISTS: Reason;

    fn id(&self) -> &str;
    fn display_name(&self) -> &str;
}

impl Definition for Tag {
    const KIND: &'static str = "tag";
    const ID_FIELD: &'static str = "tag_id";
    const NOT_FOUND: Reason = Reason::TagNotFound;
    const ALREADY_EXISTS: Reason = Reason::TagAlreadyExists;

    fn id(&self) -> &str {
        &self.tag_id
    }

    fn display_name(&self) -> &str {
        &self.display_name
    }
}

impl Definition for AttributeDefinition {
    const KIND: &'static str = "attribute";
    const ID_FIELD: &'static str = "attribute_id";
    const NOT_FOUND: Reason = Reason::AttributeNotFound;
    const ALREADY_EXISTS: Reason = Reason::AttributeAlreadyExists;

    fn id(&self) -> &str {
        &self.attribute_id
    }

    fn display_name(&self) -> &str {
        &self.display_name
    }
}

/// Returns the definition with this id, or NOT_FOUND with the most similar id as a
/// suggestion.
pub(super) fn find<'a, D: Definition>(all: &'a [D], id: &str) -> Result<&'a D> {
    if id.is_empty() {
        return Err(Error::required(D::ID_FIELD));
    }
    all.iter().find(|definition| definition.id() == id).ok_or_else(|| {
        let shown: String = id.chars().take(64).collect();
        let close = ids::closest(id, all.iter().map(D::id));
        let hint = close.map(|id| format!("; did you mean {id}?")).unwrap_or_default();
        let error = Error::new(D::NOT_FOUND, format!("no {} {shown:?}{hint}", D::KIND))
            .with_resource(D::KIND, shown.clone())
            .with_metadata(D::ID_FIELD, shown);
        match close {
            Some(id) => error.with_metadata("suggestion", id),
            None => error,
        }
    })
}

/// Fails if another definition has the same display name, or, for a new one, the
/// same id.
pub(super) fn ensure_unique<D: Definition>(one: &D, existing: &[D], new: bool) -> Result<()> {
    let same_id = |other: &&D| new && other.id() == one.id();
    let same_name = |other: &&D| {
        other.id() != one.id() && tag::same_name(other.display_name(), one.display_name())
    };
    let (field, twin) = match existing.iter().find(same_id) {
        Some(twin) => (D::ID_FIELD, twin),
        None => match existing.iter().find(same_name) {
            Some(twin) => ("display_name", twin),
            None => return Ok(()),
        },
    };
    let id = twin.id();
    let message = format!("{} {id} has this {field}", D::KIND);
    Err(Error::invalid(D::ALREADY_EXISTS, field, message)
        .in_parent(D::KIND)
        .with_resource(D::KIND, id)
        .with_metadata(D::ID_FIELD, id))
}

/// Returns a page of definitions with ids greater than `after`.
pub(super) fn page<D: Definition>(mut all: Vec<D>, after: &str, limit: usize) -> Vec<D> {
    all.retain(|definition| definition.id() > after);
    all.truncate(limit);
    all
}

/// Combines definitions with their counts.
pub(super) fn counted<D>(definitions: Vec<D>, counts: Vec<i64>) -> Vec<Counted<D>> {
    let count = |(definition, contact_count)| Counted { definition, contact_count };
    definitions.into_iter().zip(counts).map(count).collect()
}
