//! What the builders write into their requests, and read from the responses.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use contacts_proto::v1;
use contacts_sdk::{
    AttributeType, DeleteReason, Evidence, Filter, ImportConsent, ImportOptions, ImportRow,
    MessageCategory, NewContact, OnConflict, OptInSource, OptInStatus, Recipient,
};
use tonic::{Request, Status};

use crate::fake::Fake;

/// A server with one fixed response, and the last request that it received.
fn keeping<Q, A>(answer: A) -> (Fake, Arc<Mutex<Option<Q>>>)
where
    Q: Send + 'static,
    A: Clone + Send + Sync + 'static,
{
    let kept = Arc::new(Mutex::new(None));
    let last = kept.clone();
    let fake = Fake::default().on(move |request: Request<Q>| {
        *last.lock().expect("a request") = Some(request.into_inner());
        let answer = answer.clone();
        async { Ok::<_, Status>(answer) }
    });
    (fake, kept)
}

fn taken<Q>(kept: &Mutex<Option<Q>>) -> Q {
    kept.lock().expect("a request").take().expect("a request")
}

#[tokio::test]
async fn an_opt_in_sends_its_evidence() {
    let event = v1::OptInEvent {
        event_id: "e-1".to_owned(),
        status: v1::OptInStatus::OptedIn.into(),
        source: 99,
        changed_categories: vec![v1::MessageCategory::Utility.into()],
        ..v1::OptInEvent::default()
    };
    let opt_in = v1::OptInSummary { marketing: 1, utility: 2, ..v1::OptInSummary::default() };
    let answer = v1::RecordOptInResponse { event: Some(event), opt_in: Some(opt_in) };
    let (fake, kept) = keeping::<v1::RecordOptInRequest, _>(answer);
    let client = fake.client().await;
    let agreed = SystemTime::UNIX_EPOCH + Duration::from_secs(1_769_851_800);
    let record = client
        .opt_in()
        .record_opt_in(Recipient::contact_id("c-1"), OptInSource::WebForm)
        .categories([MessageCategory::Utility])
        .evidence(Evidence::new().wording("Yes").business_name("ACME"))
        .occurred_time(agreed)
        .await
        .expect("recorded");
    assert_eq!(record.event.status, OptInStatus::OptedIn);
    assert_eq!(record.event.contact_id, None);
    assert_eq!(record.event.source, OptInSource::Unknown(99));
    assert_eq!(record.event.changed_categories, [MessageCategory::Utility]);
    assert_eq!(record.opt_in.marketing, OptInStatus::NotAsked);
    assert_eq!(record.opt_in.authentication, OptInStatus::Unknown(0));

    let request = taken(&kept);
    let by_id = v1::record_opt_in_request::Recipient::ContactId("c-1".to_owned());
    assert_eq!(request.recipient, Some(by_id));
    assert_eq!(request.source(), v1::OptInSource::WebForm);
    assert_eq!(request.evidence.expect("evidence").wording, "Yes");
    assert_eq!(request.occurred_time.expect("a time").seconds, 1_769_851_800);
    assert_eq!(request.expire_time, None);
}

#[tokio::test]
async fn a_deletion_returns_its_receipt() {
    let receipt = v1::DeletionReceipt { reason: 1, ..v1::DeletionReceipt::default() };
    let answer = v1::DeleteContactResponse { receipt: Some(receipt) };
    let (fake, kept) = keeping::<v1::DeleteContactRequest, _>(answer);
    let client = fake.client().await;
    let delete = client.contacts().delete("15551234567").reason(DeleteReason::PersonRequest);
    let receipt = delete.etag("e1").await.expect("erased");
    assert_eq!(receipt.reason, DeleteReason::PersonRequest);
    let request = taken(&kept);
    assert_eq!((request.reason, request.etag.as_str()), (1, "e1"));
}

#[tokio::test]
async fn a_response_without_its_resource_is_an_error() {
    let (fake, _kept) =
        keeping::<v1::DeleteContactRequest, _>(v1::DeleteContactResponse::default());
    let error = fake.client().await.contacts().delete("1").await.expect_err("no receipt");
    assert_eq!(error.kind(), contacts_sdk::ErrorKind::InvalidResponse);
}

