//! Concurrent writers and checkers, which record a history.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use contacts_sdk::{
    ContactsClient, Error, Evidence, ImportConsent, ImportOptions, ImportRow, MessageCategory,
    NewContact, OnConflict, OptInSource,
};
use contacts_tests::phone;
use futures::future::join_all;
use tokio::time::sleep;

use super::history::{Change, Check, History, Who};

const MARKETING: MessageCategory = MessageCategory::Marketing;
/// Number of people in a batch of checks.
const BATCH: usize = 1000;
/// Number of people in an import of opt-outs.
const BULK: usize = 50;
/// One of this many people opts out with a single call, the others in imports.
const SINGLE: usize = 8;
const WRITERS: usize = 8;
const BULK_WRITERS: usize = 2;
const CHECKERS: usize = 4;

/// The service under test: the real one, or one with an injected fault.
pub trait Service: Send + Sync + 'static {
    /// Whether each person may be messaged. `None` if the call failed.
    fn check(&self, people: &[Who]) -> impl Future<Output = Option<Vec<bool>>> + Send;
    /// Whether the opt-in was acknowledged.
    fn opt_in(&self, who: Who, said: SystemTime) -> impl Future<Output = bool> + Send;
    /// Whether the opt-outs were acknowledged.
    fn opt_out(&self, people: &[Who], said: SystemTime) -> impl Future<Output = bool> + Send;
    /// Whether the change was acknowledged, now or before.
    fn reshape(&self, change: Reshape) -> impl Future<Output = bool> + Send;
}

/// A change of who is one person. The other number is nobody's, or another contact's.
#[derive(Clone, Copy, Debug)]
pub enum Reshape {
    /// Changes the number of a contact. With `carry`, its opt-in goes with it.
    Link { who: Who, other: Who, carry: bool },
    /// Merges the other contact into this one.
    Merge { who: Who, other: Who },
    /// Erases a contact.
    Erase { who: Who },
    /// Makes a contact, again after an erasure.
    Create { who: Who },
}

/// Several servers, used in turn.
pub struct Servers {
    clients: Vec<ContactsClient>,
    turn: AtomicUsize,
}

impl Servers {
    pub fn new(clients: Vec<ContactsClient>) -> Self {
        Self { clients, turn: AtomicUsize::new(0) }
    }

    fn next(&self) -> &ContactsClient {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        &self.clients[turn % self.clients.len()]
    }
}

impl Service for Servers {
    async fn check(&self, people: &[Who]) -> Option<Vec<bool>> {
        let opt_in = self.next().opt_in();
        if let [who] = people {
            return opt_in
                .check(phone(*who), MARKETING)
                .await
                .ok()
                .map(|one| vec![one.is_allowed()]);
        }
        let phones: Vec<_> = people.iter().map(|who| phone(*who)).collect();
        let answers = opt_in.check_batch(&phones, MARKETING).await.ok()?;
        Some(answers.iter().map(|answer| answer.is_allowed()).collect())
    }

    async fn opt_in(&self, who: Who, said: SystemTime) -> bool {
        let record = self.next().opt_in().record_opt_in(phone(who), OptInSource::WebForm);
        record.occurred_time(said).await.is_ok()
    }

    async fn opt_out(&self, people: &[Who], said: SystemTime) -> bool {
        let client = self.next();
        if let [who] = people {
            let record = client.opt_in().record_opt_out(phone(*who)).occurred_time(said);
            return record.await.is_ok();
        }
        let rows: Vec<_> = people
            .iter()
            .map(|who| ImportRow::new(NewContact::new().phone(phone(*who))))
            .map(|row| row.consent(ImportConsent::opted_out().occurred_time(said)))
            .collect();
        let options = ImportOptions::new().on_conflict(OnConflict::Merge);
        client.contacts().batch_upsert(rows).options(options).await.is_ok()
    }

