//! Every field of the filter language.

use std::time::Duration;

use contacts_sdk::{AttributeValue, Filter, MessageCategory, NewContact, OptInSource, OptInStatus};
use contacts_tests::{TestApp, apply, on_each_store, phone, timestamp};

use super::names;

/// Creates three contacts: Ana has every field, Bo has other values, Cy has only a number.
async fn make_people(app: &TestApp) {
    app.make_tags(&["vip", "lead", "cold"]).await;
    app.make_attributes().await;
    let ana = NewContact::new()
        .phone("15551234567")
        .first_name("Ana")
        .last_name("Silva")
        .email("ana@example.com")
        .tags(["vip", "lead"])
        .attribute("city", "Lisboa")
        .attribute("orders", 3)
        .attribute("member", true)
        .attribute("last_order", timestamp(0))
        .attribute("tier", "Gold");
    let bo = NewContact::new()
        .phone("4915112345678")
        .first_name("Bo")
        .last_name("Souza")
        .email("bo@example.org")
        .tag("lead")
        .attribute("city", "")
        .attribute("orders", -0.5)
        .attribute("member", false)
        .attribute("last_order", timestamp(60))
        .attribute("tier", "Silver");
    let cy = NewContact::new().whatsapp_user_id("US.1").first_name("Cy");
    for person in [ana, bo, cy] {
        app.contacts().create(person).await.expect("a contact");
    }
}

#[apply(on_each_store!)]
async fn filter_by_tags(app: TestApp) {
    make_people(&app).await;
    for (filter, expected) in [
        ("tags:vip", "Ana"),
        ("tags:lead", "Ana Bo"),
        ("tags:cold", ""),
        ("tags:*", "Ana Bo"),
        ("NOT tags:*", "Cy"),
        ("tags IN (vip, cold)", "Ana"),
        ("NOT tags IN (vip, cold)", "Bo Cy"),
        ("tags:vip AND tags:lead", "Ana"),
        ("-tags:vip", "Bo Cy"),
    ] {
        assert_eq!(names(&app, filter).await, expected, "{filter}");
    }
}

#[apply(on_each_store!)]
async fn filter_by_profile_texts(app: TestApp) {
    make_people(&app).await;
    for (filter, expected) in [
        ("first_name = Ana", "Ana"),
        ("first_name = ana", ""),
        ("first_name != Ana", "Bo Cy"),
        ("last_name != Silva", "Bo"),
        ("NOT last_name = Silva", "Bo Cy"),
        ("last_name:*", "Ana Bo"),
        ("last_name = \"S*\"", "Ana Bo"),
        ("last_name = \"So*\"", "Bo"),
        ("last_name > Silva", "Bo"),
        ("last_name >= Silva", "Ana Bo"),
        ("first_name < \"B\"", "Ana"),
        ("first_name <= Bo", "Ana Bo"),
        ("email = \"ana@example.com\"", "Ana"),
        ("email:*", "Ana Bo"),
        ("NOT email:*", "Cy"),
        ("email IN (\"bo@example.org\", \"x@example.org\")", "Bo"),
        ("phone_number = \"+1 (555) 123-4567\"", "Ana"),
        ("phone_number = \"+49*\"", "Bo"),
        ("phone_number != \"15551234567\"", "Bo"),
        ("NOT phone_number:*", "Cy"),
    ] {
        assert_eq!(names(&app, filter).await, expected, "{filter}");
    }
}

#[apply(on_each_store!)]
async fn filter_by_attributes(app: TestApp) {
    make_people(&app).await;
    for (filter, expected) in [
        ("attributes.city = Lisboa", "Ana"),
        ("attributes.city = \"\"", "Bo"),
        ("attributes.city != Lisboa", "Bo"),
        ("attributes.city:*", "Ana Bo"),
        ("NOT attributes.city:*", "Cy"),
        ("attributes.city = \"Lis*\"", "Ana"),
        ("attributes.orders > 0", "Ana"),
        ("attributes.orders = 3.0", "Ana"),
        ("attributes.orders >= -0.5", "Ana Bo"),
        ("attributes.orders < 3", "Bo"),
        ("attributes.orders IN (3, -0.5, 7)", "Ana Bo"),
        ("attributes.orders != 3", "Bo"),
        ("attributes.member = true", "Ana"),
        ("attributes.member != true", "Bo"),
        ("NOT attributes.member = true", "Bo Cy"),
        ("attributes.member:false", "Bo"),
        ("attributes.last_order >= 2026-01-01", "Ana Bo"),
        ("attributes.last_order > \"2026-01-01T00:00:00Z\"", "Bo"),
        ("attributes.last_order = \"2026-01-01T02:01:00+02:00\"", "Bo"),
        ("attributes.tier = Gold", "Ana"),
        ("attributes.tier != Gold", "Bo"),
        ("attributes.tier IN (Gold, Silver)", "Ana Bo"),
        ("attributes.tier:*", "Ana Bo"),
    ] {
        assert_eq!(names(&app, filter).await, expected, "{filter}");
    }
}

