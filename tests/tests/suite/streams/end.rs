//! The end of a stream, its limit, and the content of its messages.

use contacts_proto::v1::{StreamContactsRequest, StreamEndReason};
use contacts_sdk::{ContactView, NewContact, OptInStatus, reason};
use contacts_tests::{Refused, TestApp, apply, ids, on_each_store, phone, phones};
use futures::TryStreamExt;

use super::{make_people, phones_of, read};

fn request(max_batch_size: i32, limit: i64) -> StreamContactsRequest {
    StreamContactsRequest { max_batch_size, limit, ..Default::default() }
}

#[apply(on_each_store!)]
async fn stream_delivers_every_contact_once_oldest_first_and_an_end(app: TestApp) {
    make_people(&app, 1700).await;
    for (size, largest) in [(0, 500), (1, 1), (1000, 1000), (i32::MAX, 1000)] {
        let (messages, end) = read(&app, request(size, 0)).await;
        assert_eq!(phones_of(&messages), phones(0..1700));
        assert_eq!((end.delivered_count, end.reason()), (1700, StreamEndReason::Complete));
        assert_eq!(messages.iter().map(|m| m.phones.len()).max(), Some(largest), "{size}");
    }
}

#[apply(on_each_store!)]
async fn empty_stream_has_an_end(app: TestApp) {
    let (messages, end) = read(&app, request(0, 0)).await;
    assert!(messages.is_empty());
    assert_eq!((end.delivered_count, end.reason()), (0, StreamEndReason::Complete));
    let mut stream = app.contacts().segment().stream();
    assert!(stream.next().await.is_none());
}

#[apply(on_each_store!)]
async fn stream_ends_at_its_limit(app: TestApp) {
    make_people(&app, 30).await;
    for (size, limit) in [(7, 20), (1, 1), (0, 29), (10, 30)] {
        let (messages, end) = read(&app, request(size, limit)).await;
        assert_eq!(phones_of(&messages), phones(0..limit as usize));
        assert_eq!((end.delivered_count, end.reason()), (limit, StreamEndReason::Limit));
    }
    let (_, end) = read(&app, request(7, 31)).await;
    assert_eq!((end.delivered_count, end.reason()), (30, StreamEndReason::Complete));
}

#[apply(on_each_store!)]
async fn resumed_stream_keeps_its_limit(app: TestApp) {
    make_people(&app, 30).await;
    let (messages, _) = read(&app, request(4, 10)).await;
    for (index, message) in messages.iter().enumerate() {
        let resumed =
            StreamContactsRequest { resume_token: message.token.clone(), ..request(4, 10) };
        let (rest, end) = read(&app, resumed).await;
        let delivered = [&messages[..=index], &rest].map(phones_of).concat();
        assert_eq!(delivered, phones(0..10));
        assert_eq!((end.delivered_count, end.reason()), (10, StreamEndReason::Limit));
    }
}

#[apply(on_each_store!)]
async fn out_of_range_stream_options_are_rejected(app: TestApp) {
    for (request, field) in [(request(-1, 0), "max_batch_size"), (request(0, -1), "limit")] {
        let stream = app.client().raw_contacts().stream_contacts(request).await;
        stream.refused_at(reason::INVALID_ARGUMENT, field);
    }
    let view = StreamContactsRequest { view: 99, ..request(0, 0) };
    let stream = app.client().raw_contacts().stream_contacts(view).await;
    stream.refused_at(reason::INVALID_ARGUMENT, "view");
}

#[apply(on_each_store!)]
async fn streamed_contact_equals_that_of_get(app: TestApp) {
    app.make_tags(&["vip"]).await;
    app.make_attributes().await;
    let ana = NewContact::new()
        .phone(phone(1))
        .whatsapp_user_id("US.1")
        .first_name("Ana")
        .email("ana@example.com")
        .tag("vip")
        .attribute("city", "Lisboa");
    app.contacts().create(ana).await.expect("a contact");
    app.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");

    for view in [ContactView::Full, ContactView::Basic] {
        let mut got = app.contacts().get(phone(1)).view(view).await.expect("a contact");
        // Streams leave them out: they would cost a read of the consent of each.
        got.identities.clear();
        let streamed: Vec<_> =
            app.contacts().segment().view(view).stream().try_collect().await.expect("all");
        assert_eq!(streamed, [got]);
        assert_eq!(streamed[0].opt_in.marketing, OptInStatus::OptedOut);
        assert_eq!(streamed[0].email.is_some(), view == ContactView::Full);
        assert_eq!(streamed[0].attributes.len(), usize::from(view == ContactView::Full));
    }
}

#[apply(on_each_store!)]
async fn segment_combines_filter_and_search(app: TestApp) {
    app.make_tags(&["vip"]).await;
    let people = (0..40).map(|n| {
        let person =
            NewContact::new().phone(phone(n)).first_name(if n < 20 { "Ana" } else { "Bo" });
        if n % 2 == 0 { person.tag("vip") } else { person }
    });
    app.make_many(people).await;
    let segment = app.contacts().segment().filter("tags:vip").query("bo").batch_size(3);
    let streamed: Vec<_> = segment.stream().try_collect().await.expect("all");
    let listed = app.contacts().list().filter("tags:vip").query("bo").await.expect("a page").items;
    assert_eq!((ids(&streamed), streamed.len()), (ids(&listed), 10));
}
