use super::*;

fn profile() -> Profile {
    let number = |text: &str| Some(PhoneNumber::parse(text).expect("a number"));
    let user_id = |text: &str| WhatsAppUserId::parse(text).expect("an id");
    let text = |text: &str| AttributeValue::String(text.to_owned());
    Profile {
        phone_number: number("5521987654321"),
        whatsapp_user_ids: vec![user_id("BR.1"), user_id("BR.2")],
        external_id: Some(ExternalId::from_stored("7".to_owned())),
        first_name: "Ana".to_owned(),
        last_name: "Silva".to_owned(),
        email: "ana@example.com".to_owned(),
        tags: ["a", "b"].map(str::to_owned).into(),
        attributes: [("x", text("1")), ("y", text("2"))]
            .map(|(id, value)| (id.to_owned(), value))
            .into(),
        ..Profile::default()
    }
}

#[test]
fn a_row_that_has_nothing_new_changes_nothing() {
    let stored = profile();
    let mut rows = vec![Profile::default(), profile()];
    // Parts of it, and the number in its other form.
    let mut part = profile();
    part.phone_number = PhoneNumber::parse("552187654321").ok();
    part.whatsapp_user_ids.remove(0);
    part.tags.pop_first();
    part.attributes.pop_first();
    part.email.clear();
    rows.push(part);
    for row in rows {
        let mut merged = stored.clone();
        merged.merge(&row);
        assert!(stored.has_all_of(&row), "{row:?}");
        assert_eq!(merged, stored, "{row:?}");
    }
}

#[test]
fn a_row_with_anything_new_does_not_pass_for_one_without() {
    let stored = profile();
    let changes: [fn(&mut Profile); 9] = [
        |row| row.phone_number = PhoneNumber::parse("15551234567").ok(),
        |row| row.whatsapp_user_ids.extend(WhatsAppUserId::parse("BR.3").ok()),
        |row| row.external_id = Some(ExternalId::from_stored("8".to_owned())),
        |row| row.first_name.push('!'),
        |row| row.last_name.push('!'),
        |row| row.email.push('!'),
        |row| row.tags.extend(["c".to_owned()]),
        |row| row.attributes.extend([("z".to_owned(), AttributeValue::Boolean(true))]),
        |row| row.attributes.extend([("x".to_owned(), AttributeValue::String("3".to_owned()))]),
    ];
    for (place, change) in changes.iter().enumerate() {
        let mut row = profile();
        change(&mut row);
        assert!(!stored.has_all_of(&row), "{place}");
    }
    // What the contact lacks is new, too.
    assert!(!Profile::default().has_all_of(&stored));
}