#[apply(on_each_store!)]
async fn filter_by_opt_in(app: TestApp) {
    make_people(&app).await;
    let marketing = [MessageCategory::Marketing];
    let ana = app.opt_in().record_opt_in("15551234567", OptInSource::WebForm).categories(marketing);
    ana.await.expect("an opt-in");
    let bo = app.opt_in().record_opt_out("4915112345678").categories([MessageCategory::Utility]);
    bo.await.expect("an opt-out");
    for (filter, expected) in [
        ("opt_in = OPTED_IN", "Ana"),
        ("opt_in.marketing = OPTED_IN", "Ana"),
        ("opt_in != OPTED_IN", "Bo Cy"),
        ("opt_in = NOT_ASKED", "Bo Cy"),
        ("opt_in.utility = OPTED_OUT", "Bo"),
        ("opt_in.utility != OPTED_OUT", "Ana Cy"),
        ("opt_in.authentication = NOT_ASKED", "Ana Bo Cy"),
        ("opt_in:OPTED_IN", "Ana"),
        ("opt_in.utility IN (OPTED_OUT, OPTED_IN)", "Bo"),
        ("opt_in = OPTED_IN OR opt_in.utility = OPTED_OUT", "Ana Bo"),
    ] {
        assert_eq!(names(&app, filter).await, expected, "{filter}");
    }
}

#[apply(on_each_store!)]
async fn expired_opt_in_filters_as_not_asked(app: TestApp) {
    make_people(&app).await;
    let said = std::time::SystemTime::now() - Duration::from_secs(3600);
    let record =
        app.opt_in().record_opt_in("15551234567", OptInSource::WebForm).occurred_time(said);
    let record = record.expire_time(said + Duration::from_secs(60)).await.expect("an opt-in");
    assert_eq!(record.opt_in.marketing, OptInStatus::NotAsked);
    assert_eq!(names(&app, "opt_in = OPTED_IN").await, "");
    assert_eq!(names(&app, "opt_in = NOT_ASKED").await, "Ana Bo Cy");
    assert_eq!(names(&app, "NOT opt_in IN (NOT_ASKED, OPTED_OUT)").await, "");
}

#[apply(on_each_store!)]
async fn filter_by_times(app: TestApp) {
    make_people(&app).await;
    let bo = app.contacts().get("4915112345678").await.expect("a contact");
    let made = bo.create_time.expect("a time");
    let ana = app.contacts().update("15551234567").last_name("Alves").await.expect("a contact");
    let updated = ana.update_time.expect("a time");
    for (filter, expected) in [
        (Filter::create_time().eq(made), "Bo"),
        (Filter::create_time().lt(made), "Ana"),
        (Filter::create_time().ge(made), "Bo Cy"),
        (Filter::update_time().ge(updated), "Ana"),
        (Filter::update_time().ne(updated), "Bo Cy"),
    ] {
        assert_eq!(names(&app, &filter.to_string()).await, expected, "{filter}");
    }
    assert_eq!(
        names(&app, "create_time > 2020-01-01 AND create_time < 9999-12-31").await,
        "Ana Bo Cy"
    );
}

#[apply(on_each_store!)]
async fn filters_built_with_the_sdk_select_the_same(app: TestApp) {
    make_people(&app).await;
    // Values with special characters are text.
    for odd in ["a\" OR first_name:*", "50% \\ _ *", "'; DROP TABLE contact; --", "名前*", "(x)"]
    {
        app.contacts().update("15551234567").attribute("city", odd).await.expect("a contact");
        let filter = Filter::attribute("city").eq(odd);
        assert_eq!(names(&app, &filter.to_string()).await, "Ana", "{filter}");
        let prefix: String = odd.chars().take(3).collect();
        let filter = Filter::attribute("city").starts_with(prefix);
        assert_eq!(names(&app, &filter.to_string()).await, "Ana", "{filter}");
    }
    let filter = Filter::tag_in(["vip", "cold"])
        .or(Filter::attribute("orders").lt(AttributeValue::from(0.0)))
        .and(!Filter::opt_in().eq(OptInStatus::OptedOut));
    assert_eq!(names(&app, &filter.to_string()).await, "Ana Bo");
    let people = phone(1);
    assert_eq!(names(&app, &Filter::phone_number().eq(people).to_string()).await, "");
}
