//! Clients that write during faults and record what was acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use contacts_sdk::{
    CheckReason, ContactsClient, Error, ErrorKind, Evidence, ImportConsent, ImportOptions,
    ImportRow, MessageCategory, NewContact, OnConflict, OptInSource,
};
use futures::future::join_all;
use tokio::task::JoinHandle;

/// Acknowledged writes.
#[derive(Default)]
pub struct Acknowledged {
    contacts: Vec<String>,
    opted_in: Vec<String>,
    opted_out: Vec<String>,
    /// Number of calls with an unknown outcome.
    unknown: usize,
}

/// Running writers.
pub struct Writers {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<Acknowledged>>,
}

impl Writers {
    /// Starts one writer per client, each with its own contacts.
    pub async fn start(clients: Vec<ContactsClient>) -> Self {
        clients[0].tags().create("vip").tag_id("vip").await.expect("a tag");
        let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let tasks = clients.into_iter().enumerate().map(|(number, client)| {
            let (stop, rounds) = (Arc::clone(&stop), Arc::clone(&rounds));
            tokio::spawn(async move {
                let mut writer = Writer { client, number, acknowledged: Acknowledged::default() };
                for round in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    writer.round(round).await;
                    rounds.fetch_add(1, Ordering::SeqCst);
                }
                writer.acknowledged
            })
        });
        let tasks = tasks.collect();
        Self { stop, rounds, tasks }
    }

    /// Waits until the writers have finished this many more rounds and are in the middle of others.
    pub async fn work(&self, rounds: usize) {
        let done = self.rounds.load(Ordering::SeqCst) + rounds;
        while self.rounds.load(Ordering::SeqCst) < done {
            assert!(!self.tasks.iter().any(JoinHandle::is_finished), "a writer panicked");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Stops the writers after their current round.
    pub async fn finish(self) -> Acknowledged {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Acknowledged::default();
        for one in join_all(self.tasks).await {
            let one = one.expect("a writer that did not panic");
            all.contacts.extend(one.contacts);
            all.opted_in.extend(one.opted_in);
            all.opted_out.extend(one.opted_out);
            all.unknown += one.unknown;
        }
        all
    }
}

struct Writer {
    client: ContactsClient,
    number: usize,
    acknowledged: Acknowledged,
}

/// One writer.
const PEOPLE: usize = 23;

impl Writer {
    async fn round(&mut self, round: usize) {
        let number = self.number;
        let phone = |n| format!("1{:03}{:07}", 555 + number, round * PEOPLE + n);
        let (contacts, opt_in) = (self.client.contacts(), self.client.opt_in());

        let ana = NewContact::new().phone(phone(0)).first_name("Ana").tag("vip");
        if self.acknowledge(contacts.create(ana).send().await) {
            self.acknowledged.contacts.push(phone(0));
            let evidence = Evidence::new().wording("Send me offers on WhatsApp");
            let agreed = opt_in.record_opt_in(phone(0), OptInSource::WebForm).evidence(evidence);
            if self.acknowledge(agreed.send().await) {
                match round % 2 {
                    0 => self.acknowledged.opted_in.push(phone(0)),
                    _ => self.opt_out(phone(0)).await,
                }
            }
        }
        // A non-contact.
        self.opt_out(phone(1)).await;

        let row = |n| {
            let row = ImportRow::new(NewContact::new().phone(phone(n)).tag("vip"));
            if n % 2 == 0 { row.consent(ImportConsent::opted_out()) } else { row }
        };
        let rows: Vec<_> = (2..PEOPLE).map(row).collect();
        let options = ImportOptions::new().on_conflict(OnConflict::Merge);
        let import = contacts.import(options).chunk_size(7);
        let mut chunks = import.chunks(futures::stream::iter(rows));
        while let Some(chunk) = chunks.next().await {
            if let Ok(chunk) = &chunk {
                assert!(chunk.failures.is_empty(), "{:?}", chunk.failures);
                let first = 2 + usize::try_from(chunk.first_row).expect("a row");
                let rows = first..first + usize::try_from(chunk.row_count).expect("a number");
                let opted_out = rows.clone().filter(|n| n % 2 == 0).map(phone);
                self.acknowledged.opted_out.extend(opted_out);
                self.acknowledged.contacts.extend(rows.map(phone));
            }
            self.acknowledge(chunk);
        }
    }

    async fn opt_out(&mut self, phone: String) {
        let answer = self.client.opt_in().record_opt_out(&phone).reason_text("STOP").send().await;
        if self.acknowledge(answer) {
            self.acknowledged.opted_out.push(phone);
        }
    }

    /// Whether a write is acknowledged. A failed call may have been applied or not. Panics on errors
    /// other than unavailability: for example, a retried create must not find its own contact.
    fn acknowledge<T>(&mut self, answer: Result<T, Error>) -> bool {
        let Err(error) = answer else { return true };
        let kind = error.kind();
        assert!(matches!(kind, ErrorKind::Unavailable | ErrorKind::DeadlineExceeded), "{error:?}");
        self.acknowledged.unknown += 1;
        false
    }
}

impl Acknowledged {
    /// Number of calls that failed.
    pub fn unknown(&self) -> usize {
        self.unknown
    }

    /// Checks that every acknowledged write is stored, and that there was at least one.
    pub async fn verify(&self, client: &ContactsClient) {
        let Self { contacts, opted_in, opted_out, unknown } = self;
        let counts = [contacts.len(), opted_in.len(), opted_out.len()];
        assert!(counts.iter().all(|count| *count > 5), "{counts:?} and {unknown} unknown");
        for some in contacts.chunks(1000) {
            let found = client.contacts().batch_get(some).await.expect("contacts");
            for (phone, found) in some.iter().zip(found) {
                assert!(found.is_ok(), "the contact {phone} was acknowledged and is lost");
            }
        }
        for (phones, expected) in
            [(opted_in, CheckReason::OptedIn), (opted_out, CheckReason::OptedOut)]
        {
            for some in phones.chunks(10_000) {
                let checks = client.opt_in().check_batch(some, MessageCategory::Marketing);
                let answers = checks.await.expect("answers");
                for answer in answers.iter() {
                    let phone = &some[answer.index];
                    assert_eq!(answer.reason, expected, "{phone}, as acknowledged");
                }
            }
        }
    }
}
