//! The consent fold: what every word ever said amounts to now.
//!
//! A yes belongs to the identity it was given under; a no belongs to the
//! person. Nothing is combined when identities turn out to be one person: each
//! keeps its own permissions ([`Own`]), and the objections that stand
//! ([`Objections`]) are shared by all identities of the [`Person`]. `docs/consent.md`
//! is the rule; where it leaves a choice, the stricter reading is taken:
//!
//! - **Scope.** Whom a permission is for is fixed when it is recorded: the
//!   identities it names, and those, current or former, for which both they and
//!   the named one were there by then ([`Person::scope`]). An identity is there
//!   from the later of when it came and `since`.
//! - **Holders.** A permission dated before `since` of the identity it names has no effect and
//!   lifts nothing: it is the previous holder's. An objection has no such limit.
//! - **Changes come after all that is known.** A link, a merge, a release and an erasure take effect
//!   after the latest time known of the person, also where the server's clock went back. So what
//!   was recorded before and is delivered again never reaches an identity that joined since.
//! - **Reports.** What others report never extends an expiry, revives an expired permission or makes
//!   it younger, also over an earlier report ([`Permissions`]).
//! - **Carrying.** A link that carries gives the new identity the permissions known by then, and those of the time
//!   before that are recorded later ([`Carry`]), also what the other had taken over itself. It is there from the
//!   link on all the same: an opt-in of it that is recorded later, of a time before the link, is for it alone and
//!   lifts nothing said under others, because the number may have been somebody else's then; and what is carried
//!   lifts nothing.
//! - **Parting.** At a release or an erasure both sides keep what stood. An objection said under
//!   an identity of the other side stands from then as if said under each identity of this side,
//!   at the earliest at the parting: else nobody could ever lift it ([`Objection::kept_since`]).
//!   One that is recorded after a release and was said before is an event of each side: whoever records it
//!   finds the contacts that had the identity (`operations/unit_of_work/earlier_holders.rs`).
//! - **Coming back.** What a former identity was permitted has ended when it is linked again, unless the
//!   link carries ([`Own::ended`]): it may have been somebody else's in between. So words under it from then
//!   ([`Own::left`], [`Own::returned`]) are nobody's, but for objections. In everything else it was there all the
//!   time: what ended stays known, a report neither extends nor revives it, and it lifts what was said before
//!   it, whichever arrives later.
//! - **Times.** An objection dated before 2009 is taken for one without a time.

mod codec;
mod decide;
mod identity;
mod ledger;
mod objection;
mod permission;
mod person;
mod record;
mod resume;
mod said;
mod scope;
mod settled;
mod statement;
mod stop;

pub use codec::DecodeError;
pub use decide::{Check, CheckReason, Verdict, decide};
pub use identity::{Carry, IdentityConsent, IdentityId, Own};
pub use ledger::{Change, Event, World, fold};
pub use objection::{Objection, Objections};
pub use permission::{Effective, Permission, Permissions};
pub use person::{Member, Person, Role};
pub use resume::Resumes;
pub use said::{Clock, Said, TimeRefused};
pub use settled::settled;
pub use statement::{NoEffect, Outcome, Recorded, Statement, Word};
pub use stop::{MAX_SENDERS, MAX_STOPS, Stop, Stops};

#[cfg(test)]
mod tests;
