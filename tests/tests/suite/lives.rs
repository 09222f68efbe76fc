//! Random lives of a few people, through the API on both databases at once. After each step all checks
//! answer the same on both, which is what the definition says of the ledger of each; and no step allows
//! what nobody agreed to.
//!
//! A run ends after [`LIVES`] lives, or when its time is over; a failed life is shortened. With `API_LIVES`
//! that many are told, however long it takes, from `API_LIVES_SEED`: see CONTRIBUTING.md.

mod act;
mod definition;
mod look;
mod promise;
mod step;

use std::collections::HashMap;
use std::env;
use std::time::{Duration, Instant};

use contacts_sdk::{CheckReason, ContactsClient, Error};
use contacts_service::store::Store;
use contacts_service::store::sqlite::Access;
use contacts_tests::{Backend, TestApp};
use futures::TryStreamExt;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use self::act::{Request, Times};
use self::definition::{Definition, audited};
use self::look::{Look, Names};
use self::promise::Repeated;
use self::step::{Step, life};

/// How many lives, at most, unless `API_LIVES` says so.
const LIVES: usize = 60;
/// Lives that are told however long it takes.
const AT_LEAST: usize = 8;
/// From so many lives on, each kind of answer is seen.
const ALL_ANSWERS: usize = 40;
/// The same of permissions that expired: few lives have any, and those many.
const EXPIRED: usize = 200;
/// No life begins later, unless `API_LIVES` says how many there are.
const TIME: Duration = Duration::from_secs(20);
/// After so many steps and at the end, single checks and events of everybody are compared, too.
const BETWEEN_EVENTS: usize = 12;
/// How often a failed life is shortened, at most.
const SHORTER: usize = 300;

/// One of the databases.
struct Engine {
    app: TestApp,
    store: Store,
}

impl Engine {
    async fn start(backend: Backend) -> Self {
        let app = TestApp::start(backend).await;
        let store = app.open_store(Access::Read).await;
        Self { app, store }
    }

    async fn finish(self) {
        self.store.close().await;
        self.app.finish().await;
    }
}

/// A life on one database.
struct Life<'e> {
    store: &'e Store,
    client: ContactsClient,
    workspace: String,
    contact_ids: Vec<String>,
    /// The request of each step.
    requests: Vec<Option<Sent>>,
    /// How many people were erased.
    erasures: usize,
    definition: Definition,
}

/// A request that was sent, and what was so then.
#[derive(Clone)]
struct Sent {
    request: Request,
    was_answered: bool,
    /// How many contacts had been created.
    known: usize,
    erasures: usize,
}

/// What came of a step.
struct Taken {
    look: Look,
    outcome: String,
    is_accepted: bool,
    repeated: Repeated,
    /// The place of the step whose request was sent again, or of this one.
    place: usize,
    /// How many contacts that request could name.
    known: usize,
}

impl<'e> Life<'e> {
    async fn begin(engine: &'e Engine, workspace: &str) -> Self {
        engine.app.workspaces().create(workspace).await.expect("a workspace");
        Self {
            store: &engine.store,
            client: engine.app.client().with_workspace(workspace),
            workspace: workspace.to_owned(),
            contact_ids: Vec::new(),
            requests: Vec::new(),
            erasures: 0,
            definition: Definition::new(),
        }
    }

    async fn end(self) {
        let deleted = self.client.workspaces().delete(&self.workspace).confirm(&self.workspace);
        deleted.await.expect("deleted");
    }

    fn names<'a>(&'a self, times: &'a Times) -> Names<'a> {
        let (contact_ids, positions) = (&self.contact_ids, &self.definition.positions);
        Names { contact_ids, positions, times }
    }

