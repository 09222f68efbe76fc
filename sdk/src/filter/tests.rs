use std::time::{Duration, SystemTime};

use super::{Filter, FilterTime};
use crate::model::{MessageCategory, OptInSource, OptInStatus};

#[track_caller]
fn prints(filter: Filter, text: &str) {
    assert_eq!(filter.to_string(), text);
}

#[test]
fn comparisons_print_in_the_filter_language() {
    prints(Filter::tag("vip"), "tags:vip");
    prints(Filter::tag("Größe 1"), r#"tags:"Größe 1""#);
    prints(Filter::any_tag(), "tags:*");
    prints(Filter::tag_in(["vip", "staff"]), "tags IN (vip, staff)");
    prints(Filter::first_name().eq("Ana"), r#"first_name = "Ana""#);
    prints(Filter::last_name().ne("O'Brien"), r#"last_name != "O'Brien""#);
    prints(Filter::email().is_set(), "email:*");
    prints(Filter::phone_number().starts_with("55"), r#"phone_number = "55*""#);
    prints(Filter::attribute("city").in_list(["A", "B"]), r#"attributes.city IN ("A", "B")"#);
    prints(Filter::attribute("subscribed").eq(true), "attributes.subscribed = true");
    prints(Filter::attribute("city").is_set(), "attributes.city:*");
    prints(
        Filter::opt_in_for(MessageCategory::Utility).ne(OptInStatus::OptedOut),
        "opt_in.utility != OPTED_OUT",
    );
    prints(
        Filter::opt_in().in_list([OptInStatus::NotAsked, OptInStatus::OptedIn]),
        "opt_in IN (NOT_ASKED, OPTED_IN)",
    );
}

#[test]
fn numbers_and_times_print_exactly() {
    let visits = || Filter::attribute("visits");
    prints(visits().lt(3), "attributes.visits < 3");
    prints(visits().le(-2.5), "attributes.visits <= -2.5");
    prints(visits().gt(1e300), "attributes.visits > 1e300");
    prints(visits().ge(1e-9), "attributes.visits >= 1e-9");
    prints(visits().eq(0), "attributes.visits = 0");
    let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_769_851_800_250_000);
    prints(Filter::create_time().ge(time), r#"create_time >= "2026-01-31T09:30:00.250Z""#);
    let seconds = Duration::from_secs;
    prints(Filter::update_time().lt(FilterTime::now()), "update_time < now");
    prints(
        Filter::create_time().gt(FilterTime::ago(seconds(30 * 86_400))),
        "create_time > now-30d",
    );
    let ahead = |distance| Filter::attribute_time("renewal").le(FilterTime::ahead(distance));
    prints(ahead(seconds(7200)), "attributes.renewal <= now+2h");
    prints(ahead(seconds(5400)), "attributes.renewal <= now+90m");
    prints(ahead(Duration::from_millis(61_900)), "attributes.renewal <= now+61s");
    prints(ahead(Duration::from_millis(900)), "attributes.renewal <= now");
}

#[test]
fn consent_prints_by_category() {
    let utility = MessageCategory::Utility;
    prints(Filter::sendable(MessageCategory::Marketing), "sendable.marketing = true");
    prints(!Filter::sendable(utility), "NOT sendable.utility = true");
    prints(Filter::consent_time(utility).is_set(), "consent.utility.time:*");
    prints(
        Filter::consent_source(utility).eq(OptInSource::Paper),
        "consent.utility.source = PAPER",
    );
    let soon = FilterTime::ahead(Duration::from_secs(7 * 86_400));
    prints(Filter::consent_expire_time(utility).lt(soon), "consent.utility.expire_time < now+7d");
    let unknown = Filter::consent_time(MessageCategory::Unknown(9));
    prints(unknown.is_set(), "consent.unknown.time:*");
}

#[test]
fn parentheses_separate_and_from_or() {
    let [a, b, c, d] = ["a", "b", "c", "d"].map(Filter::tag);
    prints(a.clone().and(b.clone()).and(c.clone()), "tags:a AND tags:b AND tags:c");
    prints(a.clone().or(b.clone().or(c.clone())), "tags:a OR tags:b OR tags:c");
    prints(
        a.clone().or(b.clone()).and(c.clone().or(d.clone())),
        "(tags:a OR tags:b) AND (tags:c OR tags:d)",
    );
    prints(a.clone().and(b.clone()).or(c.clone()), "(tags:a AND tags:b) OR tags:c");
    prints(!a.clone().and(b.clone()), "NOT (tags:a AND tags:b)");
    prints((!a.clone()).and(b), "NOT tags:a AND tags:b");
    prints(!!a.clone(), "tags:a");
    prints(a.not().or(c.and(d).not()), "NOT tags:a OR NOT (tags:c AND tags:d)");
}

#[test]
fn values_cannot_escape_their_quotes() {
    prints(Filter::first_name().eq(r#"a" OR tags:x"#), r#"first_name = "a\" OR tags:x""#);
    prints(Filter::first_name().eq(r"back\slash*"), r#"first_name = "back\\slash\*""#);
    prints(Filter::first_name().starts_with(r#"50%*""#), r#"first_name = "50%\*\"*""#);
    prints(Filter::tag(r#"x" OR tags:y"#), r#"tags:"x\" OR tags:y""#);
    // The filter language has no quoted names, so that the server rejects these.
    prints(Filter::attribute("x = 1 OR y").eq(1), r#"attributes."x = 1 OR y" = 1"#);
    prints(Filter::attribute("").eq(1), r#"attributes."" = 1"#);
}
