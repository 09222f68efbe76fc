//! Lists: pages and streams.

use contacts_proto::v1;
use contacts_sdk::{ContactsClient, ErrorKind, Filter};
use futures::TryStreamExt;
use tonic::Request;

use crate::fake::{Fake, unavailable};

/// Three pages of two items. Each page fails once before it succeeds.
async fn directory() -> ContactsClient {
    let tries = std::sync::atomic::AtomicUsize::new(0);
    let fake = Fake::default().on(move |request: Request<v1::ListContactsRequest>| {
        let attempt = tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let request = request.into_inner();
        async move {
            if attempt.is_multiple_of(2) {
                return Err(unavailable());
            }
            assert_eq!(request.filter, "tags:vip");
            assert_eq!(request.page_size, 2);
            let page: usize = request.page_token.parse().unwrap_or_default();
            let contacts = (page * 2..page * 2 + 2)
                .map(|n| v1::Contact { contact_id: n.to_string(), ..v1::Contact::default() });
            let next = if page < 2 { (page + 1).to_string() } else { String::new() };
            Ok(v1::ListContactsResponse { contacts: contacts.collect(), next_page_token: next })
        }
    });
    fake.client().await
}

#[tokio::test]
async fn a_list_reads_pages_only_when_needed() {
    let client = directory().await;
    let list = client.contacts().list().filter(Filter::tag("vip")).page_size(2);

    let first = list.clone().await.expect("a page");
    assert_eq!(first.items.len(), 2);
    assert_eq!(first.next_page_token.as_deref(), Some("1"));

    let pages: Vec<_> = list.clone().pages().try_collect().await.expect("pages");
    assert_eq!(pages.len(), 3);
    assert_eq!(pages[2].next_page_token, None);

    let mut rest = list.page_token("1").stream();
    let mut ids = Vec::new();
    while let Some(contact) = rest.next().await {
        ids.push(contact.expect("a contact").contact_id);
    }
    assert_eq!(ids, ["2", "3", "4", "5"]);
    assert!(rest.next().await.is_none());
}

#[tokio::test]
async fn a_page_whose_token_repeats_is_an_error() {
    let fake = Fake::default().on(|_: Request<v1::ListTagsRequest>| async {
        let tag = v1::Tag { tag_id: "vip".to_owned(), ..v1::Tag::default() };
        Ok(v1::ListTagsResponse { tags: vec![tag], next_page_token: "again".to_owned() })
    });
    let mut tags = fake.client().await.tags().list().stream();
    assert_eq!(tags.next().await.expect("an item").expect("a tag").tag_id, "vip");
    let error = tags.next().await.expect("an item").expect_err("a loop");
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    assert!(tags.next().await.is_none());
}
