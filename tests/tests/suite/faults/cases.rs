//! A call of every method that changes something, and what it needs.

use bytes::Bytes;
use contacts_proto::v1::import_contacts_request::Message as Import;
use contacts_proto::v1::{self, recipient::Recipient};
use contacts_sdk::{
    AttributeType, Contact, ContactsClient, Evidence, NewContact, OptInSource, TokenScope, reason,
};
use contacts_tests::{TestApp, message, phone};
use futures::FutureExt;
use futures::future::BoxFuture;
use prost::Message;
use serde_json::json;
use uuid::Uuid;

type Prepare = Box<dyn Fn(Call) -> BoxFuture<'static, Bytes> + Send + Sync>;

/// A method, and how it is called.
pub(super) struct Case {
    /// Such as `ContactService/CreateContact`.
    pub(super) method: &'static str,
    /// What the same request does after it was applied.
    pub(super) repetition: Repetition,
    /// Whether it commits more than once, so that a part of it may be done when it fails.
    pub(super) has_steps: bool,
    prepare: Prepare,
}

/// What a request does when it is sent again after it was applied, but not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repetition {
    /// Nothing. It succeeds.
    Nothing,
    /// It is refused with this reason.
    Refused(&'static str),
    /// The same once more, as its documentation says.
    Anew,
}

/// What one call is about.
struct Call {
    client: ContactsClient,
    workspace_id: String,
    number: usize,
}

impl Case {
    fn new<F>(method: &'static str, prepare: impl Fn(Call) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Bytes> + Send + 'static,
    {
        Self {
            method,
            repetition: Repetition::Nothing,
            has_steps: false,
            prepare: Box::new(move |call| prepare(call).boxed()),
        }
    }

    fn repeated(self, repetition: Repetition) -> Self {
        Self { repetition, ..self }
    }

    fn with_steps(self) -> Self {
        Self { has_steps: true, ..self }
    }

    /// Makes what calls of all cases need.
    pub(super) async fn prepare_workspace(&self, app: &TestApp, workspace_id: &str) {
        let client = app.client().with_workspace(workspace_id);
        for tag in ["vip", "old"] {
            client.tags().create(tag).tag_id(tag).await.expect("a tag");
        }
        client.attributes().create("city", AttributeType::String).await.expect("an attribute");
    }

    /// Makes what one call needs, and its request.
    pub(super) async fn prepare(&self, app: &TestApp, workspace_id: &str, number: usize) -> Bytes {
        let client = app.client().with_workspace(workspace_id);
        (self.prepare)(Call { client, workspace_id: workspace_id.to_owned(), number }).await
    }
}

impl Call {
    /// The `i`th phone number of this call, of ten.
    fn phone(&self, i: usize) -> String {
        phone(self.number * 10 + i)
    }

    fn user_id(&self, i: usize) -> String {
        format!("US.{}", 1_000_000 + self.number * 10 + i)
    }

