//! Tables of canonical texts, of every error, and of filters that do or do not match a contact.

mod properties;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::FilterErrorKind::{
    Syntax, TooComplex, UnknownAttribute, UnknownField, UnknownOption, UnknownTag, WrongOperator,
    WrongType,
};
use super::*;
use crate::domain::attribute::{AttributeType, AttributeValue};
use crate::domain::consent::{
    CategoryConsent, ConsentState, ConsentSummary, OptInPolicy, OptInStatus, Source,
};

const ATTRIBUTES: [(&str, AttributeType); 5] = [
    ("state", AttributeType::String),
    ("score", AttributeType::Number),
    ("vip_member", AttributeType::Boolean),
    ("last_order", AttributeType::Timestamp),
    ("tier", AttributeType::Enum),
];
const OPTIONS: [&str; 3] = ["Gold", "Silver \"plus\"", "None*"];
const TAGS: [&str; 4] = ["event_attendee", "vip", "and", "newsletter"];

fn definitions() -> Definitions {
    let attributes = ATTRIBUTES.map(|(id, attribute_type)| {
        let definition = AttributeDefinition {
            attribute_id: id.to_owned(),
            display_name: id.to_owned(),
            attribute_type,
            enum_options: match attribute_type {
                AttributeType::Enum => OPTIONS.map(str::to_owned).to_vec(),
                _ => Vec::new(),
            },
            description: String::new(),
            create_time: DateTime::UNIX_EPOCH,
            update_time: DateTime::UNIX_EPOCH,
        };
        (id.to_owned(), definition)
    });
    Definitions {
        tags: TAGS.map(str::to_owned).into(),
        attributes: attributes.into(),
        ..Definitions::default()
    }
}

fn canonical(text: &str) -> String {
    match compile(text, &definitions(), now()) {
        Ok(Some(expr)) => expr.to_string(),
        Ok(None) => String::new(),
        Err(error) => panic!("{text}: {error}"),
    }
}

fn error(text: &str) -> FilterError {
    match compile(text, &definitions(), now()) {
        Ok(expr) => panic!("{text} compiled to {expr:?}"),
        Err(error) => error,
    }
}

