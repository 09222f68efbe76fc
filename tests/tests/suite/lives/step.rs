//! What may happen to a few people, as data: the same on every database.

use contacts_sdk::{MessageCategory, OnConflict, OptInSource};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// Phone numbers, of which the first two are forms of one, then user ids.
pub const KEYS: [&str; 9] = [
    "5521987654321",
    "552187654321",
    "15550000001",
    "15550000002",
    "15550000003",
    "US.1",
    "US.2",
    "DE.3",
    "US.ENT.4",
];
pub const PHONES: usize = 5;
pub const EXTERNAL_IDS: [&str; 3] = ["a-1", "a-2", "a-3"];
pub const CATEGORIES: [MessageCategory; 3] =
    [MessageCategory::Marketing, MessageCategory::Utility, MessageCategory::Authentication];

/// A time that a caller states. None of them is near a time at which a step happens, or five minutes
/// from one, so that both databases compare them in the same way.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// No time: the server's.
    Now,
    /// Minutes before the life began.
    Ago(i64),
    /// After a step, by the caller's clock. The number is counted back from the last one.
    After(usize),
    /// Minutes after the life began: what is ahead of the server is cut or refused.
    Ahead(i64),
    /// Before there was WhatsApp.
    In2008,
}

/// By what a request names somebody.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    /// One of [`KEYS`].
    Key(usize),
    External(usize),
    /// The contact created in this place, which may be gone.
    Contact(usize),
}

#[derive(Clone, Debug)]
pub struct Person {
    pub phone: Option<usize>,
    pub users: Vec<usize>,
    pub external: Option<usize>,
    pub name: Option<usize>,
}

/// What an import says of consent.
#[derive(Clone, Debug)]
pub struct Consent {
    pub agrees: bool,
    pub source: Option<OptInSource>,
    pub about: Vec<usize>,
    pub when: When,
}

#[derive(Clone, Debug)]
pub enum Step {
    Create(Person),
    Upsert(Person),
    SetUsers {
        who: Who,
        users: Vec<usize>,
    },
    SetExternal {
        who: Who,
        external: Option<usize>,
    },
    Import {
        rows: Vec<(Person, Option<Consent>)>,
        conflict: OnConflict,
        all: Option<Consent>,
    },
    OptIn {
        who: Who,
        source: OptInSource,
        about: Vec<usize>,
        when: When,
        until: Option<i64>,
    },
    OptOut {
        who: Who,
        also: Vec<Who>,
        about: Vec<usize>,
        when: When,
    },
    Stop {
        who: Who,
        also: Vec<Who>,
        sender: &'static str,
        when: When,
    },
    Resume {
        who: Who,
        sender: &'static str,
        when: When,
    },
    Link(Link),
    Merge {
        into: Who,
        from: Who,
        takes_phone: bool,
    },
    Erase(Who),
    /// From which age in days permissions are expired, by category. Zero for never.
    Policy([u32; 3]),
    /// The request of an earlier step once more, counted back.
    Again {
        back: usize,
        same_id: bool,
    },
}

#[derive(Clone, Debug)]
pub struct Link {
    pub who: Who,
    pub phone: Option<usize>,
    pub user: Option<usize>,
    pub replaces: Option<usize>,
    pub release: Option<usize>,
    pub carries: Option<OptInSource>,
}

fn phone() -> impl Strategy<Value = usize> {
    0..PHONES
}

fn user() -> impl Strategy<Value = usize> {
    PHONES..KEYS.len()
}

fn key() -> impl Strategy<Value = usize> {
    0..KEYS.len()
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![
        8 => key().prop_map(Who::Key),
        1 => (0..EXTERNAL_IDS.len()).prop_map(Who::External),
        3 => (0..5_usize).prop_map(Who::Contact),
    ]
}

fn users(most: usize) -> impl Strategy<Value = Vec<usize>> {
    subsequence((PHONES..KEYS.len()).collect::<Vec<_>>(), 0..=most)
}

fn person() -> impl Strategy<Value = Person> {
    let external = prop::option::weighted(0.2, 0..EXTERNAL_IDS.len());
    let phone = prop::option::weighted(0.75, phone());
    (phone, users(2), external, prop::option::weighted(0.3, 0..3_usize))
        .prop_map(|(phone, users, external, name)| Person { phone, users, external, name })
}

fn about() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        3 => Just(vec![0]),
        2 => Just(vec![0, 1, 2]),
        2 => subsequence(vec![0, 1, 2], 1..=2),
    ]
}

