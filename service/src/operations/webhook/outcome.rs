//! What became of the statements of a webhook.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::domain::webhook::{Action, Ignored, Unreadable, Webhook};

/// What a statement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "documented in the API")]
pub enum Kind {
    Stop,
    Resume,
    OptOut,
    NumberChanged,
    UserIdChanged,
    SamePerson,
}

impl Kind {
    fn of(action: &Action) -> Self {
        match action {
            Action::PlatformStop { .. } => Self::Stop,
            Action::PlatformResume { .. } => Self::Resume,
            Action::OptOutWord { .. } => Self::OptOut,
            Action::NumberChanged { .. } => Self::NumberChanged,
            Action::UserIdChanged { .. } => Self::UserIdChanged,
            Action::Pair { .. } => Self::SamePerson,
        }
    }
}

/// What became of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An event of the ledger tells it.
    Recorded {
        /// The contact, unless it is nobody's.
        contact_id: Option<Uuid>,
        /// The event.
        event_id: Uuid,
    },
    /// The contact has a new identity.
    Linked {
        /// The contact.
        contact_id: Uuid,
        /// The event of the last link; None if an old identity only became a former one.
        event_id: Option<Uuid>,
        /// Why it was not linked as usual.
        note: Option<Why>,
    },
    /// It was applied before.
    AlreadyApplied,
    /// The contact has these identities.
    AlreadyLinked {
        /// The contact.
        contact_id: Uuid,
    },
    /// Nobody has the identities.
    UnknownContact,
    /// It is not what is known.
    Contradicts {
        /// The contact.
        contact_id: Uuid,
        /// Another contact, that has the other identity.
        other_contact_id: Option<Uuid>,
        /// How.
        why: Why,
    },
    /// Something later is known.
    Outdated {
        /// The contact.
        contact_id: Option<Uuid>,
        /// What.
        why: Why,
    },
    /// It cannot be applied.
    Refused {
        /// Why, and what to do.
        message: String,
    },
}

/// Why something was not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Its identities are of two contacts.
    #[error(
        "its ids are of two contacts: if they are one person, join them with \
         ContactService.MergeContacts"
    )]
    TwoContacts,
    /// One of its identities is a former one.
    #[error(
        "one of its ids is a former one of the contact, and may be somebody else's by now: if it is \
         the contact's again, link it with ContactService.LinkIdentity; if it is somebody else's, \
         release it"
    )]
    Former,
    /// The contact has another phone number.
    #[error(
        "the contact has another phone number: if this one replaces it, link it with \
         ContactService.LinkIdentity"
    )]
    OtherNumber,
    /// The contact is younger.
    #[error(
        "the contact was created after this was said, so its number may have been somebody else's: \
         if not, link the new one with ContactService.LinkIdentity"
    )]
    BeforeContact,
    /// An identity had another holder then.
    #[error(
        "one of its ids came to the contact, or was released or erased, after this was said, so it \
         may have been somebody else's"
    )]
    BeforeHolder,
    /// Something was permitted since.
    #[error(
        "the person, or somebody else with the id, agreed to something after this was said: a later \
         webhook links the ids"
    )]
    BeforePermission,
    /// The person of an identity has left it since.
    #[error("one of its ids was given up after this was said, as another webhook told")]
    Left,
    /// The same, of a new identity that had to be linked.
    #[error(
        "linked without what was permitted before: the new number or user id was given up after \
         this was said, as another webhook told"
    )]
    LeftSince,
    /// Dated in the future.
    #[error("its time is more than 5 minutes ahead: set the clock of the server")]
    Future,
    /// Too old.
    #[error(
        "it is older than 30 days: if the ids are the contact's, link them with \
         ContactService.LinkIdentity"
    )]
    TooOld,
}

/// A statement that is being applied.
pub(super) struct Pending {
    entry: usize,
    change: usize,
    pub(super) action: Action,
    outcome: Option<Outcome>,
}

/// All statements, in the order of the webhook.
pub(super) fn pending(webhook: &Webhook) -> Vec<Pending> {
    let changes = webhook.changes.iter();
    let all = changes.flat_map(|read| read.actions.iter().map(move |action| (read, action)));
    all.map(|(read, action)| Pending {
        entry: read.entry,
        change: read.change,
        action: action.clone(),
        outcome: None,
    })
    .collect()
}

impl Pending {
    pub(super) fn is_settled(&self) -> bool {
        self.outcome.is_some()
    }

    /// Of an objection in parts, an event tells more than that it was known.
    pub(super) fn settle(&mut self, outcome: Outcome) {
        let keeps = match &self.outcome {
            None | Some(Outcome::AlreadyApplied) => false,
            Some(Outcome::Recorded { contact_id: None, .. }) => {
                !matches!(outcome, Outcome::Recorded { contact_id: Some(_), .. })
            }
            Some(_) => true,
        };
        if !keeps {
            self.outcome = Some(outcome);
        }
    }
}

/// What became of a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What became of each statement, or what cannot be read, by entry and change.
    pub results: Vec<Statement>,
    /// How many statements were passed over.
    pub ignored: BTreeMap<Ignored, usize>,
}

/// What became of one statement, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Index of the entry.
    pub entry: usize,
    /// Index of the change.
    pub change: usize,
    /// What it says, and what became of it; or what cannot be read.
    pub outcome: Result<(Kind, Outcome), Unreadable>,
}

impl Report {
    pub(super) fn of(webhook: &Webhook, statements: Vec<Pending>) -> Self {
        let applied = statements.into_iter().filter_map(|statement| {
            let Pending { entry, change, action, outcome } = statement;
            Some(Statement { entry, change, outcome: Ok((Kind::of(&action), outcome?)) })
        });
        let in_changes = webhook.changes.iter().flat_map(|change| &change.unreadable);
        let unreadable = webhook.unreadable.iter().chain(in_changes).map(|unreadable| Statement {
            entry: unreadable.entry,
            change: unreadable.change,
            outcome: Err(unreadable.clone()),
        });
        let mut results: Vec<_> = applied.chain(unreadable).collect();
        results.sort_by_key(|result| (result.entry, result.change));
        let mut ignored: BTreeMap<Ignored, usize> = BTreeMap::new();
        for (what, count) in webhook.changes.iter().flat_map(|change| &change.ignored) {
            *ignored.entry(*what).or_default() += count;
        }
        Self { results, ignored }
    }
}
