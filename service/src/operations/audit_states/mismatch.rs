//! What an audit finds.

use std::fmt;

use uuid::Uuid;

/// How many differences are returned, at most.
const MAX_MISMATCHES: usize = 1000;

/// Something stored that is not what the ledger amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateMismatch {
    /// The identity, as the ledger names it, as far as a row tells.
    pub identity_id: Option<Uuid>,
    /// Its contact, as far as a row tells.
    pub contact_id: Option<Uuid>,
    /// The position of the event, if it is about one.
    pub position: Option<i64>,
    /// What is wrong.
    pub difference: Difference,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// A row permits or forbids something else than the ledger.
    Consent,
    /// It is current in one and former in the other.
    Role,
    /// It is another contact's than the ledger says.
    Join,
    /// There is no row.
    Missing,
    /// The contact shows another consent than checks read.
    Summary,
    /// A row cannot be read, or is under a key that nobody has.
    Malformed,
    /// Another row has the same identity.
    Duplicate,
    /// A row is under another number or user id than the ledger says.
    Key,
    /// A row is under a number or user id that its contact does not have.
    NotOfContact,
    /// The contact of a row is missing.
    ContactMissing,
    /// The contact cannot be read.
    ContactMalformed,
    /// The columns that filters read are not those of the contact.
    Columns,
    /// The id of a merged contact does not lead to the one it was merged into.
    Redirect,
    /// An event is not listed for those whom it is about.
    Unlisted,
    /// Events are listed for people whom they are not about.
    ListedTooOften,
    /// The history of policies does not lead to the workspace's policy.
    Policy,
}

impl StateMismatch {
    /// One that names nobody yet.
    pub(super) fn of(difference: Difference) -> Self {
        Self { identity_id: None, contact_id: None, position: None, difference }
    }
}

impl fmt::Display for StateMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.identity_id, self.contact_id) {
            (Some(identity), Some(contact)) => {
                write!(f, "identity {identity} of contact {contact}")
            }
            (Some(identity), None) => write!(f, "identity {identity}"),
            (None, Some(contact)) => write!(f, "contact {contact}"),
            (None, None) => f.write_str("workspace"),
        }?;
        if let Some(position) = self.position {
            write!(f, ", event at position {position}")?;
        }
        f.write_str(match self.difference {
            Difference::Consent => ": the stored consent is not what the ledger amounts to",
            Difference::Role => ": it is stored as current but is a former one, or the reverse",
            Difference::Join => ": it is stored with another contact than in the ledger",
            Difference::Missing => ": the stored consent is missing",
            Difference::Summary => ": lists and filters show another consent than checks read",
            Difference::Malformed => ": a row of consent cannot be read, or nobody has its key",
            Difference::Duplicate => ": several rows of consent have this identity",
            Difference::Key => ": it is stored under another number or user id than in the ledger",
            Difference::NotOfContact => ": the contact does not have the number or user id",
            Difference::ContactMissing => ": there is no such contact",
            Difference::ContactMalformed => ": the contact cannot be read",
            Difference::Columns => {
                ": lists and filters show another number, email, name or time than the contact has"
            }
            Difference::Redirect => {
                ": it was merged, and its id does not lead to the other contact"
            }
            Difference::Unlisted => ": it is not listed for whom it is about",
            Difference::ListedTooOften => ": details of events are listed more than once",
            Difference::Policy => ": the history of opt-in policies does not lead to its policy",
        })
    }
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Mismatches(Vec<StateMismatch>);

impl Mismatches {
    pub(super) fn add(&mut self, mismatch: StateMismatch) {
        if self.0.len() < MAX_MISMATCHES {
            self.0.push(mismatch);
        }
    }

    pub(super) fn into_vec(self) -> Vec<StateMismatch> {
        self.0
    }
}