fn when() -> impl Strategy<Value = When> {
    let ago = select(vec![2, 30, 60 * 26, 60 * 24 * 40 + 60, 60 * 24 * 400 + 60]);
    prop_oneof![
        4 => Just(When::Now),
        4 => ago.prop_map(When::Ago),
        4 => (0..8_usize).prop_map(When::After),
        1 => Just(When::Ahead(4)),
        1 => select(vec![When::Ahead(10), When::In2008]),
    ]
}

fn source() -> impl Strategy<Value = OptInSource> {
    select(vec![
        OptInSource::WebForm,
        OptInSource::WebForm,
        OptInSource::InboundMessage,
        OptInSource::Ivr,
        OptInSource::Paper,
        OptInSource::Import,
        OptInSource::Operator,
        OptInSource::Api,
        OptInSource::Platform,
    ])
}

fn consent() -> impl Strategy<Value = Consent> {
    (prop::bool::weighted(0.75), prop::option::of(source()), about(), when())
        .prop_map(|(agrees, source, about, when)| Consent { agrees, source, about, when })
}

fn import() -> impl Strategy<Value = Step> {
    let row = (person(), prop::option::weighted(0.8, consent()));
    let conflict = select(vec![
        OnConflict::Merge,
        OnConflict::Merge,
        OnConflict::Merge,
        OnConflict::Skip,
        OnConflict::Fail,
    ]);
    let all = prop::option::weighted(0.3, consent());
    (prop::collection::vec(row, 1..4), conflict, all)
        .prop_map(|(rows, conflict, all)| Step::Import { rows, conflict, all })
}

fn link() -> impl Strategy<Value = Step> {
    let carries = select(vec![OptInSource::Platform, OptInSource::WebForm, OptInSource::Operator]);
    let new = prop_oneof![
        4 => (phone().prop_map(Some), Just(None)),
        3 => (Just(None), user().prop_map(Some)),
        1 => (phone().prop_map(Some), user().prop_map(Some)),
        1 => (Just(None), Just(None)),
    ];
    let replaces = prop::option::weighted(0.3, user());
    let release = prop::option::weighted(0.4, key());
    (who(), new, replaces, release, prop::option::weighted(0.4, carries)).prop_map(
        |(who, (phone, user), replaces, release, carries)| {
            let replaces = replaces.filter(|_| user.is_some());
            Step::Link(Link { who, phone, user, replaces, release, carries })
        },
    )
}

/// Some people, and what happens to them.
pub fn life() -> impl Strategy<Value = Vec<Step>> {
    let people = prop::collection::vec(person().prop_map(Step::Create), 3..6);
    (people, prop::collection::vec(step(), 8..30)).prop_map(|(mut life, steps)| {
        life.extend(steps);
        life
    })
}

fn step() -> impl Strategy<Value = Step> {
    let sender = || select(vec!["", "1", "2"]);
    let also = || prop::collection::vec(who(), 0..3);
    // An end in minutes after the beginning.
    let until = prop::option::weighted(0.4, select(vec![-60 * 24 * 20, -20, 60 * 24]));
    let age = || select(vec![0, 0, 1, 30, 300]);
    prop_oneof![
        3 => person().prop_map(Step::Create),
        2 => person().prop_map(Step::Upsert),
        1 => (who(), users(3)).prop_map(|(who, users)| Step::SetUsers { who, users }),
        1 => (who(), prop::option::of(0..EXTERNAL_IDS.len()))
            .prop_map(|(who, external)| Step::SetExternal { who, external }),
        5 => import(),
        11 => (who(), source(), about(), when(), until).prop_map(
            |(who, source, about, when, until)| Step::OptIn { who, source, about, when, until }
        ),
        4 => (who(), also(), about(), when())
            .prop_map(|(who, also, about, when)| Step::OptOut { who, also, about, when }),
        4 => (who(), also(), sender(), when())
            .prop_map(|(who, also, sender, when)| Step::Stop { who, also, sender, when }),
        4 => (who(), sender(), when())
            .prop_map(|(who, sender, when)| Step::Resume { who, sender, when }),
        8 => link(),
        4 => (who(), who(), any::<bool>())
            .prop_map(|(into, from, takes_phone)| Step::Merge { into, from, takes_phone }),
        3 => who().prop_map(Step::Erase),
        1 => [age(), age(), age()].prop_map(Step::Policy),
        4 => (0..10_usize, any::<bool>())
            .prop_map(|(back, same_id)| Step::Again { back, same_id }),
    ]
}