fn time(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

/// The time of the request.
fn now() -> DateTime<Utc> {
    time("2026-06-15T12:00:00.000001Z")
}

#[test]
fn canonical_text() {
    for (written, expected) in [
        ("", ""),
        (" \t\r\n\u{a0}", ""),
        (
            "tags:event_attendee AND attributes.state = \"California\" AND opt_in = OPTED_IN",
            "tags:event_attendee AND attributes.state = \"California\" AND opt_in = OPTED_IN",
        ),
        ("tags:'vip'", "tags:vip"),
        ("tags:and", "tags:and"),
        ("tags:*", "tags:*"),
        ("tags IN (vip, \"and\", vip)", "tags IN (vip, and)"),
        ("tags IN (vip)", "tags:vip"),
        ("-tags:vip", "NOT tags:vip"),
        ("NOT -tags:vip", "tags:vip"),
        ("((tags:vip AND (tags:and AND tags:*)))", "tags:vip AND tags:and AND tags:*"),
        ("tags:vip OR (NOT tags:and AND tags:*)", "tags:vip OR (NOT tags:and AND tags:*)"),
        ("NOT(tags:vip OR tags:and)", "NOT (tags:vip OR tags:and)"),
        ("opt_in.marketing:OPT_IN_STATUS_OPTED_OUT", "opt_in = OPTED_OUT"),
        ("opt_in.utility != \"OPTED_IN\"", "opt_in.utility IN (NOT_ASKED, OPTED_OUT)"),
        ("opt_in IN (OPTED_OUT, NOT_ASKED)", "opt_in IN (NOT_ASKED, OPTED_OUT)"),
        ("opt_in.authentication IN (OPTED_IN)", "opt_in.authentication = OPTED_IN"),
        ("first_name=Mar*", "first_name = \"Mar*\""),
        ("first_name:'O\\'Brien \"x\\\"\\*'", "first_name = \"O'Brien \\\"x\\\"\\*\""),
        ("last_name = \"a*b\"", "last_name = \"a\\*b\""),
        ("last_name = \"a\\\\*\"", "last_name = \"a\\\\*\""),
        ("last_name = \"a**\"", "last_name = \"a\\**\""),
        ("first_name = Zoë", "first_name = \"Zoë\""),
        ("email:ann-b+c@example.com", "email = \"ann-b+c@example.com\""),
        ("phone_number = +1-555.1234", "phone_number = \"15551234\""),
        ("phone_number = \"+1 (555) 12\u{2011}3*\"", "phone_number = \"1555123*\""),
        (
            "phone_number IN (\"+15551234\", 15551234, 15551235)",
            "phone_number IN (\"15551234\", \"15551235\")",
        ),
        ("phone_number > 1555", "phone_number > \"1555\""),
        // Each number in all its forms.
        ("phone_number = 551187654321", "phone_number IN (\"551187654321\", \"5511987654321\")"),
        (
            "last_name:* AND phone_number != 5511987654321",
            "last_name:* AND phone_number:* AND NOT phone_number IN (\"5511987654321\", \"551187654321\")",
        ),
        (
            "phone_number IN (551187654321, 15551234)",
            "phone_number IN (\"551187654321\", \"15551234\", \"5511987654321\")",
        ),
        ("attributes.state = 12345", "attributes.state = \"12345\""),
        ("attributes.state = \"\"", "attributes.state = \"\""),
        ("attributes.state:-x", "attributes.state = \"-x\""),
        ("attributes.score>=-1.50", "attributes.score >= -1.5"),
        ("attributes.score = -0", "attributes.score = 0"),
        ("attributes.score < 1E+300", "attributes.score < 1e300"),
        ("attributes.score IN (-1, 2)", "attributes.score IN (-1, 2)"),
        ("attributes.vip_member:true", "attributes.vip_member = true"),
        ("attributes.vip_member != false", "attributes.vip_member != false"),
        ("attributes.tier IN (Gold,'None\\*')", "attributes.tier IN (\"Gold\", \"None\\*\")"),
        ("NOT attributes.tier:*", "NOT attributes.tier:*"),
        ("create_time > '2026-01-31'", "create_time > 2026-01-31"),
        ("create_time > now", "create_time > \"2026-06-15T12:00:00.000001Z\""),
        ("create_time>now-30d", "create_time > \"2026-05-16T12:00:00.000001Z\""),
        (
            "update_time IN (now+90s, now)",
            "update_time IN (\"2026-06-15T12:01:30.000001Z\", \"2026-06-15T12:00:00.000001Z\")",
        ),
        (
            "attributes.last_order <= now-2w",
            "attributes.last_order <= \"2026-06-01T12:00:00.000001Z\"",
        ),
        ("attributes.state = now-30d", "attributes.state = \"now-30d\""),
        ("first_name = now", "first_name = \"now\""),
        ("sendable.marketing:true", "sendable.marketing = true"),
        ("sendable.utility != true", "sendable.utility = false"),
        ("consent.marketing.time:*", "consent.marketing.time:*"),
        ("consent.utility.expire_time < 2026-07-01", "consent.utility.expire_time < 2026-07-01"),
        ("consent.utility.source:OPT_IN_SOURCE_PAPER", "consent.utility.source = PAPER"),
        ("consent.marketing.source:*", "consent.marketing.source:*"),
        (
            "consent.marketing.source IN (PAPER, WEB_FORM, PAPER)",
            "consent.marketing.source IN (WEB_FORM, PAPER)",
        ),
        (
            "consent.authentication.source != IVR",
            "consent.authentication.source IN (WEB_FORM, INBOUND_MESSAGE, PAPER, IMPORT, OPERATOR, \
             API, PLATFORM)",
        ),
        (
            "attributes.last_order = \"2026-01-31T23:30:00.1234567-02:00\"",
            "attributes.last_order = \"2026-02-01T01:30:00.123456Z\"",
        ),
    ] {
        assert_eq!(canonical(written), expected, "{written}");
        assert_eq!(canonical(expected), expected);
    }
}

#[test]
fn syntax_errors() {
    for (text, kind, column, part) in [
        ("' OR 1=1--", Syntax, 1, "never closed"),
        ("1=1", Syntax, 1, "begins with a field"),
        ("first_name = \"%_\\\"", Syntax, 14, "never closed"),
        ("first_name = \"a\\d\"", Syntax, 16, "\\\\ for a backslash"),
        ("first_name = \"a\0\"", Syntax, 16, "U+0000"),
        ("tags:vip\u{1b}", Syntax, 9, "U+001B"),
        ("tags:vip and tags:and", Syntax, 10, "write AND"),
        ("tags:vip Or tags:and", Syntax, 10, "write OR"),
        ("not tags:vip", Syntax, 1, "write NOT"),
        ("not (tags:vip)", Syntax, 1, "write NOT"),
        ("tags in (vip)", Syntax, 6, "write IN"),
        ("tags NOT IN (vip)", Syntax, 6, "NOT tags IN"),
        ("tags:vip tags:and", Syntax, 10, "write AND"),
        ("tags:vip NOT tags:and", Syntax, 10, "write AND"),
        ("tags:vip (tags:and)", Syntax, 10, "write AND"),
        ("tags:vip && tags:and", Syntax, 10, "write AND"),
        ("tags:vip | tags:and", Syntax, 10, "write OR"),
        ("!tags:vip", Syntax, 1, "write NOT"),
        ("first_name = Anna Maria", Syntax, 19, "quotes"),
        ("first_name == \"x\"", Syntax, 12, "write ="),
        ("first_name <> \"x\"", Syntax, 12, "write !="),
        ("first_name = “x”", Syntax, 14, "straight quotes"),
        ("first_name LIKE \"x\"", Syntax, 12, "prefix"),
        ("first_name IS NULL", Syntax, 12, "NOT first_name:*"),
        ("first_name = *", Syntax, 14, "first_name:*"),
        ("first_name = M*r", Syntax, 15, "quotes"),
        ("first_name = Mar *", Syntax, 18, "touch"),
        ("first_name = AND", Syntax, 14, "needs quotes"),
        ("first_name =", Syntax, 13, "ends where a value"),
        ("first_name = \"a\" = \"b\"", Syntax, 18, "join two with AND"),
        ("create_time > 2026-01-31T10:00:00Z", Syntax, 28, "quotes"),
        ("create_time > now()", Syntax, 18, "no functions"),
        ("create_time > now - 30d", Syntax, 19, "no spaces, as in now-30d"),
        ("sendable.marketing", Syntax, 1, "sendable.marketing = true"),
        ("consent.marketing.source", Syntax, 1, "consent.marketing.source = WEB_FORM"),
        ("tags:(vip OR and)", Syntax, 6, "IN ("),
        ("tags:vip AND tags:and OR tags:*", Syntax, 23, "without parentheses"),
        ("tags:vip OR tags:and AND tags:*", Syntax, 22, "without parentheses"),
        ("tags:vip AND", Syntax, 13, "a comparison is expected"),
        ("AND tags:vip", Syntax, 1, "missing before"),
        ("(tags:vip", Syntax, 1, "never closed"),
        ("tags:vip)", Syntax, 9, "no matching ("),
        ("()", Syntax, 2, "missing before this )"),
        ("tags IN vip", Syntax, 9, "parentheses"),
        ("tags IN ()", Syntax, 10, "value is missing"),
        ("tags IN (vip,)", Syntax, 14, "value is missing"),
        ("tags IN (vip and)", Syntax, 14, "comma"),
        ("tags IN (vip", Syntax, 9, "never closed"),
        ("tags:vip, tags:and", Syntax, 9, "comma"),
        ("\"Maria\"", Syntax, 1, "query"),
        ("first_name", Syntax, 1, "first_name = \"Maria\""),
        ("attributes.vip_member AND tags:vip", Syntax, 1, "attributes.vip_member = true"),
        ("Zoë = x OR", Syntax, 11, "expected"),
        ("attributes.score = - 1", Syntax, 20, "lone -"),
    ] {
        let error = error(text);
        assert_eq!((error.kind, error.column), (kind, column), "{text}: {error}");
        assert!(error.message.contains(part), "{text}: {error}");
    }
}

#[test]
fn name_and_type_errors() {
    for (text, kind, column, part) in [
        ("frist_name = \"x\"", UnknownField, 1, "first_name"),
        ("firstName = \"x\"", UnknownField, 1, "first_name"),
        ("tags:vip AND state = \"x\"", UnknownField, 14, "attributes.state"),
        ("sttae = \"x\"", UnknownField, 1, "attributes.state"),
        ("attribute.stat = \"x\"", UnknownField, 1, "attributes.state"),
        ("vip", UnknownField, 1, "tags:vip"),
        ("newsleter = true", UnknownField, 1, "tags:newsletter"),
        ("tags.vip = true", UnknownField, 1, "tags:vip"),
        ("opted_in = true", UnknownField, 1, "opt_in = OPTED_IN"),
        ("opt_in.sms = OPTED_IN", UnknownField, 1, "opt_in.utility"),
        ("phone = 1", UnknownField, 1, "phone_number"),
        ("contact_id = x", UnknownField, 1, "GetContact"),
        ("zzzzzzzz = x", UnknownField, 1, "the fields are tags, opt_in,"),
        ("zzzzzzzz", UnknownField, 1, "query"),
        ("attributes.opted_in = true", UnknownAttribute, 1, "opt_in = OPTED_IN"),
        ("attributes.Stat = \"x\"", UnknownAttribute, 1, "attributes.state"),
        ("attributes.zzzzzz = \"x\"", UnknownAttribute, 1, "score, state, tier"),
        ("attributes. = \"x\"", UnknownAttribute, 1, "no such attribute"),
        ("tags:VIPP", UnknownTag, 6, "tags:vip?"),
        ("tags:\"Event Attendee\"", UnknownTag, 6, "tags:event_attendee"),
        ("tags IN (vip, zzzzzz)", UnknownTag, 15, "and, event_attendee"),
        ("tags = vip", WrongOperator, 6, "tags:vip"),
        ("tags != vip", WrongOperator, 6, "NOT tags:vip"),
        ("tags:v*", WrongType, 6, "named in full"),
        ("opt_in = opted_in", UnknownOption, 10, "did you mean OPTED_IN"),
        ("opt_in = true", UnknownOption, 10, "opt_in = OPTED_IN"),
        ("opt_in = OPT_IN_STATUS_UNSPECIFIED", UnknownOption, 10, "OPTED_OUT"),
        ("opt_in = OPTED*", UnknownOption, 10, "OPTED_OUT"),
        ("opt_in:*", WrongOperator, 7, "opt_in != NOT_ASKED"),
        ("opt_in > NOT_ASKED", WrongOperator, 8, "no order"),
        ("attributes.tier = gold", UnknownOption, 19, "\"Gold\""),
        ("attributes.tier = Bronze", UnknownOption, 19, "Gold, Silver"),
        ("attributes.tier > Gold", WrongOperator, 17, "no order"),
        ("attributes.tier = Go*", WrongType, 19, "no prefixes"),
        ("attributes.score = \"5\"", WrongType, 20, "without quotes"),
        ("attributes.score = inf", WrongType, 20, "finite"),
        ("attributes.score = 1e999", WrongType, 20, "finite"),
        ("attributes.score = 0x1", WrongType, 20, "decimal"),
        ("attributes.score:null", WrongType, 18, "NOT attributes.score:*"),
        ("attributes.vip_member = True", WrongType, 25, "true or false"),
        ("attributes.vip_member = \"true\"", WrongType, 25, "without quotes"),
        ("attributes.vip_member < true", WrongOperator, 23, "no order"),
        ("attributes.vip_member IN (true)", WrongOperator, 23, "= true"),
        ("create_time > yesterday", WrongType, 15, "2026-01-31T09:30:00Z"),
        ("create_time > 2026-02-30", WrongType, 15, "RFC 3339"),
        ("create_time > \"now-30d\"", WrongType, 15, "relative to now, without quotes"),
        ("create_time > now-1y", WrongType, 15, "now, now-30d or now+2h"),
        ("create_time > NOW-1d", WrongType, 15, "now, now-30d or now+2h"),
        ("create_time > now-36501d", WrongType, 15, "at most 36500 days"),
        ("create_time IN (now, now-30)", WrongType, 22, "one unit of s, m, h, d"),
        ("sendable = true", UnknownField, 1, "sendable.marketing = true"),
        ("sendable.sms = true", UnknownField, 1, "sendable.authentication = true"),
        ("sendable.marketing.time = true", UnknownField, 1, "sendable.marketing = true"),
        ("sendable.marketing = yes", WrongType, 22, "true or false"),
        ("sendable.marketing = \"true\"", WrongType, 22, "without quotes"),
        ("sendable.marketing > true", WrongOperator, 20, "sendable.marketing = false"),
        ("sendable.marketing:*", WrongOperator, 19, "sendable.marketing = true"),
        ("sendable.marketing IN (true)", WrongOperator, 20, "sendable.marketing = true"),
        ("consent = OPTED_IN", UnknownField, 1, "opt_in = OPTED_IN"),
        ("consent.marketing = OPTED_IN", UnknownField, 1, "consent.marketing.source"),
        ("consent.sms.time > now", UnknownField, 1, "consent.marketing.time"),
        ("consent.marketing.time = WEB_FORM", WrongType, 26, "now-30d"),
        ("consent.marketing.source = web_form", UnknownOption, 28, "did you mean WEB_FORM"),
        ("consent.marketing.source > PAPER", WrongOperator, 26, "no order"),
        ("consent.marketing.source = W*", UnknownOption, 28, "INBOUND_MESSAGE"),
        ("create_time > \"2026-01-31T10:00:00\"", WrongType, 15, "offset"),
        ("create_time > \"0000-01-01T00:00:00Z\"", WrongType, 15, "RFC 3339"),
        ("create_time > \"9999-12-31T23:59:59-01:00\"", WrongType, 15, "RFC 3339"),
        ("phone_number = \"call me\"", WrongType, 16, "phone number"),
        ("phone_number = 1555", WrongType, 16, "+1555*"),
        ("phone_number IN (15551234567, 1555)", WrongType, 31, "+1555*"),
        ("phone_number = \"+*\"", WrongType, 16, "phone number"),
        ("first_name = \"\"", WrongType, 14, "NOT first_name:*"),
        ("first_name = last_name", WrongType, 14, "another field"),
        ("first_name = \"*ria\"", WrongType, 14, "at the end"),
        ("first_name = \"*\"", WrongType, 14, "first_name:*"),
        ("first_name != \"Mar*\"", WrongOperator, 12, "NOT first_name"),
        ("first_name IN (\"Mar*\")", WrongType, 16, "no prefixes"),
    ] {
        let error = error(text);
        assert_eq!((error.kind, error.column), (kind, column), "{text}: {error}");
        assert!(error.message.contains(part), "{text}: {error}");
    }
}

#[test]
fn limits() {
    let nested = |levels| format!("{}tags:vip{}", "(".repeat(levels), ")".repeat(levels));
    let negated = |levels| format!("{}tags:vip", "NOT ".repeat(levels));
    let joined = |count| vec!["tags:vip"; count].join(" AND ");
    let list = |count: usize| {
        let values: Vec<_> = (0..count).map(|value| value.to_string()).collect();
        format!("attributes.score IN ({})", values.join(","))
    };
    let padded = |bytes: usize| format!("{:bytes$}", "tags:vip");
    for (fits, exceeds, column, limit) in [
        (nested(16), nested(17), 17, "16"),
        (negated(16), negated(17), 65, "16"),
        (joined(64), joined(65), 64 * 13 + 1, "64"),
        (list(1000), list(1001), list(1000).len() + 1, "1000"),
        (padded(8192), padded(8193), 8193, "8 KiB"),
    ] {
        canonical(&fits);
        let error = error(&exceeds);
        assert_eq!((error.kind, error.column), (TooComplex, column), "{error}");
        assert!(error.message.contains(limit), "{error}");
    }
    let two_lists = format!("{} OR {}", list(600), list(600));
    assert_eq!(error(&two_lists).kind, TooComplex);
    assert_eq!(error(&"é".repeat(5000)).column, 4097);
    for deep in ["(", "-", "NOT(", "((-"] {
        assert_eq!(error(&deep.repeat(2000)).kind, TooComplex);
    }
}

#[test]
fn errors_stay_short_with_many_definitions() {
    let mut definitions = definitions();
    definitions.tags = (0..5000).map(|n| format!("{}{n}", "t".repeat(58))).collect();
    let tier = definitions.attributes.get_mut("tier").unwrap();
    tier.enum_options = (0..8).map(|n| format!("{n}{}", "é".repeat(2000))).collect();
    for text in ["tags:zzzz", "zzzz:*", "attributes.tier = zzzz", "attributes.tier"] {
        let error = compile(text, &definitions, now()).unwrap_err();
        assert!(error.message.len() < 1200, "{error}");
    }
}

#[test]
fn evaluation() {
    let attributes = BTreeMap::from([
        ("state".to_owned(), AttributeValue::String(String::new())),
        ("score".to_owned(), AttributeValue::Number(2.5)),
        ("vip_member".to_owned(), AttributeValue::Boolean(false)),
    ]);
    let tags = ["vip".to_owned()];
    let permitted = CategoryConsent {
        state: ConsentState::Permitted,
        time: Some(time("2026-01-31T00:00:00Z")),
        source: Some(Source::Paper),
        expire: Some(time("2026-09-01T00:00:00Z")),
        counted_from: Some(time("2026-01-01T00:00:00Z")),
    };
    let objected = CategoryConsent {
        state: ConsentState::Objected,
        source: None,
        expire: None,
        counted_from: None,
        ..permitted
    };
    let categories = [permitted, CategoryConsent::default(), objected];
    let consent = ConsentSummary { categories, update_time: None };
    let policy = OptInPolicy { max_age_days: [Some(200), None, None], ..OptInPolicy::default() };
    let contact = ContactFacts {
        first_name: "Maria 100%*",
        last_name: "",
        email: "m_ria@example.com",
        phone_number: "15551234567",
        create_time: time("2026-01-31T00:00:00Z"),
        update_time: time("2026-01-31T09:30:00.000001Z"),
        tags: &tags,
        attributes: &attributes,
        consent: &consent,
        policy: &policy,
        now: now(),
    };
    for (text, expected) in [
        ("tags:vip AND tags:* AND tags IN (and, vip)", true),
        ("tags:and", false),
        ("tags IN (and, newsletter)", false),
        ("opt_in = OPTED_IN AND opt_in.utility = NOT_ASKED", true),
        ("opt_in.authentication != OPTED_IN", true),
        ("opt_in IN (NOT_ASKED, OPTED_OUT)", false),
        ("sendable.marketing = true AND sendable.marketing != false", true),
        ("sendable.utility = true OR sendable.authentication = true", false),
        ("sendable.utility = false AND NOT sendable.authentication = true", true),
        ("consent.marketing.time = 2026-01-31 AND consent.authentication.time < now", true),
        ("consent.utility.time:* OR consent.utility.time != now", false),
        ("consent.marketing.source = PAPER AND consent.marketing.source IN (IVR, PAPER)", true),
        ("consent.authentication.source:* OR consent.authentication.source != IVR", false),
        ("consent.marketing.expire_time = 2026-07-20", true),
        ("consent.marketing.expire_time < now+36d", true),
        ("consent.marketing.expire_time < now+34d", false),
        ("consent.authentication.expire_time:*", false),
        ("first_name = Mar*", true),
        ("first_name = mar*", false),
        ("first_name = \"Maria 100%\\*\"", true),
        ("first_name = \"Maria 100_*\"", false),
        ("first_name > Maria AND first_name < Zoe", true),
        ("first_name < \"a\"", true),
        ("first_name IN (Ann, \"Maria 100%\\*\")", true),
        ("email = \"m%\"", false),
        ("email = \"m_ria*\"", true),
        ("phone_number = \"+1 (555)*\"", true),
        ("last_name:*", false),
        ("last_name != x", false),
        ("last_name < x", false),
        ("NOT last_name = x AND NOT last_name = \"x*\"", true),
        ("attributes.state:* AND attributes.state = \"\" AND attributes.state != x", true),
        ("attributes.score > 2 AND attributes.score <= 2.5", true),
        ("attributes.score IN (1, 2.5)", true),
        ("attributes.score != 2.5", false),
        ("attributes.vip_member = false", true),
        ("attributes.vip_member != false", false),
        ("attributes.tier != Gold", false),
        ("NOT attributes.tier = Gold", true),
        ("NOT attributes.tier IN (Gold, \"None\\*\")", true),
        ("create_time = 2026-01-31 AND update_time > 2026-01-31", true),
        ("update_time <= \"2026-01-31T10:30:00.0000019+01:00\"", true),
        ("create_time:* AND NOT attributes.last_order:*", true),
        ("attributes.last_order < 9999-12-31", false),
        ("tags:and OR tags:vip", true),
        ("NOT (tags:and OR tags:vip)", false),
    ] {
        let expr = compile(text, &definitions(), now()).unwrap().unwrap();
        assert_eq!(matches(&expr, &contact), expected, "{text}");
    }
}