    async fn reshape(&self, change: Reshape) -> bool {
        match (self.reshape_once(change).await, change) {
            (Ok(()), _) => true,
            // An attempt whose answer was lost had succeeded.
            (Err(error), Reshape::Create { .. }) => error.is_already_exists(),
            (Err(error), Reshape::Erase { .. }) => error.is_not_found(),
            (Err(error), Reshape::Merge { .. }) => error.is_invalid_argument(),
            (Err(_), Reshape::Link { .. }) => false,
        }
    }
}

impl Servers {
    async fn reshape_once(&self, change: Reshape) -> Result<(), Error> {
        let contacts = self.next().contacts();
        match change {
            Reshape::Link { who, other, carry } => {
                let mut link = contacts.link_identity(phone(who)).phone(phone(other));
                if carry {
                    let evidence = Evidence::new().message_id("wamid.1");
                    link = link.carry_opt_in(OptInSource::Platform, evidence);
                }
                link.await.map(drop)
            }
            Reshape::Merge { who, other } => {
                contacts.merge(phone(who), phone(other)).await.map(drop)
            }
            Reshape::Erase { who } => contacts.delete(phone(who)).await.map(drop),
            Reshape::Create { who } => {
                contacts.create(NewContact::new().phone(phone(who))).await.map(drop)
            }
        }
    }
}

/// Size of the workload.
#[derive(Clone, Copy)]
pub struct Volume {
    pub people: usize,
    pub checks: usize,
}

struct Workload<S> {
    service: S,
    volume: Volume,
    started: Instant,
    /// The next person for single and for bulk writers.
    single: AtomicUsize,
    bulk: AtomicUsize,
    writing: AtomicBool,
    history: Mutex<History>,
}

/// Creates people who are opted in, opts all of them out while they are checked, and returns the
/// history.
pub async fn run<S: Service>(service: S, client: &ContactsClient, volume: Volume) -> History {
    let agreed = ImportConsent::opted_in().occurred_time(SystemTime::now());
    let import = client.contacts().import(ImportOptions::new().consent(agreed));
    let rows = (0..volume.people).map(|who| NewContact::new().phone(phone(who)));
    import.send(rows).await.expect("an import");

    // The other half are numbers that nobody agreed under.
    let mut changes = vec![vec![Change::OptIn { begin: Duration::ZERO }]; volume.people];
    let never = vec![Change::OptOut { acknowledged: Duration::ZERO }];
    changes.resize(2 * volume.people, never);
    let workload = Arc::new(Workload {
        service,
        volume,
        started: Instant::now(),
        single: AtomicUsize::new(0),
        bulk: AtomicUsize::new(volume.people / SINGLE),
        writing: AtomicBool::new(true),
        history: Mutex::new(History { checks: Vec::new(), changes }),
    });
    let spawn = |number| {
        let workload = Arc::clone(&workload);
        tokio::spawn(async move {
            match number {
                0..WRITERS => while workload.write_one().await {},
                _ => while workload.write_some().await {},
            }
        })
    };
    let writers: Vec<_> = (0..WRITERS + BULK_WRITERS).map(spawn).collect();
    let checkers = (0..CHECKERS).map(|seed| {
        let workload = Arc::clone(&workload);
        tokio::spawn(async move { workload.check_all_the_time(seed).await })
    });
    let checkers: Vec<_> = checkers.collect();
    for writer in join_all(writers).await {
        writer.expect("a writer that did not panic");
    }
    workload.writing.store(false, Ordering::SeqCst);
    for checker in join_all(checkers).await {
        checker.expect("a checker that did not panic");
    }
    std::mem::take(&mut *workload.history.lock().unwrap_or_else(PoisonError::into_inner))
}