#[tokio::test]
async fn tags_change_by_recipients_or_by_filter() {
    let answer =
        v1::UpdateContactTagsResponse { matched_count: 2, updated_count: 1, ..Default::default() };
    let (fake, kept) = keeping::<v1::UpdateContactTagsRequest, _>(answer);
    let contacts = fake.client().await.contacts();
    let update = contacts.update_tags().recipients(["1555", "1556"]).add("vip").remove("new");
    let done = update.await.expect("changed");
    assert_eq!((done.matched_count, done.updated_count), (2, 1));
    let request = taken(&kept);
    assert_eq!((request.recipients.len(), request.filter), (2, None));

    let update = contacts.update_tags().filter(Filter::any_tag(), 2).add("vip");
    update.validate_only(true).await.expect("checked");
    let request = taken(&kept);
    assert_eq!((request.filter.as_deref(), request.expected_count), (Some("tags:*"), Some(2)));
    assert!(request.validate_only);
}

#[tokio::test]
async fn an_upsert_sends_options_and_consent() {
    let answer = v1::BatchUpsertContactsResponse { created: 1, ..Default::default() };
    let (fake, kept) = keeping::<v1::BatchUpsertContactsRequest, _>(answer);
    let consent = ImportConsent::opted_out().categories([MessageCategory::Marketing]);
    let row = ImportRow::new(NewContact::new().phone("1555").attribute("sub", false));
    let upsert = fake.client().await.contacts().batch_upsert([row.consent(consent)]);
    let options = ImportOptions::new().on_conflict(OnConflict::Fail).create_missing_tags(true);
    let result = upsert.options(options.add_tag("fair")).await.expect("stored");
    assert_eq!((result.row_count, result.created), (1, 1));
    let request = taken(&kept);
    assert_eq!(request.on_conflict(), v1::OnConflict::Fail);
    assert!(request.create_missing_tags && request.consent.is_none());
    assert_eq!(request.add_tags, ["fair"]);
    let consent = request.rows[0].consent.as_ref().expect("consent");
    assert_eq!(consent.status(), v1::OptInStatus::OptedOut);
    assert_eq!(consent.source(), v1::OptInSource::Unspecified);
}

#[tokio::test]
async fn definitions_change_only_the_fields_that_are_set() {
    let attribute = v1::Attribute { r#type: 5, contact_count: 3, ..v1::Attribute::default() };
    let answer = v1::CreateAttributeResponse { attribute: Some(attribute) };
    let (fake, kept) = keeping::<v1::CreateAttributeRequest, _>(answer);
    let attributes = fake.client().await.attributes();
    let create = attributes.create("Loyalty tier", AttributeType::Enum).attribute_id("tier");
    let made = create.enum_options(["Silver", "Gold"]).await.expect("made");
    assert_eq!((made.attribute_type, made.contact_count), (AttributeType::Enum, 3));
    let request = taken(&kept).attribute.expect("an attribute");
    assert_eq!((request.attribute_id.as_str(), request.enum_options.len()), ("tier", 2));

    let answer = v1::UpdateTagResponse { tag: Some(v1::Tag::default()) };
    let (fake, kept) = keeping::<v1::UpdateTagRequest, _>(answer);
    let tags = fake.client().await.tags();
    tags.update("vip").color("").await.expect("changed");
    let request = taken(&kept);
    assert_eq!(request.tag.expect("a tag").tag_id, "vip");
    assert_eq!(request.update_mask.expect("a mask").paths, ["color"]);

    let answer = v1::DeleteWorkspaceResponse { deleted_contact_count: 12 };
    let (fake, kept) = keeping::<v1::DeleteWorkspaceRequest, _>(answer);
    let workspaces = fake.client().await.workspaces();
    assert_eq!(workspaces.delete("acme").confirm("acme").await.expect("erased"), 12);
    assert_eq!(taken(&kept).confirm_workspace_id, "acme");
}
