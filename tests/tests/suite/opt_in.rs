//! OptInService: checks, statements and the ledger.

mod as_of;
mod batch;
mod carry_over;
mod checks;
mod concurrency;
mod ledger;
mod platform;
mod property;
mod receipts;
mod recipients;
mod record;

use contacts_sdk::{CheckReason, CheckResult, MessageCategory, Recipient};
use contacts_tests::TestApp;

const MARKETING: MessageCategory = MessageCategory::Marketing;
const UTILITY: MessageCategory = MessageCategory::Utility;
const AUTHENTICATION: MessageCategory = MessageCategory::Authentication;

async fn check(
    app: &TestApp,
    person: impl Into<Recipient>,
    category: MessageCategory,
) -> CheckResult {
    let check = app.opt_in().check(person, category).await.expect("a check");
    assert_eq!(check.is_allowed(), check.reason == CheckReason::OptedIn, "{check:?}");
    check
}

/// The reason of a marketing check.
async fn reason_of(app: &TestApp, person: impl Into<Recipient>) -> CheckReason {
    check(app, person, MARKETING).await.reason
}