impl<S: Service> Workload<S> {
    /// Opts out one person. Every fourth one opts in and out again; of the others, some change their
    /// number, some turn out to be two contacts, some are erased. Returns false if nobody is left.
    async fn write_one(&self) -> bool {
        let who = self.single.fetch_add(1, Ordering::SeqCst);
        if who >= self.volume.people / SINGLE {
            return false;
        }
        let other = self.volume.people + who;
        let carry = who % 8 == 1;
        if carry {
            self.change(other, Change::OptIn { begin: self.started.elapsed() });
            self.reshape(Reshape::Link { who, other, carry }).await;
            self.check(&[other]).await;
        }
        self.opt_out(&[who]).await;
        match who % 8 {
            0 | 4 => {
                self.opt_in(who).await;
                self.opt_out(&[who]).await;
            }
            // From the number that it had before.
            1 => self.deny(other).await,
            2 => {
                self.reshape(Reshape::Create { who: other }).await;
                self.opt_in(other).await;
                self.reshape(Reshape::Merge { who, other }).await;
                self.deny(other).await;
            }
            3 => {
                self.reshape(Reshape::Erase { who }).await;
                self.check(&[who]).await;
                self.reshape(Reshape::Create { who }).await;
                self.check(&[who]).await;
            }
            5 => {
                self.reshape(Reshape::Link { who, other, carry }).await;
                self.check(&[who, other]).await;
            }
            _ => {}
        }
        true
    }

    async fn opt_in(&self, who: Who) {
        self.change(who, Change::OptIn { begin: self.started.elapsed() });
        let said = SystemTime::now();
        while !self.service.opt_in(who, said).await {}
        self.check(&[who]).await;
    }

    /// What stands against the person stands against this number, too.
    async fn deny(&self, who: Who) {
        self.change(who, Change::OptOut { acknowledged: self.started.elapsed() });
        self.check(&[who]).await;
    }

    async fn reshape(&self, change: Reshape) {
        while !self.service.reshape(change).await {}
    }

    async fn write_some(&self) -> bool {
        let first = self.bulk.fetch_add(BULK, Ordering::SeqCst);
        let people: Vec<_> = (first..(first + BULK).min(self.volume.people)).collect();
        if people.is_empty() {
            return false;
        }
        self.opt_out(&people).await;
        true
    }

    /// Retries an opt-out until it is acknowledged. The statement has a fixed time, so an attempt that a
    /// frozen server applies much later has no effect.
    async fn opt_out(&self, people: &[Who]) {
        let said = SystemTime::now();
        while !self.service.opt_out(people, said).await {}
        let acknowledged = self.started.elapsed();
        for who in people {
            self.change(*who, Change::OptOut { acknowledged });
        }
        // The hardest case: another server is asked immediately.
        self.check(&people[..1]).await;
    }

    async fn check_all_the_time(&self, seed: usize) {
        for round in seed.. {
            let writing = self.writing.load(Ordering::SeqCst);
            let missing = self.checked() < self.volume.checks;
            if !writing && !missing {
                return;
            }
            // Mostly people near the writers' positions, and some at random.
            let writers = if round % 2 == 0 { &self.single } else { &self.bulk };
            let writers = writers.load(Ordering::SeqCst);
            let near = (0..BATCH * 4 / 5).map(|n| (writers + n).saturating_sub(BATCH / 2));
            let all = 2 * self.volume.people;
            let far = (0..BATCH / 5).map(|n| (round * 7919 + n * 104_729) % all);
            let people: Vec<_> = near.map(|who| who % self.volume.people).chain(far).collect();
            self.check(&people).await;
            if !missing {
                sleep(Duration::from_millis(20)).await;
            }
        }
    }

    async fn check(&self, people: &[Who]) {
        let begin = self.started.elapsed();
        let Some(answers) = self.service.check(people).await else { return };
        let end = self.started.elapsed();
        assert_eq!(answers.len(), people.len());
        let checks = people.iter().zip(answers);
        let checks = checks.map(|(&who, allowed)| Check { who, begin, end, allowed });
        self.history.lock().unwrap_or_else(PoisonError::into_inner).checks.extend(checks);
    }

    fn change(&self, who: Who, change: Change) {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.changes[who].push(change);
    }

    fn checked(&self) -> usize {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).checks.len()
    }
}