    /// A contact with everything, who opted in.
    async fn contact(&self, i: usize) -> Contact {
        let contact = NewContact::new()
            .phone(self.phone(i))
            .whatsapp_user_id(self.user_id(i))
            .external_id(format!("crm-{}-{i}", self.number))
            .first_name("Ana")
            .last_name("Lima")
            .tag("old")
            .attribute("city", "Lisboa");
        let made = self.client.contacts().create(contact).await.expect("a contact");
        let evidence = Evidence::new().wording("Yes, write to me");
        let record = self.client.opt_in().record_opt_in(&made, OptInSource::WebForm);
        record.evidence(evidence).await.expect("an opt-in");
        made
    }
}

fn new_id() -> String {
    Uuid::new_v4().to_string()
}

fn framed(request: &impl Message) -> Bytes {
    message(&request.encode_to_vec())
}

fn mask(paths: &[&str]) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

fn recipient(recipient: Recipient) -> v1::Recipient {
    v1::Recipient { recipient: Some(recipient) }
}

pub(super) fn contacts() -> Vec<Case> {
    vec![
        Case::new("ContactService/CreateContact", async |call: Call| {
            // Somebody who objected before, whose row becomes the contact's.
            let opt_in = call.client.opt_in();
            opt_in.record_opt_out(call.phone(0)).reason_text("No").await.expect("an opt-out");
            let value = v1::attribute_value::Value::String("Lisboa".to_owned());
            let city = v1::AttributeValue { value: Some(value) };
            framed(&v1::CreateContactRequest {
                contact: Some(v1::Contact {
                    phone_number: call.phone(0),
                    whatsapp_user_ids: vec![call.user_id(0)],
                    external_id: format!("crm-{}", call.number),
                    first_name: "Ana".to_owned(),
                    tags: vec!["vip".to_owned()],
                    attributes: [("city".to_owned(), city)].into(),
                    ..v1::Contact::default()
                }),
                workspace_id: call.workspace_id,
                request_id: new_id(),
            })
        }),
        Case::new("ContactService/UpdateContact", async |call: Call| {
            let contact = call.contact(0).await;
            framed(&v1::UpdateContactRequest {
                contact: Some(v1::Contact {
                    contact_id: contact.contact_id,
                    external_id: format!("crm-{}-new", call.number),
                    first_name: "Eva".to_owned(),
                    tags: vec!["vip".to_owned()],
                    ..v1::Contact::default()
                }),
                update_mask: mask(&["external_id", "first_name", "tags"]),
                workspace_id: call.workspace_id,
                request_id: new_id(),
                ..v1::UpdateContactRequest::default()
            })
        }),
        Case::new("ContactService/DeleteContact", async |call: Call| {
            let contact = call.contact(0).await;
            framed(&v1::DeleteContactRequest {
                recipient: Some(v1::delete_contact_request::Recipient::ContactId(
                    contact.contact_id,
                )),
                reason: v1::DeleteReason::PersonRequest.into(),
                workspace_id: call.workspace_id,
                request_id: new_id(),
                ..v1::DeleteContactRequest::default()
            })
        }),
        Case::new("ContactService/LinkIdentity", async |call: Call| {
            let contact = call.contact(0).await;
            // The new number is one that objected.
            call.client.opt_in().record_opt_out(call.phone(1)).await.expect("an opt-out");
            framed(&v1::LinkIdentityRequest {
                recipient: Some(v1::link_identity_request::Recipient::ContactId(
                    contact.contact_id,
                )),
                new_phone_number: call.phone(1),
                carry_opt_in: true,
                source: v1::OptInSource::Paper.into(),
                evidence: Some(v1::OptInEvidence {
                    wording: "It is my new number".to_owned(),
                    ..v1::OptInEvidence::default()
                }),
                workspace_id: call.workspace_id,
                request_id: new_id(),
                ..v1::LinkIdentityRequest::default()
            })
        }),
        Case::new("ContactService/MergeContacts", async |call: Call| {
            let (survivor, merged) = (call.contact(0).await, call.contact(1).await);
            call.client.opt_in().record_opt_out(&merged).await.expect("an opt-out");
            framed(&v1::MergeContactsRequest {
                survivor: Some(recipient(Recipient::ContactId(survivor.contact_id))),
                merged: Some(recipient(Recipient::ContactId(merged.contact_id))),
                workspace_id: call.workspace_id,
                request_id: new_id(),
                ..v1::MergeContactsRequest::default()
            })
        }),
    ]
}

/// One known contact, one who objected, a new one, and one that cannot be read.
async fn rows(call: &Call) -> Vec<v1::ImportRow> {
    call.contact(0).await;
    call.client.opt_in().record_opt_out(call.phone(1)).await.expect("an opt-out");
    let row = |phone_number| v1::ImportRow {
        contact: Some(v1::Contact {
            phone_number,
            first_name: "Li".to_owned(),
            tags: vec!["vip".to_owned()],
            ..v1::Contact::default()
        }),
        consent: None,
    };
    [call.phone(0), call.phone(1), call.phone(2), "nobody".to_owned()].map(row).to_vec()
}

fn import_consent() -> v1::ImportConsent {
    v1::ImportConsent {
        status: v1::OptInStatus::OptedIn.into(),
        source: v1::OptInSource::Paper.into(),
        occurred_time: Some(prost_types::Timestamp { seconds: 1_600_000_000, nanos: 0 }),
        evidence: Some(v1::OptInEvidence {
            wording: "Yes".to_owned(),
            ..v1::OptInEvidence::default()
        }),
        ..v1::ImportConsent::default()
    }
}

pub(super) fn many() -> Vec<Case> {
    vec![
        Case::new("ContactService/BatchUpsertContacts", async |call: Call| {
            framed(&v1::BatchUpsertContactsRequest {
                rows: rows(&call).await,
                on_conflict: v1::OnConflict::Merge.into(),
                consent: Some(import_consent()),
                workspace_id: call.workspace_id,
                request_id: new_id(),
                ..v1::BatchUpsertContactsRequest::default()
            })
        }),
        Case::new("ContactService/ImportContacts", async |call: Call| {
            let rows = rows(&call).await;
            let say = |part: Import| {
                let workspace_id = call.workspace_id.clone();
                framed(&v1::ImportContactsRequest { workspace_id, message: Some(part) })
            };
            let options = say(Import::Options(v1::ImportOptions {
                on_conflict: v1::OnConflict::Merge.into(),
                consent: Some(import_consent()),
                ..v1::ImportOptions::default()
            }));
            let chunks = rows.chunks(2).enumerate().map(|(number, rows)| {
                let chunk_id = number.to_string();
                say(Import::Chunk(v1::ImportChunk { chunk_id, rows: rows.to_vec() }))
            });
            [options].into_iter().chain(chunks).flatten().collect()
        })
        .with_steps(),
        Case::new("ContactService/UpdateContactTags", async |call: Call| {
            let recipients = [call.contact(0).await, call.contact(1).await]
                .map(|contact| recipient(Recipient::ContactId(contact.contact_id)));
            framed(&v1::UpdateContactTagsRequest {
                recipients: recipients.to_vec(),
                add_tags: vec!["vip".to_owned()],
                remove_tags: vec!["old".to_owned()],
                workspace_id: call.workspace_id,
                request_id: new_id(),
                ..v1::UpdateContactTagsRequest::default()
            })
        }),
        Case::new("ContactService/UpdateContactTags", async |call: Call| {
            call.contact(0).await;
            framed(&v1::UpdateContactTagsRequest {
                filter: Some(format!("phone_number = \"{}\"", call.phone(0))),
                expected_count: Some(1),
                add_tags: vec!["vip".to_owned()],
                remove_tags: vec!["old".to_owned()],
                workspace_id: call.workspace_id,
                request_id: new_id(),
                ..v1::UpdateContactTagsRequest::default()
            })
        })
        .with_steps(),
    ]
}

pub(super) fn consent() -> Vec<Case> {
    vec![
        Case::new("OptInService/RecordOptIn", async |call: Call| {
            let contact = call.contact(0).await;
            call.client.opt_in().record_opt_out(&contact).await.expect("an opt-out");
            framed(&v1::RecordOptInRequest {
                recipient: Some(v1::record_opt_in_request::Recipient::ContactId(
                    contact.contact_id,
                )),
                source: v1::OptInSource::WebForm.into(),
                evidence: Some(v1::OptInEvidence {
                    wording: "Again".to_owned(),
                    ..v1::OptInEvidence::default()
                }),
                workspace_id: call.workspace_id,
                request_id: new_id(),
                ..v1::RecordOptInRequest::default()
            })
        }),
        // A contact and somebody who is none.
        Case::new("OptInService/RecordOptOut", async |call: Call| {
            let contact = call.contact(0).await;
            framed(&v1::RecordOptOutRequest {
                recipient: Some(v1::record_opt_out_request::Recipient::ContactId(
                    contact.contact_id,
                )),
                also: vec![recipient(Recipient::PhoneNumber(call.phone(1)))],
                reason_text: "No more".to_owned(),
                workspace_id: call.workspace_id,
                request_id: new_id(),
                ..v1::RecordOptOutRequest::default()
            })
        }),
        Case::new("OptInService/RecordPlatformPreference", async |call: Call| {
            call.contact(0).await;
            framed(&v1::RecordPlatformPreferenceRequest {
                recipient: Some(v1::record_platform_preference_request::Recipient::PhoneNumber(
                    call.phone(0),
                )),
                sender_phone_number_id: "106540352242922".to_owned(),
                preference: v1::PlatformPreference::Stop.into(),
                workspace_id: call.workspace_id,
                request_id: new_id(),
                ..v1::RecordPlatformPreferenceRequest::default()
            })
        }),
        // A stop of a contact, one of somebody who is none, and a contact's new number.
        Case::new("WebhookService/IngestWhatsAppWebhook", async |call: Call| {
            call.contact(0).await;
            call.contact(1).await;
            // After the contacts were made, of which it tells the fraction of the second, too.
            let now = chrono::Utc::now().timestamp() + 60;
            let stop = |phone: String| json!({"wa_id": phone, "value": "stop", "timestamp": now});
            let payload = json!({"object": "whatsapp_business_account", "entry": [{"changes": [
                {"field": "user_preferences", "value": {
                    "metadata": {"phone_number_id": "106540352242922"},
                    "user_preferences": [stop(call.phone(0)), stop(call.phone(2))]}},
                {"field": "messages", "value": {"messages": [{
                    "from": call.phone(1), "id": format!("wamid.{}", call.number),
                    "timestamp": now.to_string(), "type": "system",
                    "system": {"type": "user_changed_number", "wa_id": call.phone(3)}}]}},
            ]}]});
            framed(&v1::IngestWhatsAppWebhookRequest {
                payload: payload.to_string().into(),
                workspace_id: call.workspace_id,
                ..v1::IngestWhatsAppWebhookRequest::default()
            })
        })
        .with_steps(),
    ]
}

pub(super) fn catalog() -> Vec<Case> {
    vec![
        Case::new("TagService/CreateTag", async |call: Call| {
            framed(&v1::CreateTagRequest {
                tag: Some(v1::Tag {
                    display_name: format!("Tag {}", call.number),
                    ..v1::Tag::default()
                }),
                workspace_id: call.workspace_id,
                request_id: new_id(),
            })
        }),
        Case::new("TagService/UpdateTag", async |call: Call| {
            framed(&v1::UpdateTagRequest {
                tag: Some(v1::Tag {
                    tag_id: "vip".to_owned(),
                    description: format!("Change {}", call.number),
                    ..v1::Tag::default()
                }),
                update_mask: mask(&["description"]),
                workspace_id: call.workspace_id,
                request_id: new_id(),
            })
        }),
        Case::new("TagService/DeleteTag", async |call: Call| {
            let tag_id = format!("tag_{}", call.number);
            let contacts = call.client.contacts();
            call.client.tags().create(&*tag_id).tag_id(&*tag_id).await.expect("a tag");
            for i in 0..2 {
                let tagged = NewContact::new().phone(call.phone(i)).tag(&*tag_id);
                contacts.create(tagged).await.expect("a contact");
            }
            framed(&v1::DeleteTagRequest {
                tag_id,
                force: true,
                workspace_id: call.workspace_id,
                request_id: new_id(),
            })
        })
        .with_steps(),
        Case::new("AttributeService/CreateAttribute", async |call: Call| {
            framed(&v1::CreateAttributeRequest {
                attribute: Some(v1::Attribute {
                    attribute_id: format!("a{}", call.number),
                    r#type: v1::AttributeType::Number.into(),
                    ..v1::Attribute::default()
                }),
                workspace_id: call.workspace_id,
                request_id: new_id(),
            })
        }),
        Case::new("AttributeService/UpdateAttribute", async |call: Call| {
            framed(&v1::UpdateAttributeRequest {
                attribute: Some(v1::Attribute {
                    attribute_id: "city".to_owned(),
                    description: format!("Change {}", call.number),
                    ..v1::Attribute::default()
                }),
                update_mask: mask(&["description"]),
                workspace_id: call.workspace_id,
                request_id: new_id(),
            })
        }),
        Case::new("AttributeService/DeleteAttribute", async |call: Call| {
            let attribute_id = format!("a{}", call.number);
            let attributes = call.client.attributes();
            attributes.create(&*attribute_id, AttributeType::String).await.expect("an attribute");
            for i in 0..2 {
                let contact = NewContact::new().phone(call.phone(i)).attribute(&*attribute_id, "x");
                call.client.contacts().create(contact).await.expect("a contact");
            }
            framed(&v1::DeleteAttributeRequest {
                attribute_id,
                force: true,
                workspace_id: call.workspace_id,
                request_id: new_id(),
            })
        })
        .with_steps(),
    ]
}

fn other_workspace(call: &Call) -> String {
    format!("{}-{}", call.workspace_id, call.number)
}

fn policy() -> v1::WorkspaceSettings {
    v1::WorkspaceSettings {
        stop_words: vec!["basta".to_owned()],
        opt_in_policy: Some(v1::OptInPolicy {
            max_age_days: Some(v1::MaxAgeDays { marketing: 365, ..v1::MaxAgeDays::default() }),
            ..v1::OptInPolicy::default()
        }),
    }
}

pub(super) fn admin() -> Vec<Case> {
    vec![
        Case::new("WorkspaceService/CreateWorkspace", async |call: Call| {
            framed(&v1::CreateWorkspaceRequest {
                workspace: Some(v1::Workspace {
                    workspace_id: other_workspace(&call),
                    settings: Some(policy()),
                    ..v1::Workspace::default()
                }),
            })
        })
        .repeated(Repetition::Refused(reason::WORKSPACE_ALREADY_EXISTS)),
        Case::new("WorkspaceService/UpdateWorkspace", async |call: Call| {
            let workspace_id = other_workspace(&call);
            call.client.workspaces().create(&*workspace_id).await.expect("a workspace");
            framed(&v1::UpdateWorkspaceRequest {
                workspace: Some(v1::Workspace {
                    workspace_id,
                    display_name: "Renamed".to_owned(),
                    settings: Some(policy()),
                    ..v1::Workspace::default()
                }),
                update_mask: mask(&["display_name", "settings.opt_in_policy"]),
            })
        }),
        Case::new("WorkspaceService/DeleteWorkspace", async |call: Call| {
            let workspace_id = other_workspace(&call);
            call.client.workspaces().create(&*workspace_id).await.expect("a workspace");
            let client = call.client.with_workspace(&*workspace_id);
            client.contacts().create(NewContact::new().phone(phone(1))).await.expect("a contact");
            client.opt_in().record_opt_out(phone(1)).await.expect("an opt-out");
            let scopes = [TokenScope::OptInCheck];
            let token = call.client.api_tokens().create("a test", scopes);
            token.workspaces([&*workspace_id, &*call.workspace_id]).await.expect("a token");
            framed(&v1::DeleteWorkspaceRequest {
                confirm_workspace_id: workspace_id.clone(),
                workspace_id,
            })
        })
        .repeated(Repetition::Refused(reason::WORKSPACE_NOT_FOUND)),
        Case::new("TokenService/CreateToken", async |call: Call| {
            framed(&v1::CreateTokenRequest {
                token: Some(v1::Token {
                    name: "a test".to_owned(),
                    scopes: vec![v1::TokenScope::OptInCheck.into()],
                    workspace_ids: vec![call.workspace_id],
                    ..v1::Token::default()
                }),
            })
        })
        .repeated(Repetition::Anew),
        Case::new("TokenService/RevokeToken", async |call: Call| {
            let token = call.client.api_tokens().create("a test", [TokenScope::OptInCheck]);
            let token = token.all_workspaces().await.expect("a token").token;
            framed(&v1::RevokeTokenRequest { token_id: token.token_id })
        }),
        Case::new("TokenService/RotateToken", async |call: Call| {
            let token = call.client.api_tokens().create("a test", [TokenScope::OptInCheck]);
            let token = token.all_workspaces().await.expect("a token").token;
            let token_id = token.token_id;
            framed(&v1::RotateTokenRequest { token_id, ..v1::RotateTokenRequest::default() })
        })
        .repeated(Repetition::Anew),
    ]
}
