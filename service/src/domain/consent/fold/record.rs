//! What a statement does to a person.

use uuid::Uuid;

use super::said::stored;
use super::{
    Clock, Effective, IdentityId, Member, NoEffect, Objection, Objections, Outcome, Permission,
    Person, Recorded, Role, Statement, Stop, Word,
};
use crate::domain::Time;
use crate::domain::consent::{ALL_SENDERS, MessageCategory, Source};

/// A statement with its time resolved.
struct Spoken<'a> {
    event: Uuid,
    named: &'a [IdentityId],
    time: Time,
    clock: Clock,
    source: Source,
}

impl Person {
    /// Applies a statement.
    ///
    /// It alters the person also where the outcome is without effect: a
    /// permission that counts for nothing today decides about objections that
    /// arrive late. Who refuses a statement drops the altered person.
    pub fn record(&mut self, statement: &Statement) -> Recorded {
        let said = statement.said;
        let mut time = stored(said.time);
        let is_objection = matches!(statement.word, Word::OptOut { .. } | Word::Stop { .. });
        if is_objection && said.after_all_known {
            time = self.latest().map_or(time, |latest| latest.max(time));
        }
        let source = match &statement.word {
            Word::OptIn { source, .. } | Word::OptOut { source, .. } => *source,
            Word::Stop { .. } | Word::Resume { .. } => Source::Platform,
        };
        let (event, named, clock) = (statement.event, &statement.named, said.clock);
        let spoken = Spoken { event, named, time, clock, source };
        let outcomes = match &statement.word {
            Word::OptIn { categories, source, is_reported, expire } => {
                let is_personal = source.is_the_person() && !is_reported;
                let expire = expire.map(stored);
                let record =
                    |category| (category, self.opt_in(&spoken, category, is_personal, expire));
                categories.iter().copied().map(record).collect()
            }
            Word::OptOut { categories, .. } => {
                let record = |category| (category, self.opt_out(&spoken, category));
                categories.iter().copied().map(record).collect()
            }
            Word::Stop { sender } => vec![(MessageCategory::Marketing, self.stop(&spoken, sender))],
            Word::Resume { sender } => {
                vec![(MessageCategory::Marketing, self.resume(&spoken, sender))]
            }
        };
        Recorded { time, outcomes }
    }

    fn opt_in(
        &mut self,
        spoken: &Spoken<'_>,
        category: MessageCategory,
        is_personal: bool,
        expire: Option<Time>,
    ) -> Outcome {
        let scope = match self.permitted_scope(spoken) {
            Ok(scope) => scope,
            Err(reason) => {
                return Outcome::NoEffect(self.objections.standing(category).unwrap_or(reason));
            }
        };
        let said =
            Permission { event: spoken.event, time: spoken.time, expire, source: spoken.source };
        let carried = self.carried_scope(&scope, spoken.named, &said, is_personal);
        let lifted = is_personal && self.objections.lift(category, &scope, spoken.time);
        let own_end =
            |id: &IdentityId| Some((*id, self.own(*id)?.end_of(spoken.time, expire), false));
        let own = scope.iter().filter_map(own_end);
        let permitted: Vec<_> =
            own.chain(carried.into_iter().map(|(id, end)| (id, end, true))).collect();
        let concerned: Vec<_> = permitted.iter().map(|(id, ..)| *id).collect();
        let before = self.effective(&concerned, category);
        for (id, expire, is_carried) in permitted {
            let Some(Member { own, .. }) = self.member_mut(id) else { continue };
            let said = Permission { expire, ..said };
            let permissions = &mut own.permissions[category as usize];
            match (is_personal, is_carried) {
                (true, false) => permissions.add_personal(spoken.clock, said),
                (true, true) => permissions.add_carried(spoken.clock, said),
                (false, _) => permissions.add_reported(said),
            }
        }
        if let Some(standing) = self.objections.standing(category) {
            return Outcome::NoEffect(standing);
        }
        let after = self.effective(&concerned, category);
        match lifted || counts(&before, &after, is_personal) {
            true => Outcome::Effective,
            false => without_effect(&said, &after, is_personal),
        }
    }

    fn opt_out(&mut self, spoken: &Spoken<'_>, category: MessageCategory) -> Outcome {
        let before = self.objections.clone();
        for objection in self.spoken_objections(spoken) {
            let own = self.own(objection.identity);
            let is_lifted = own.is_some_and(|own| {
                own.permissions(category).lifts_arriving(spoken.time, spoken.clock)
            });
            if !is_lifted {
                self.objections.add_opt_out(category, objection);
            }
        }
        self.objected(&before, self.objections.opt_out(category).is_some())
    }

