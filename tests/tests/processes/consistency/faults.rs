//! The history detects services with injected faults.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use contacts_tests::ServiceProcess;
use tempfile::TempDir;

use super::history::Who;
use super::workload::{self, Reshape, Servers, Service, Volume};

const VOLUME: Volume = Volume { people: 400, checks: 6000 };

/// A server on a SQLite file.
fn server() -> (ServiceProcess, TempDir) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let database = format!("sqlite://{}", directory.path().join("contacts.db").display());
    (ServiceProcess::start(&database), directory)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn correct_service_has_no_violation() {
    let (server, _directory) = server();
    let service = Servers::new(vec![server.client()]);
    let history = workload::run(service, &server.client(), VOLUME).await;
    assert_eq!(history.violations().len(), 0);
}

/// Caches check results for a while.
struct StaleCache {
    service: Servers,
    answers: Mutex<HashMap<Who, (Instant, bool)>>,
}

const KEPT: Duration = Duration::from_millis(100);

impl Service for StaleCache {
    async fn check(&self, people: &[Who]) -> Option<Vec<bool>> {
        let cached = || {
            let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            let kept = |who| answers.get(who).filter(|(asked, _)| asked.elapsed() < KEPT);
            people.iter().map(|who| kept(who).map(|(_, allowed)| *allowed)).collect()
        };
        if let Some(known) = cached() {
            return Some(known);
        }
        let asked = Instant::now();
        let fresh = self.service.check(people).await?;
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.extend(people.iter().zip(&fresh).map(|(who, allowed)| (*who, (asked, *allowed))));
        Some(fresh)
    }

    async fn opt_in(&self, who: Who, said: SystemTime) -> bool {
        self.service.opt_in(who, said).await
    }

    async fn opt_out(&self, people: &[Who], said: SystemTime) -> bool {
        self.service.opt_out(people, said).await
    }

    async fn reshape(&self, change: Reshape) -> bool {
        self.service.reshape(change).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stale_cache_is_detected() {
    let (server, _directory) = server();
    let service = Servers::new(vec![server.client()]);
    let cache = StaleCache { service, answers: Mutex::default() };
    let history = workload::run(cache, &server.client(), VOLUME).await;
    assert!(!history.violations().is_empty());
}

/// Acknowledges one opt-out without storing it.
struct Forgetful(Servers);

impl Service for Forgetful {
    async fn check(&self, people: &[Who]) -> Option<Vec<bool>> {
        self.0.check(people).await
    }

    async fn opt_in(&self, who: Who, said: SystemTime) -> bool {
        self.0.opt_in(who, said).await
    }

    async fn opt_out(&self, people: &[Who], said: SystemTime) -> bool {
        people == [33] || self.0.opt_out(people, said).await
    }

    async fn reshape(&self, change: Reshape) -> bool {
        self.0.reshape(change).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_opt_out_is_detected() {
    let (server, _directory) = server();
    let service = Forgetful(Servers::new(vec![server.client()]));
    let history = workload::run(service, &server.client(), VOLUME).await;
    let violations = history.violations();
    // 33 changed its number before, and its opt-in went with it.
    let is_lost = |who| who == 33 || who == VOLUME.people + 33;
    assert!(!violations.is_empty() && violations.iter().all(|check| is_lost(check.who)));
}

/// Acknowledges a merge without making it.
struct Unmerging(Servers);

impl Service for Unmerging {
    async fn check(&self, people: &[Who]) -> Option<Vec<bool>> {
        self.0.check(people).await
    }

    async fn opt_in(&self, who: Who, said: SystemTime) -> bool {
        self.0.opt_in(who, said).await
    }

    async fn opt_out(&self, people: &[Who], said: SystemTime) -> bool {
        self.0.opt_out(people, said).await
    }

    async fn reshape(&self, change: Reshape) -> bool {
        matches!(change, Reshape::Merge { .. }) || self.0.reshape(change).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objection_that_a_merge_does_not_spread_is_detected() {
    let (server, _directory) = server();
    let service = Unmerging(Servers::new(vec![server.client()]));
    let history = workload::run(service, &server.client(), VOLUME).await;
    assert!(!history.violations().is_empty());
}
