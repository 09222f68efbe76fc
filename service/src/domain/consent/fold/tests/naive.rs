//! The definition, written down as plainly as possible: lists of facts about
//! single identities, nothing reduced, nothing shared with the fold but the
//! types of its input. The parent imports these types: the conformance suite reads this file,
//! too, and compares with what the ledgers of real databases amount to.

use std::cmp::Reverse;

use chrono::TimeDelta;
use uuid::Uuid;

use super::*;

/// The senders that lives speak of, and one that stands for every other.
pub const SENDERS: [&str; 5] = ["X", "Y", "1", "2", "any other"];

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    OptOut(MessageCategory),
    Erasure(MessageCategory),
    /// A stop of all is one of each sender.
    Stop(&'static str),
}

/// An identity may not be messaged for this.
#[derive(Clone, Debug, PartialEq)]
pub struct Against {
    pub whom: IdentityId,
    pub kind: Kind,
    pub said_under: IdentityId,
    pub after: Time,
    pub event: Uuid,
    pub source: Option<Source>,
}

/// An identity was in the scope of this.
#[derive(Clone, Debug)]
pub struct Permitted {
    pub whom: IdentityId,
    pub category: MessageCategory,
    pub personal: bool,
    pub time: Time,
    pub clock: Clock,
    pub expire: Option<Time>,
    pub event: Uuid,
    pub source: Source,
    /// By a link, which lifts nothing.
    pub carried: bool,
}

#[derive(Clone, Debug)]
struct Resumed {
    whom: IdentityId,
    sender: String,
    time: Time,
    clock: Clock,
}

/// A link gave to an identity what was permitted under another.
#[derive(Clone, Debug)]
struct Handed {
    to: IdentityId,
    from: IdentityId,
    at: Time,
    /// From when the other was there.
    place: Time,
    /// What was permitted under the other before this had ended by then, or has for the one since.
    ended: Time,
}

#[derive(Clone, Copy, Debug, Default)]
struct Presence {
    since: Option<Time>,
    joined: Option<Time>,
    /// When it first became a former one.
    left: Option<Time>,
    /// When it was last linked again, and when without carrying.
    returned: Option<Time>,
    ended: Option<Time>,
}