    async fn take(&mut self, step: &Step, times: &Times) -> Result<Taken, String> {
        let mut place = self.requests.len();
        let mut repeated = Repeated::No;
        let mut known = self.contact_ids.len();
        let sent: Result<String, Error> = match step {
            Step::Policy(ages) => {
                self.requests.push(None);
                let set = act::set_policy(&self.client, &self.workspace, *ages).await;
                set.map(|()| String::new())
            }
            Step::Again { back, same_id } => {
                let earlier = place.checked_sub(back + 1);
                let again = earlier.and_then(|earlier| self.requests[earlier].clone());
                self.requests.push(None);
                match again {
                    None => Ok("nothing".to_owned()),
                    Some(Sent { request, was_answered, known: known_then, erasures }) => {
                        place = earlier.unwrap_or(place);
                        known = known_then;
                        repeated = match *same_id && was_answered {
                            false => Repeated::No,
                            true if erasures == self.erasures => Repeated::Answered,
                            true => Repeated::AnsweredBeforeAnErasure,
                        };
                        let request = if *same_id { request } else { request.with_id() };
                        self.send(request).await
                    }
                }
            }
            _ => {
                let (client, ids) = (&self.client, &self.contact_ids);
                let request = act::request(client, &self.workspace, ids, step, times);
                let request = request.expect("a request");
                let erasures = self.erasures;
                let sent = self.send(request.clone()).await;
                let was_answered = sent.is_ok();
                self.requests.push(Some(Sent { request, was_answered, known, erasures }));
                sent
            }
        };
        let all: Vec<_> =
            self.client.contacts().list().stream().try_collect().await.map_err(told)?;
        for contact in &all {
            if !self.contact_ids.contains(&contact.contact_id) {
                self.contact_ids.push(contact.contact_id.clone());
            }
        }
        self.definition.read(self.store, &self.workspace).await;
        let names = self.names(times);
        let look = Look::take(&self.client, &names).await?;
        let outcome = act::outcome(&sent, &names);
        self.definition.compare(self.store, &self.workspace, &look.reasons).await?;
        Ok(Taken { look, outcome, is_accepted: sent.is_ok(), repeated, place, known })
    }

    async fn send(&mut self, request: Request) -> Result<String, Error> {
        let erases = matches!(request, Request::Erase(_));
        let sent = request.send(&self.client).await;
        self.erasures += usize::from(erases && sent.is_ok());
        sent
    }

    async fn events(&self, times: &Times) -> Result<Vec<String>, String> {
        audited(self.store, &self.workspace).await?;
        look::events(&self.client, &self.names(times)).await
    }
}

fn told(error: Error) -> String {
    error.to_string()
}

/// How often something was seen.
type Seen = HashMap<String, usize>;

/// Lives a life on both databases. An error says what is wrong, and after which step.
async fn live(
    engines: &[Engine; 2],
    name: &str,
    steps: &[Step],
    seen: &mut Seen,
) -> Result<(), String> {
    let mut one = Life::begin(&engines[0], name).await;
    let mut two = Life::begin(&engines[1], name).await;
    let result = compare(&mut one, &mut two, steps, seen).await;
    one.end().await;
    two.end().await;
    result
}

async fn compare(
    one: &mut Life<'_>,
    two: &mut Life<'_>,
    steps: &[Step],
    seen: &mut Seen,
) -> Result<(), String> {
    let mut times = Times::begin();
    let mut before = look_at(one, &times).await?;
    for (index, step) in steps.iter().enumerate() {
        let wrong = |what: String| format!("step {index}, {step:?}: {what}");
        let (here, there) = tokio::join!(one.take(step, &times), two.take(step, &times));
        let here = here.map_err(|what| wrong(format!("SQLite: {what}")))?;
        let there = there.map_err(|what| wrong(format!("Postgres: {what}")))?;
        if here.outcome != there.outcome {
            return Err(wrong(format!("answered {:?} and {:?}", here.outcome, there.outcome)));
        }
        if let Some(difference) = here.look.difference(&there.look) {
            return Err(wrong(difference));
        }
        let said = &steps[here.place];
        let (outcome, known) = (&here.outcome, here.known);
        let broken =
            promise::broken((said, known), here.repeated, here.is_accepted, &before, &here.look);
        if let Some(promise) = broken {
            return Err(wrong(format!("{promise} ({outcome})")));
        }
        if !here.is_accepted && !promise::may_be_refused(said) {
            return Err(wrong(format!("an objection is refused: {outcome}")));
        }
        count(step, &here, seen);
        if (index + 1) % BETWEEN_EVENTS == 0 || index + 1 == steps.len() {
            let (here, there) = tokio::join!(one.events(&times), two.events(&times));
            let here = here.map_err(|what| wrong(format!("SQLite: {what}")))?;
            let there = there.map_err(|what| wrong(format!("Postgres: {what}")))?;
            if let Some((here, there)) = here.iter().zip(&there).find(|(one, two)| one != two) {
                return Err(wrong(format!("{here} and {there}")));
            }
        }
        before = here.look;
        times.after_step();
    }
    Ok(())
}

