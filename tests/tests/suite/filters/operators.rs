//! Logical operators, the order of values, and the limits of a filter.

use contacts_sdk::NewContact;
use contacts_tests::{TestApp, apply, on_each_store, phone};

use super::names;

/// Creates five contacts. `orders` is the contact's number, and every other one has the tag `vip`.
async fn make_people(app: &TestApp) {
    app.make_tags(&["vip"]).await;
    app.make_attributes().await;
    for (n, name) in ["A", "B", "C", "D", "E"].into_iter().enumerate() {
        let person = NewContact::new().phone(phone(n)).first_name(name);
        let person = person.attribute("orders", n as f64);
        let person = if n % 2 == 0 { person.tag("vip") } else { person };
        app.contacts().create(person).await.expect("a contact");
    }
}

#[apply(on_each_store!)]
async fn comparisons_combine_with_and_or_not(app: TestApp) {
    make_people(&app).await;
    for (filter, expected) in [
        ("", "A B C D E"),
        ("   ", "A B C D E"),
        ("tags:vip AND attributes.orders > 1", "C E"),
        ("tags:vip AND attributes.orders > 1 AND attributes.orders < 4", "C"),
        ("attributes.orders = 0 OR attributes.orders = 3", "A D"),
        ("NOT (attributes.orders = 0 OR attributes.orders = 3)", "B C E"),
        ("NOT tags:vip AND attributes.orders > 1", "D"),
        ("tags:vip AND (attributes.orders < 1 OR attributes.orders > 3)", "A E"),
        ("(tags:vip AND attributes.orders > 3) OR attributes.orders = 1", "B E"),
        ("NOT NOT tags:vip", "A C E"),
        ("-(-tags:vip)", "A C E"),
        ("((tags:vip))", "A C E"),
        ("first_name IN (A, \"B\", 'C')", "A B C"),
        ("tags:vip AND NOT tags:vip", ""),
    ] {
        assert_eq!(names(&app, filter).await, expected, "{filter}");
    }
}

#[apply(on_each_store!)]
async fn filters_at_the_limits_are_accepted(app: TestApp) {
    make_people(&app).await;
    let deep = |depth: usize| format!("{}tags:vip{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(names(&app, &deep(16)).await, "A C E");

    let many: Vec<_> = (0..64).map(|n| format!("attributes.orders != {}", n + 1)).collect();
    assert_eq!(names(&app, &many.join(" AND ")).await, "A");
    let many: Vec<_> = (0..64).map(|n| format!("attributes.orders = {}", n + 3)).collect();
    assert_eq!(names(&app, &many.join(" OR ")).await, "D E");

    let values: Vec<_> = (3..1003).map(|n| n.to_string()).collect();
    let listed = format!("attributes.orders IN ({})", values.join(", "));
    assert_eq!(names(&app, &listed).await, "D E");

    let padding = " ".repeat(8 * 1024 - "tags:vip".len());
    assert_eq!(names(&app, &format!("tags:vip{padding}")).await, "A C E");
}

#[apply(on_each_store!)]
async fn numbers_are_compared_numerically(app: TestApp) {
    app.make_attributes().await;
    let numbers = [1e-300, 0.1, 9.0, 10.0, 9_007_199_254_740_993.0, 1e300];
    for (n, number) in numbers.into_iter().enumerate() {
        let person = NewContact::new().phone(phone(n)).first_name(format!("{n}"));
        let person = person.attribute("orders", number);
        app.contacts().create(person).await.expect("a contact");
    }
    for (filter, expected) in [
        ("attributes.orders > 9", "3 4 5"),
        ("attributes.orders < 10", "0 1 2"),
        ("attributes.orders = 0.1", "1"),
        ("attributes.orders > 0", "0 1 2 3 4 5"),
        ("attributes.orders = 9007199254740992", "4"),
        ("attributes.orders >= 1e300", "5"),
        ("attributes.orders = 1e-300", "0"),
        ("attributes.orders > -0.0", "0 1 2 3 4 5"),
    ] {
        assert_eq!(names(&app, filter).await, expected, "{filter}");
    }
}

#[apply(on_each_store!)]
async fn text_is_compared_by_code_point(app: TestApp) {
    let texts = ["A", "Z", "a", "é", "ﬀ", "中", "😀"];
    for (n, text) in texts.into_iter().enumerate() {
        let person = NewContact::new().phone(phone(n)).first_name(text);
        app.contacts().create(person).await.expect("a contact");
    }
    for (filter, expected) in [
        ("first_name > Z", "a é ﬀ 中 😀"),
        ("first_name > \"ﬀ\"", "😀"),
        ("first_name < \"ﬀ\"", "A Z a é 中"),
        ("first_name = \"e\"", ""),
        ("first_name = \"E*\"", ""),
        ("first_name >= \"中\" AND first_name != \"中\"", "ﬀ 😀"),
    ] {
        assert_eq!(names(&app, filter).await, expected, "{filter}");
    }
}