    fn stop(&mut self, spoken: &Spoken<'_>, sender: &str) -> Outcome {
        let before = self.objections.clone();
        for objection in self.spoken_objections(spoken) {
            let resumes = self.own(objection.identity).map(|own| &own.resumes);
            let is_resumed = |sender: &str| {
                resumes.is_some_and(|resumes| {
                    resumes.lifts_arriving(sender, spoken.time, spoken.clock)
                })
            };
            if is_resumed(ALL_SENDERS) || is_resumed(sender) {
                continue;
            }
            let mut except = Vec::new();
            if sender == ALL_SENDERS {
                let senders = resumes.map(|resumes| resumes.senders()).unwrap_or_default();
                let resumed = senders.into_iter().filter(|sender| is_resumed(sender));
                except = resumed.map(str::to_owned).collect();
            }
            self.objections.add_stop(Stop { sender: sender.to_owned(), objection, except });
        }
        self.objected(&before, self.objections.stops.standing(sender).is_some())
    }

    fn resume(&mut self, spoken: &Spoken<'_>, sender: &str) -> Outcome {
        let standing = |objections: &Objections| {
            let event = objections.stops.standing(sender)?.event;
            Some(NoEffect::Objected { event })
        };
        let scope = match self.permitted_scope(spoken) {
            Ok(scope) => scope,
            Err(reason) => return Outcome::NoEffect(standing(&self.objections).unwrap_or(reason)),
        };
        for id in &scope {
            if let Some(member) = self.member_mut(*id) {
                member.own.resumes.add(sender, spoken.clock, spoken.time);
            }
        }
        let lifted = self.objections.stops.lift(&scope, sender, spoken.time);
        match standing(&self.objections) {
            Some(standing) => Outcome::NoEffect(standing),
            None if lifted => Outcome::Effective,
            None => Outcome::AlreadySo,
        }
    }

    /// Whom a permission is for, or why it is for nobody.
    fn permitted_scope(&self, spoken: &Spoken<'_>) -> Result<Vec<IdentityId>, NoEffect> {
        let mut named = self.members.iter().filter(|member| spoken.named.contains(&member.id));
        // Of the time before it became a former one, something said of the contact names it, too. Words under
        // it are refused before they come here.
        let is_former =
            |member: &Member| member.role == Role::Former && !member.was_current_at(spoken.time);
        if named.clone().any(is_former) {
            return Err(NoEffect::FormerIdentity);
        }
        if named.next().is_none() {
            // Said of a contact before any of its identities was there, it names none.
            let names_none = spoken.named.is_empty();
            let why = if names_none { NoEffect::BeforeHolder } else { NoEffect::NotOfThisPerson };
            return Err(why);
        }
        match self.scope(spoken.named, spoken.time) {
            scope if scope.is_empty() => Err(NoEffect::BeforeHolder),
            scope => Ok(scope),
        }
    }

    /// An objection stands under each identity it names; under all if it names
    /// none of this person, because no objection is lost.
    fn spoken_objections(&self, spoken: &Spoken<'_>) -> Vec<Objection> {
        let all = self.members.iter().map(|member| member.id);
        let mut under: Vec<_> = all.clone().filter(|id| spoken.named.contains(id)).collect();
        if under.is_empty() {
            under.extend(all);
        }
        // Where there is no room for all stops, it matters which come first: rows and the ledger have the
        // identities of a person in other orders.
        under.sort_unstable();
        let said = |identity| Objection {
            identity,
            event: spoken.event,
            time: spoken.time,
            kept_since: None,
            source: Some(spoken.source),
        };
        under.into_iter().map(said).collect()
    }

    fn objected(&self, before: &Objections, stands: bool) -> Outcome {
        match self.objections != *before {
            true => Outcome::Effective,
            false if stands => Outcome::AlreadySo,
            false => Outcome::NoEffect(NoEffect::OlderThanKnown),
        }
    }

    /// What holds for those of a scope that may be written to: what became of a former one shows nowhere.
    fn effective(&self, scope: &[IdentityId], category: MessageCategory) -> Vec<Option<Effective>> {
        let is_shown =
            |member: &&Member| member.role == Role::Current && scope.contains(&member.id);
        let shown = self.members.iter().filter(is_shown);
        shown.map(|member| member.own.permissions(category).effective()).collect()
    }
}

/// Whether what holds became another: for a report only where it made the first
/// permission or one that ends earlier.
fn counts(before: &[Option<Effective>], after: &[Option<Effective>], is_personal: bool) -> bool {
    let changed = |(before, after): (&Option<Effective>, &Option<Effective>)| match (before, after)
    {
        (Some(before), Some(after)) if !is_personal => before.expire != after.expire,
        _ => before != after,
    };
    before.iter().zip(after).any(changed)
}

fn without_effect(said: &Permission, after: &[Option<Effective>], is_personal: bool) -> Outcome {
    let known = || after.iter().flatten();
    let is_held = |known: &Effective| {
        known.expire == said.expire && (!is_personal || known.time == said.time)
    };
    if known().all(is_held) {
        Outcome::AlreadySo
    } else if known().all(|known| said.time < known.time) {
        Outcome::NoEffect(NoEffect::OlderThanKnown)
    } else {
        Outcome::NoEffect(NoEffect::DoesNotWiden)
    }
}