impl Presence {
    /// Whether what is said under it is its holder's.
    fn is_holders_at(&self, time: Time) -> bool {
        let is_somebodys = self.since.is_none_or(|since| since <= time);
        match (self.left, self.returned) {
            (Some(left), Some(returned)) => is_somebodys && !(left..returned).contains(&time),
            _ => is_somebodys,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Naive {
    pub persons: Vec<Vec<IdentityId>>,
    pub former: Vec<IdentityId>,
    presences: Vec<(IdentityId, Presence)>,
    pub against: Vec<Against>,
    pub permitted: Vec<Permitted>,
    resumed: Vec<Resumed>,
    handed: Vec<Handed>,
}

impl Naive {
    pub fn new(identities: &[IdentityId]) -> Self {
        let mut naive = Self::default();
        identities.iter().for_each(|id| naive.know(*id));
        naive
    }

    /// Adds an identity that is nobody's, if it is new.
    pub fn know(&mut self, id: IdentityId) {
        if self.presences.iter().all(|(known, _)| *known != id) {
            self.persons.push(vec![id]);
            self.presences.push((id, Presence::default()));
        }
    }

    pub fn person(&self, id: IdentityId) -> Vec<IdentityId> {
        self.persons.iter().find(|person| person.contains(&id)).expect("a person").clone()
    }

    fn presence(&mut self, id: IdentityId) -> &mut Presence {
        &mut self.presences.iter_mut().find(|(known, _)| *known == id).expect("known").1
    }

    fn there_from(&self, id: IdentityId) -> Time {
        let presence = self.presence_of(id);
        let start = Time::MIN_UTC;
        presence.since.unwrap_or(start).max(presence.joined.unwrap_or(start))
    }

    fn presence_of(&self, id: IdentityId) -> Presence {
        self.presences.iter().find(|(known, _)| *known == id).expect("known").1
    }

    fn latest(&self, ids: &[IdentityId]) -> Option<Time> {
        let mut times = Vec::new();
        for (id, presence) in &self.presences {
            if ids.contains(id) {
                times.extend(presence.since);
                times.extend(presence.returned);
                times.extend(presence.joined);
            }
        }
        times.extend(self.against.iter().filter(|f| ids.contains(&f.whom)).map(|f| f.after));
        times.extend(self.permitted.iter().filter(|f| ids.contains(&f.whom)).map(|f| f.time));
        times.extend(self.resumed.iter().filter(|f| ids.contains(&f.whom)).map(|f| f.time));
        times.into_iter().max()
    }

    fn after_all_known(&self, ids: &[IdentityId], time: Time) -> Time {
        match self.latest(ids) {
            Some(latest) if latest >= time => latest + TimeDelta::microseconds(1),
            _ => time,
        }
    }

    pub fn apply(&mut self, event: &Event) {
        let now = event.record_time;
        match &event.change {
            Change::Said(statement) => {
                for person in self.persons.clone() {
                    let mut named = statement.named.clone();
                    named.retain(|id| person.contains(id));
                    if !named.is_empty() {
                        self.say(statement, &person, &named);
                    }
                }
            }
            Change::Created { identities } => {
                for id in identities {
                    self.part(*id, now);
                }
                self.persons.retain(|person| !identities.contains(&person[0]));
                self.persons.push(identities.clone());
                for id in identities {
                    self.presence(*id).joined = None;
                    self.former.retain(|former| former != id);
                }
                self.share(identities);
            }
            Change::Linked { identity, to, carry_from, replaces } => {
                self.link(*identity, *to, *carry_from, *replaces, now);
            }
            Change::Merged { into, from, contact_id: _, retired } => {
                let (stays, goes) = (self.person(*into), self.person(*from));
                if !stays.contains(from) {
                    let all = [stays.clone(), goes.clone()].concat();
                    let joined = self.after_all_known(&all, now);
                    for id in &goes {
                        self.presence(*id).joined = Some(joined);
                    }
                    for handed in self.handed.iter_mut().filter(|h| goes.contains(&h.to)) {
                        handed.place = joined;
                    }
                    self.persons.retain(|person| *person != stays && *person != goes);
                    self.persons.push(all.clone());
                    self.share(&all);
                }
                for id in retired {
                    self.retire(*id, *into, now);
                }
            }
            Change::Retired { identity } => self.retire(*identity, *identity, now),
            Change::Released { identity } => self.release(*identity, now),
            Change::Claimed { .. } => {}
            Change::Erased { identity } => {
                let person = self.person(*identity);
                let time = self.after_all_known(&person, now);
                for id in &person {
                    self.start_anew(*id, time);
                    self.keep(&[*id], time);
                    for category in MessageCategory::ALL {
                        self.against.push(Against {
                            whom: *id,
                            kind: Kind::Erasure(category),
                            said_under: *id,
                            after: time,
                            event: event.id,
                            source: None,
                        });
                    }
                }
                self.persons.retain(|known| *known != person);
                self.persons.extend(person.into_iter().map(|id| vec![id]));
            }
        }
    }

    fn link(
        &mut self,
        id: IdentityId,
        to: IdentityId,
        carry_from: Option<IdentityId>,
        replaces: Option<IdentityId>,
        now: Time,
    ) {
        let mut person = self.person(to);
        let was_member = person.contains(&id);
        if !was_member {
            self.part(id, now);
        }
        let mut all = person.clone();
        all.push(id);
        let time = self.after_all_known(&all, now);
        if !was_member {
            self.persons.retain(|known| *known != person && *known != [id]);
            person.push(id);
            self.persons.push(person.clone());
            self.presence(id).joined = Some(time);
            self.share(&person);
        }
        let carry_from = carry_from.filter(|from| *from != id && person.contains(from));
        if was_member && self.former.contains(&id) {
            self.former.retain(|former| *former != id);
            self.presence(id).returned = Some(time);
            if carry_from.is_none() {
                self.presence(id).ended = Some(time);
                for handed in self.handed.iter_mut().filter(|h| h.to == id) {
                    handed.ended = time;
                }
                for fact in self.permitted.iter_mut().filter(|f| f.whom == id) {
                    fact.expire = Some(fact.expire.unwrap_or(Time::MAX_UTC).min(time));
                }
            }
        }
        if let Some(from) = carry_from {
            let start = Time::MIN_UTC;
            let place = self.there_from(from);
            let ended = self.presence_of(from).ended.unwrap_or(start);
            let mut handed = vec![Handed { to: id, from, at: time, place, ended }];
            let theirs = self.handed.iter().filter(|h| h.to == from && h.from != id);
            handed.extend(theirs.map(|h| Handed { to: id, ..h.clone() }));
            self.handed.extend(handed);
            let mut permitted: Vec<_> =
                self.permitted.iter().filter(|f| f.whom == from).cloned().collect();
            // What it has itself is not shortened by the same, which may have ended for the other.
            permitted.retain(|f| {
                let known = [false, true].map(|carried| self.latest_of(id, f, carried));
                !f.personal || !known.contains(&Some(f.event))
            });
            let carried = |f| Permitted { whom: id, carried: true, ..f };
            self.permitted.extend(permitted.into_iter().map(carried));
        }
        if let Some(replaced) = replaces
            && replaced != id
        {
            self.retire(replaced, id, now);
        }
    }

    /// The latest that the person gave under it, or that was carried to it, of the same category and clock.
    fn latest_of(&self, id: IdentityId, like: &Permitted, carried: bool) -> Option<Uuid> {
        let own = self.permitted.iter().filter(|f| {
            let alike = f.category == like.category && f.clock == like.clock;
            f.whom == id && f.personal && f.carried == carried && alike
        });
        let end = |f: &Permitted| f.expire.unwrap_or(Time::MAX_UTC);
        let ranks = own.map(|f| (f.time, Reverse(end(f)), f.event));
        // Of equal ones the first, as the others add nothing.
        ranks.reduce(|a, b| if (b.0, b.1) > (a.0, a.1) { b } else { a }).map(|(.., event)| event)
    }

    fn retire(&mut self, id: IdentityId, of: IdentityId, now: Time) {
        if self.person(of).contains(&id) && !self.former.contains(&id) {
            self.former.push(id);
            self.presence(id).left.get_or_insert(now);
        }
    }

    /// What stands against one stands against all.
    fn share(&mut self, person: &[IdentityId]) {
        let of_person: Vec<_> =
            self.against.iter().filter(|f| person.contains(&f.whom)).cloned().collect();
        for fact in of_person {
            for whom in person {
                let shared = Against { whom: *whom, ..fact.clone() };
                if !self.against.contains(&shared) {
                    self.against.push(shared);
                }
            }
        }
    }

    fn part(&mut self, id: IdentityId, now: Time) {
        if self.person(id).len() > 1 || self.former.contains(&id) {
            self.release(id, now);
        }
    }

    fn release(&mut self, id: IdentityId, now: Time) {
        let person = self.person(id);
        let time = self.after_all_known(&person, now);
        let mut others = person.clone();
        others.retain(|other| *other != id);
        self.start_anew(id, time);
        self.keep(&[id], time);
        self.keep(&others, time);
        self.persons.retain(|known| *known != person);
        self.persons.push(vec![id]);
        if !others.is_empty() {
            self.persons.push(others);
        }
    }

    fn start_anew(&mut self, id: IdentityId, time: Time) {
        *self.presence(id) = Presence { since: Some(time), ..Presence::default() };
        self.former.retain(|former| *former != id);
        self.permitted.retain(|f| f.whom != id);
        self.resumed.retain(|f| f.whom != id);
        self.handed.retain(|h| h.to != id);
    }

    /// What was said under others stands, from a parting on, as if said under each that is here.
    fn keep(&mut self, here: &[IdentityId], time: Time) {
        for fact in self.against.clone() {
            if here.contains(&fact.whom) && !here.contains(&fact.said_under) {
                self.against.retain(|f| *f != fact);
                for id in here {
                    let after = fact.after.max(time);
                    self.against.push(Against { said_under: *id, after, ..fact.clone() });
                }
            }
        }
    }

    fn scope(&self, person: &[IdentityId], named: &[IdentityId], time: Time) -> Vec<IdentityId> {
        let mut scope = Vec::new();
        for name in named {
            if !self.presence_of(*name).is_holders_at(time) {
                continue;
            }
            for id in person {
                let both_there = self.there_from(*name).max(self.there_from(*id)) <= time;
                if (id == name || both_there) && !scope.contains(id) {
                    scope.push(*id);
                }
            }
        }
        scope
    }

    /// Those to whom a link handed on what was said before it, each with until when it holds there: what one in
    /// the scope has, or one had who was there, if a named one speaks for others. Who is in the scope has what
    /// the person said already.
    fn carried_scope(
        &self,
        person: &[IdentityId],
        named: &[IdentityId],
        (time, expire, is_personal): (Time, Option<Time>, bool),
    ) -> Vec<(IdentityId, Option<Time>)> {
        let speaks = named.iter().any(|name| {
            self.presence_of(*name).is_holders_at(time) && self.there_from(*name) <= time
        });
        let scope = self.scope(person, named, time);
        let mut carried = Vec::new();
        for id in person.iter().filter(|id| !is_personal || !scope.contains(id)) {
            let mut ends: Vec<_> = self
                .handed
                .iter()
                .filter(|h| h.to == *id && time < h.at)
                .filter(|h| scope.contains(&h.from) || speaks && h.place <= time)
                .map(|h| {
                    let mut end = expire.unwrap_or(Time::MAX_UTC);
                    if time < h.ended {
                        end = end.min(h.ended);
                    }
                    end
                })
                .collect();
            // Of what the person said, the first link gave it; of what others report, the shortest counts.
            if !is_personal {
                ends.sort();
            }
            if let Some(end) = ends.first() {
                carried.push((*id, Some(*end).filter(|end| *end != Time::MAX_UTC)));
            }
        }
        carried
    }

    /// Whether it is a former identity, and not only since the time.
    fn has_left(&self, id: IdentityId, time: Time) -> bool {
        self.former.contains(&id) && self.presence_of(id).left.is_none_or(|left| left <= time)
    }

    fn say(&mut self, statement: &Statement, person: &[IdentityId], named: &[IdentityId]) {
        let Said { time, clock, after_all_known } = statement.said;
        let late = match (after_all_known, self.latest(person)) {
            (true, Some(latest)) => latest.max(time),
            _ => time,
        };
        let is_after = |p: Time, its: Clock, o: Time| {
            if its == clock { p > o } else { p > o + TimeDelta::minutes(5) }
        };
        let event = statement.event;
        let mut objections = Vec::new();
        let source = match &statement.word {
            Word::OptIn { source, .. } | Word::OptOut { source, .. } => *source,
            Word::Stop { .. } | Word::Resume { .. } => Source::Platform,
        };
        match &statement.word {
            Word::OptOut { categories, .. } => {
                for under in named {
                    for category in categories {
                        let lifted = self.permitted.iter().any(|f| {
                            let same = f.whom == *under && f.category == *category && f.personal;
                            same && !f.carried && is_after(f.time, f.clock, late)
                        });
                        if !lifted {
                            objections.push((*under, Kind::OptOut(*category)));
                        }
                    }
                }
            }
            Word::Stop { sender } => {
                for under in named {
                    for one in SENDERS {
                        let lifted = self.resumed.iter().any(|f| {
                            let same =
                                f.sender == ALL_SENDERS || f.sender == one || f.sender == *sender;
                            f.whom == *under && same && is_after(f.time, f.clock, late)
                        });
                        if (sender == ALL_SENDERS || sender == one) && !lifted {
                            objections.push((*under, Kind::Stop(one)));
                        }
                    }
                }
            }
            Word::OptIn { categories, is_reported, expire, .. } => {
                let personal = source.is_the_person() && !is_reported;
                if named.iter().any(|id| self.has_left(*id, time)) {
                    return;
                }
                let scope = self.scope(person, named, time);
                let carried = self.carried_scope(person, named, (time, *expire, personal));
                let own = scope.iter().map(|whom| {
                    let ended = self.presence_of(*whom).ended.filter(|ended| time < *ended);
                    (*whom, [*expire, ended].into_iter().flatten().min(), false)
                });
                let carried = carried.into_iter().map(|(whom, end)| (whom, end, true));
                let all: Vec<_> = own.chain(carried).collect();
                for category in categories {
                    for (whom, expire, carried) in &all {
                        self.permitted.push(Permitted {
                            whom: *whom,
                            category: *category,
                            personal,
                            time,
                            clock,
                            expire: *expire,
                            event,
                            source,
                            carried: *carried,
                        });
                    }
                    if personal {
                        let kinds = [Kind::OptOut(*category), Kind::Erasure(*category)];
                        self.lift(person, &scope, time, &kinds);
                    }
                }
            }
            Word::Resume { sender } => {
                if named.iter().any(|id| self.has_left(*id, time)) {
                    return;
                }
                let scope = self.scope(person, named, time);
                for whom in &scope {
                    self.resumed.push(Resumed { whom: *whom, sender: sender.clone(), time, clock });
                }
                let all = SENDERS.iter().filter(|one| sender == ALL_SENDERS || sender == **one);
                let kinds: Vec<_> = all.map(|one| Kind::Stop(one)).collect();
                self.lift(person, &scope, time, &kinds);
            }
        }
        for (said_under, kind) in objections {
            for whom in person {
                self.against.push(Against {
                    whom: *whom,
                    kind,
                    said_under,
                    after: late,
                    event,
                    source: Some(source),
                });
            }
        }
    }

    fn lift(&mut self, person: &[IdentityId], scope: &[IdentityId], time: Time, kinds: &[Kind]) {
        self.against.retain(|f| {
            let is_lifted = person.contains(&f.whom)
                && kinds.contains(&f.kind)
                && scope.contains(&f.said_under)
                && f.after < time;
            !is_lifted
        });
    }

    /// The events that stand against a message.
    /// The events of what stands, and how each arrived.
    pub fn standing(
        &self,
        id: IdentityId,
        is_kind: impl Fn(Kind) -> bool,
    ) -> Vec<(Uuid, Option<Source>)> {
        let standing = self.against.iter().filter(|f| f.whom == id && is_kind(f.kind));
        standing.map(|f| (f.event, f.source)).collect()
    }

    pub fn decide(&self, id: IdentityId, check: &Check<'_>) -> (CheckReason, Option<Time>) {
        let stands = |is_kind: &dyn Fn(Kind) -> bool| !self.standing(id, is_kind).is_empty();
        let is_stop = |kind| match kind {
            Kind::Stop(one) => {
                let named =
                    if SENDERS.contains(&check.sender) { check.sender } else { "any other" };
                check.sender == ALL_SENDERS || one == named
            }
            _ => false,
        };
        if stands(&|kind| kind == Kind::OptOut(check.category)) {
            return (CheckReason::OptedOut, None);
        }
        if stands(&|kind| kind == Kind::Erasure(check.category)) {
            return (CheckReason::Erased, None);
        }
        if check.category == MessageCategory::Marketing && stands(&is_stop) {
            return (CheckReason::PlatformOptedOut, None);
        }
        if check.is_former {
            return (CheckReason::FormerIdentity, None);
        }
        if !check.is_contact {
            return (CheckReason::UnknownContact, None);
        }
        let mine = |f: &&Permitted| f.whom == id && f.category == check.category;
        let end = |f: &Permitted| {
            let aged = check.max_age.map_or(Time::MAX_UTC, |age| f.time + age);
            f.expire.unwrap_or(Time::MAX_UTC).min(aged)
        };
        let personal = self.permitted.iter().filter(mine).filter(|f| f.personal);
        let last = personal.clone().map(|f| f.time).max();
        let said = personal.filter(|f| Some(f.time) == last).map(end);
        let reported = self.permitted.iter().filter(mine).filter(|f| !f.personal);
        let reported = reported.filter(|f| last.is_none_or(|last| f.time >= last)).map(end);
        let Some(end) = said.chain(reported).min() else { return (CheckReason::NotAsked, None) };
        let expire = (end != Time::MAX_UTC).then_some(end);
        let reason = if end <= check.now { CheckReason::Expired } else { CheckReason::OptedIn };
        (reason, expire)
    }
}
