//! The events of a unit on their way into the ledger: of many, the hashes are made on another thread
//! while contacts and consent are written.

use futures::future::{BoxFuture, FutureExt};

use crate::domain::consent::ConsentEvent;
use crate::domain::error::Result;
use crate::domain::ledger::{Entry, Head};
use crate::operations::ledger;
use crate::runtime;

/// From this number of events on, they are hashed on another thread.
const MANY: usize = 200;

/// Events that are being made entries.
pub(super) enum Events {
    Few(Vec<ConsentEvent>),
    Many(BoxFuture<'static, Result<Result<Vec<Entry>>>>),
}

/// Entries that are being sealed.
pub(super) enum Sealed {
    Few(Head, Vec<Entry>),
    Many(BoxFuture<'static, Result<(Head, Vec<Entry>)>>),
}

impl Events {
    pub(super) fn begin(events: Vec<ConsentEvent>) -> Self {
        match events.len() < MANY {
            true => Self::Few(events),
            false => Self::Many(runtime::begin(|| ledger::entries(events)).boxed()),
        }
    }

    /// Seals the entries after this head of the ledger.
    pub(super) async fn seal(self, mut head: Head) -> Result<Sealed> {
        match self {
            Self::Few(events) => {
                let mut entries = ledger::entries(events)?;
                ledger::seal(&mut head, &mut entries);
                Ok(Sealed::Few(head, entries))
            }
            Self::Many(entries) => {
                let mut entries = entries.await??;
                let sealed = runtime::begin(move || {
                    ledger::seal(&mut head, &mut entries);
                    (head, entries)
                });
                Ok(Sealed::Many(sealed.boxed()))
            }
        }
    }
}

impl Sealed {
    /// The entries, and the head that is that of the last one.
    pub(super) async fn sealed(self) -> Result<(Head, Vec<Entry>)> {
        match self {
            Self::Few(head, entries) => Ok((head, entries)),
            Self::Many(sealed) => sealed.await,
        }
    }
}
