//! Opt-in policies: what an opt-in needs, and the age from which a permission counts as expired.

mod evidence;
mod max_age;

use std::time::{Duration, SystemTime};

use contacts_sdk::{MessageCategory, OptInPolicy};
use contacts_tests::TestApp;

const MARKETING: MessageCategory = MessageCategory::Marketing;

/// The time so many days ago.
fn days_ago(days: u64) -> SystemTime {
    SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60)
}

async fn set(app: &TestApp, policy: OptInPolicy) {
    app.workspaces().update("default").opt_in_policy(policy).await.expect("a workspace");
}
