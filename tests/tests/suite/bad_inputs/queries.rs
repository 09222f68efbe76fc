//! Rows 32 to 35: filters, searches, orders and sizes.

use contacts_proto::v1;
use contacts_sdk::{Filter, NewContact, reason};
use contacts_tests::{Refused, TestApp, apply, on_each_store, phone};

/// Text that is syntax in SQL, FTS5, LIKE, shells and so on.
const INJECTIONS: [&str; 14] = [
    "' OR 1=1--",
    "\" OR 1=1--",
    "'; DROP TABLE contact; --",
    "%",
    "_",
    "%_\\",
    "\\",
    "NEAR( * \"",
    "first_name:* OR a",
    "a & b | !c <-> d:*",
    "$1",
    "?1",
    "{\"$ne\": null}",
    "ana*",
];

#[apply(on_each_store!)]
async fn row_32_sql_and_other_syntax_is_text_in_a_filter(app: TestApp) {
    app.make_attributes().await;
    for (n, text) in INJECTIONS.into_iter().enumerate() {
        let odd = NewContact::new().phone(phone(n)).first_name(text).attribute("city", text);
        app.contacts().create(odd).await.expect("a contact");
    }
    for (n, text) in INJECTIONS.into_iter().enumerate() {
        for filter in [Filter::first_name().eq(text), Filter::attribute("city").eq(text)] {
            let found = app.contacts().list().filter(&filter).await.expect("a page").items;
            assert_eq!(found.len(), 1, "{filter}");
            assert_eq!(found[0].phone_number.as_deref(), Some(&*phone(n)), "{filter}");
            let others = app.contacts().count().filter(!filter).await.expect("a count");
            assert_eq!(others as usize, INJECTIONS.len() - 1);
        }
        let prefixed = INJECTIONS.iter().filter(|other| other.starts_with(text)).count();
        let starts = app.contacts().count().filter(Filter::first_name().starts_with(text)).await;
        assert_eq!(starts.expect("a count") as usize, prefixed, "{text}");
    }
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_32_sql_and_other_syntax_is_text_in_a_search(app: TestApp) {
    for (n, name) in ["Ana", "Or Tal", "Near East", "Percent"].into_iter().enumerate() {
        let person = NewContact::new().phone(phone(n)).first_name(name);
        app.contacts().create(person).await.expect("a contact");
    }
    for (query, found) in [
        ("' OR 1=1--", 0),
        ("%", 0),
        ("_", 0),
        ("%_\\", 0),
        ("*", 0),
        ("an*", 1),
        ("\"ana\"", 1),
        ("NEAR( * \"", 1),
        ("or", 1),
        ("ana OR near", 0),
        ("ana NOT x", 0),
        ("a & n", 0),
        ("ana:*", 1),
        ("!ana", 1),
        ("-ana", 1),
        ("first_name:ana", 0),
        ("^ana", 1),
        ("(ana", 1),
    ] {
        let count = app.contacts().count().query(query).await.expect("a count");
        assert_eq!(count, found, "{query}");
    }
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_33_invalid_filter_reports_the_column(app: TestApp) {
    app.make_tags(&["vip"]).await;
    app.make_attributes().await;
    for (filter, column) in [
        ("tags:vip AND email:* OR first_name:*", "22"),
        ("tags:vip OR email:* AND first_name:*", "21"),
        ("first_name = \"Ana", "14"),
        ("first_name = 'Ana", "14"),
        ("(tags:vip", "1"),
        ("tags:vip)", "9"),
        ("nickname = x", "1"),
        ("attributes.nickname = x", "1"),
        ("attributes.orders > many", "21"),
        ("attributes.member = 1", "21"),
        ("create_time > never", "15"),
        ("opt_in = MAYBE", "10"),
        ("tags = vip", "6"),
        ("tags:vip email:*", "10"),
        ("tags:vip and email:*", "10"),
        ("AND", "1"),
        ("NOT", "4"),
        ("first_name", "1"),
        ("first_name =", "13"),
        ("first_name IN ()", "16"),
        ("= x", "1"),
        ("名前 = x", "1"),
        ("first_name ~ x", "12"),
        ("()", "2"),
    ] {
        let error = app.contacts().count().filter(filter).await;
        let error = error.refused_at(reason::INVALID_FILTER, "filter");
        assert_eq!(error.metadata("column"), Some(column), "{filter}: {error}");
        assert!(error.message().contains(&format!("column {column}")), "{filter}: {error}");
    }
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_34_errors_state_the_limit(app: TestApp) {
    app.make_tags(&["vip"]).await;
    let deep = format!("{}tags:vip{}", "(".repeat(17), ")".repeat(17));
    let negated = format!("{}tags:vip", "NOT ".repeat(17));
    let many = vec!["tags:vip"; 65].join(" AND ");
    let values: Vec<_> = (0..1001).map(|n| n.to_string()).collect();
    let listed = format!("first_name IN ({})", values.join(","));
    let long = format!("tags:vip{}", " ".repeat(9 * 1024));
    let abyss = "(".repeat(8000);
    for (filter, limit) in [
        (deep, "16"),
        (negated, "16"),
        (many, "64"),
        (listed, "1000"),
        (long, "8192"),
        (abyss, "16"),
    ] {
        let error = app.contacts().count().filter(&filter).await;
        let error = error.refused_at(reason::INVALID_FILTER, "filter");
        assert!(error.message().contains(limit), "{error}");
    }
    app.assert_alive().await;
}

#[apply(on_each_store!)]
async fn row_35_orders_and_page_sizes_are_validated(app: TestApp) {
    for order in [
        "email",
        "create_time; DROP TABLE contact",
        "1",
        "(SELECT 1)",
        "first_name COLLATE NOCASE",
        "first_name,last_name",
        "create_time desc desc",
        "CREATE_TIME",
        "-create_time",
        "update_time",
        "\"first_name\"",
    ] {
        let list = app.contacts().list().order_by(order).await;
        list.refused_at(reason::INVALID_ORDER_BY, "order_by");
    }
    for page_size in [-1, i32::MIN] {
        let request = v1::ListContactsRequest { page_size, ..Default::default() };
        let list = app.client().raw_contacts().list_contacts(request).await;
        list.refused_at(reason::INVALID_ARGUMENT, "page_size");
        let request = v1::ListTagsRequest { page_size, ..Default::default() };
        let list = app.client().raw_tags().list_tags(request).await;
        list.refused_at(reason::INVALID_ARGUMENT, "page_size");
        let request = v1::ListAttributesRequest { page_size, ..Default::default() };
        let list = app.client().raw_attributes().list_attributes(request).await;
        list.refused_at(reason::INVALID_ARGUMENT, "page_size");
        let request = v1::ListWorkspacesRequest { page_size, ..Default::default() };
        let list = app.client().raw_workspaces().list_workspaces(request).await;
        list.refused_at(reason::INVALID_ARGUMENT, "page_size");
        let recipient = Some(v1::list_opt_in_events_request::Recipient::PhoneNumber(phone(1)));
        let request = v1::ListOptInEventsRequest { page_size, recipient, ..Default::default() };
        let list = app.client().raw_opt_in().list_opt_in_events(request).await;
        list.refused_at(reason::INVALID_ARGUMENT, "page_size");
    }
    let request = v1::ListContactsRequest { view: 7, ..Default::default() };
    let list = app.client().raw_contacts().list_contacts(request).await;
    list.refused_at(reason::INVALID_ARGUMENT, "view");
    app.assert_alive().await;
}
