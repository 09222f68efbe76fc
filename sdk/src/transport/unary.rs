//! Unary calls, by the type of their request message.

use contacts_proto::v1;
use tonic::{Request, Response, Status};

use super::clients::Clients;

/// The request message of a unary call.
pub(crate) trait Unary: Clone + Send + Sync + 'static {
    type Response: Send + 'static;

    /// Whether the call may be sent twice without harm.
    const IDEMPOTENT: bool;

    /// Whether it checks one person. There is a limit to how many of these are sent at a time.
    const IS_CHECK: bool;

    /// The id under which the server recognises a repetition. Only changes have one.
    fn request_id(&mut self) -> Option<&mut String>;

    fn send(
        request: Request<Self>,
        clients: &Clients,
    ) -> impl Future<Output = Result<Response<Self::Response>, Status>> + Send;
}

macro_rules! calls {
    ($($service:ident.$method:ident: $class:ident $request:ident -> $response:ident;)*) => {$(
        impl Unary for v1::$request {
            type Response = v1::$response;
            const IDEMPOTENT: bool = calls!(@idempotent $class);
            const IS_CHECK: bool = calls!(@is_check $class);

            fn request_id(&mut self) -> Option<&mut String> {
                calls!(@request_id $class self)
            }

            async fn send(
                request: Request<Self>,
                clients: &Clients,
            ) -> Result<Response<Self::Response>, Status> {
                clients.$service.clone().$method(request).await
            }
        }
    )*};
    (@idempotent once) => { false };
    (@idempotent $class:ident) => { true };
    (@is_check check) => { true };
    (@is_check $class:ident) => { false };
    (@request_id change $this:ident) => { Some(&mut $this.request_id) };
    (@request_id $class:ident $this:ident) => { { let _ = $this; None } };
}

// `read` changes nothing. `check` neither, and of these there may be too many. `repeatable` does the same twice. `change` has a request_id. `once` has none and is never retried.
calls! {
    workspaces.create_workspace: once CreateWorkspaceRequest -> CreateWorkspaceResponse;
    workspaces.get_workspace: read GetWorkspaceRequest -> GetWorkspaceResponse;
    workspaces.list_workspaces: read ListWorkspacesRequest -> ListWorkspacesResponse;
    workspaces.update_workspace: repeatable UpdateWorkspaceRequest -> UpdateWorkspaceResponse;
    workspaces.delete_workspace: once DeleteWorkspaceRequest -> DeleteWorkspaceResponse;

    contacts.create_contact: change CreateContactRequest -> CreateContactResponse;
    contacts.get_contact: read GetContactRequest -> GetContactResponse;
    contacts.batch_get_contacts: read BatchGetContactsRequest -> BatchGetContactsResponse;
    contacts.update_contact: change UpdateContactRequest -> UpdateContactResponse;
    contacts.delete_contact: change DeleteContactRequest -> DeleteContactResponse;
    contacts.link_identity: change LinkIdentityRequest -> LinkIdentityResponse;
    contacts.merge_contacts: change MergeContactsRequest -> MergeContactsResponse;
    contacts.export_contact_data: read ExportContactDataRequest -> ExportContactDataResponse;
    contacts.list_contacts: read ListContactsRequest -> ListContactsResponse;
    contacts.count_contacts: read CountContactsRequest -> CountContactsResponse;
    contacts.batch_upsert_contacts: change BatchUpsertContactsRequest -> BatchUpsertContactsResponse;
    contacts.update_contact_tags: change UpdateContactTagsRequest -> UpdateContactTagsResponse;

    tags.create_tag: change CreateTagRequest -> CreateTagResponse;
    tags.get_tag: read GetTagRequest -> GetTagResponse;
    tags.list_tags: read ListTagsRequest -> ListTagsResponse;
    tags.update_tag: change UpdateTagRequest -> UpdateTagResponse;
    tags.delete_tag: change DeleteTagRequest -> DeleteTagResponse;

    attributes.create_attribute: change CreateAttributeRequest -> CreateAttributeResponse;
    attributes.get_attribute: read GetAttributeRequest -> GetAttributeResponse;
    attributes.list_attributes: read ListAttributesRequest -> ListAttributesResponse;
    attributes.update_attribute: change UpdateAttributeRequest -> UpdateAttributeResponse;
    attributes.delete_attribute: change DeleteAttributeRequest -> DeleteAttributeResponse;

    opt_in.check_opt_in: check CheckOptInRequest -> CheckOptInResponse;
    opt_in.batch_check_opt_in: read BatchCheckOptInRequest -> BatchCheckOptInResponse;
    opt_in.record_opt_in: change RecordOptInRequest -> RecordOptInResponse;
    opt_in.record_opt_out: change RecordOptOutRequest -> RecordOptOutResponse;
    opt_in.record_platform_preference:
        change RecordPlatformPreferenceRequest -> RecordPlatformPreferenceResponse;
    opt_in.list_opt_in_events: read ListOptInEventsRequest -> ListOptInEventsResponse;
    opt_in.list_receipt_keys: read ListReceiptKeysRequest -> ListReceiptKeysResponse;

    tokens.create_token: once CreateTokenRequest -> CreateTokenResponse;
    tokens.list_tokens: read ListTokensRequest -> ListTokensResponse;
    tokens.revoke_token: repeatable RevokeTokenRequest -> RevokeTokenResponse;
    tokens.rotate_token: once RotateTokenRequest -> RotateTokenResponse;

    webhooks.ingest_whats_app_webhook:
        repeatable IngestWhatsAppWebhookRequest -> IngestWhatsAppWebhookResponse;
}