async fn look_at(life: &Life<'_>, times: &Times) -> Result<Look, String> {
    Look::take(&life.client, &life.names(times)).await
}

fn count(step: &Step, taken: &Taken, seen: &mut Seen) {
    let mut count = |what: String| *seen.entry(what).or_default() += 1;
    for reason in taken.look.reasons.iter().flatten() {
        count(format!("{reason:?}"));
    }
    let kind = format!("{step:?}");
    let kind = kind.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let outcome = if taken.is_accepted { "OK" } else { "refused" };
    count(format!("{kind} {outcome}"));
}

/// The shortest life that fails like this one, and what is wrong with it.
async fn shortened(
    engines: &[Engine; 2],
    mut life: impl ValueTree<Value = Vec<Step>>,
    wrong: String,
) -> (Vec<Step>, String) {
    let mut shortest = (life.current(), wrong);
    let mut fails = true;
    for n in 0..SHORTER {
        if !(if fails { life.simplify() } else { life.complicate() }) {
            break;
        }
        let steps = life.current();
        let lived = live(engines, &format!("shorter{n}"), &steps, &mut Seen::new()).await;
        fails = lived.is_err();
        if let Err(wrong) = lived {
            shortest = (steps, wrong);
        }
    }
    shortest
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "how much was tried, shown with a long run")]
async fn random_lives_answer_the_same_on_both_databases_and_by_the_definition() {
    let many = number("API_LIVES");
    let seed = number("API_LIVES_SEED").unwrap_or(1);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let lives = life();

    let engines = [Engine::start(Backend::Sqlite).await, Engine::start(Backend::Postgres).await];
    let (begin, mut seen, mut told) = (Instant::now(), Seen::new(), 0);
    while many.map_or(told < AT_LEAST || told < LIVES && begin.elapsed() < TIME, |many| {
        (told as u64) < many
    }) {
        let life = lives.new_tree(&mut runner).expect("a life");
        if let Err(wrong) = live(&engines, &format!("life{told}"), &life.current(), &mut seen).await
        {
            let (steps, shortest) = shortened(&engines, life, wrong.clone()).await;
            panic!("life {told} of seed {seed}: {wrong}\n\nshortened: {shortest}\n{steps:#?}");
        }
        told += 1;
    }
    println!("{told} lives of seed {seed} in {:?}: {seen:#?}", begin.elapsed());
    for reason in [
        CheckReason::OptedIn,
        CheckReason::NotAsked,
        CheckReason::OptedOut,
        CheckReason::PlatformOptedOut,
        CheckReason::Erased,
        CheckReason::Expired,
        CheckReason::FormerIdentity,
        CheckReason::UnknownContact,
    ] {
        let count = seen.get(&format!("{reason:?}")).copied().unwrap_or_default();
        // A few lives may lack a rare answer.
        let from = if reason == CheckReason::Expired { EXPIRED } else { ALL_ANSWERS };
        assert!(count > told || told < from, "{reason:?} is too rare: {count} in {told} lives");
    }
    for engine in engines {
        engine.finish().await;
    }
}
