//! Requests that change something: each names its workspace and may carry a
//! request_id, under which its response is stored.

use std::any::Any;
use std::marker::PhantomData;

use bytes::Bytes;
use contacts_proto::v1;
use prost::{Message, Name};

use crate::domain::contact::View;
use crate::operations::idempotency::EncodedResponse;
use crate::store::{ContactRow, Store, wire_contact};

/// A request that makes a change at most once per request_id.
pub(super) trait Mutation: Message + Name + Sized + 'static {
    /// The response of its method.
    type Response: Message + Default;

    /// The method, such as `CreateContact`.
    fn method() -> &'static str {
        Self::NAME.strip_suffix("Request").unwrap_or(Self::NAME)
    }

    /// The workspace it changes.
    fn workspace_id(&self) -> &str;

    /// The caller's id of the request; empty if the caller sent none.
    fn request_id(&self) -> &str;

    /// Whether it records that somebody objects, which is not refused for its request_id.
    fn is_objection(&self) -> bool {
        let request: &dyn Any = self;
        match request.downcast_ref::<v1::RecordPlatformPreferenceRequest>() {
            Some(request) => request.preference() == v1::PlatformPreference::Stop,
            None => request.is::<v1::RecordOptOutRequest>(),
        }
    }
}

/// Implements [`Mutation`] for each request. A new change needs a line here.
macro_rules! mutations {
    ($($request:ident -> $response:ident),* $(,)?) => {
        #[cfg(test)]
        const REQUESTS: &[&str] = &[$(v1::$request::NAME),*];

        $(
        impl Mutation for v1::$request {
            type Response = v1::$response;

            fn workspace_id(&self) -> &str {
                &self.workspace_id
            }

            fn request_id(&self) -> &str {
                &self.request_id
            }
        }

        /// A response that is about no single person.
        impl From<v1::$response> for MutationResponse<v1::$request> {
            fn from(response: v1::$response) -> Self {
                let response = response.encode_to_vec().into();
                Self::new(EncodedResponse { response, contact_id: None, match_key: None })
            }
        }
        )*
    };
}

mutations! {
    CreateContactRequest -> CreateContactResponse,
    UpdateContactRequest -> UpdateContactResponse,
    DeleteContactRequest -> DeleteContactResponse,
    LinkIdentityRequest -> LinkIdentityResponse,
    MergeContactsRequest -> MergeContactsResponse,
    BatchUpsertContactsRequest -> BatchUpsertContactsResponse,
    UpdateContactTagsRequest -> UpdateContactTagsResponse,
    CreateTagRequest -> CreateTagResponse,
    UpdateTagRequest -> UpdateTagResponse,
    DeleteTagRequest -> DeleteTagResponse,
    CreateAttributeRequest -> CreateAttributeResponse,
    UpdateAttributeRequest -> UpdateAttributeResponse,
    DeleteAttributeRequest -> DeleteAttributeResponse,
    RecordOptInRequest -> RecordOptInResponse,
    RecordOptOutRequest -> RecordOptOutResponse,
    RecordPlatformPreferenceRequest -> RecordPlatformPreferenceResponse,
}

/// The encoded response to a mutation, and the person it is about.
pub(super) struct MutationResponse<M> {
    pub(super) encoded: EncodedResponse,
    mutation: PhantomData<fn(M)>,
}

impl<M: Mutation> MutationResponse<M> {
    pub(super) fn new(encoded: EncodedResponse) -> Self {
        Self { encoded, mutation: PhantomData }
    }
}

/// A mutation whose response has the contact as its field 1.
pub(super) trait ReturnsContact: Mutation {}

impl ReturnsContact for v1::CreateContactRequest {}
impl ReturnsContact for v1::UpdateContactRequest {}
impl ReturnsContact for v1::LinkIdentityRequest {}
impl ReturnsContact for v1::MergeContactsRequest {}

/// Encodes a stored contact as a response.
pub(super) fn contact_response<M: ReturnsContact>(
    store: &Store,
) -> impl Fn(ContactRow) -> MutationResponse<M> + Send + Sync + 'static {
    let store = store.clone();
    move |row| {
        // On the wire an embedded message is its length and bytes, so the stored
        // record is copied, not decoded.
        let contact: Bytes = wire_contact(&row, View::Full, store.now_for_expiry());
        let mut response = Vec::with_capacity(contact.len() + 8);
        prost::encoding::bytes::encode(1, &contact, &mut response);
        MutationResponse::new(EncodedResponse {
            response: response.into(),
            contact_id: Some(row.contact_id),
            match_key: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn every_request_with_a_request_id_is_a_mutation() {
        let set = FileDescriptorSet::decode(contacts_proto::FILE_DESCRIPTOR_SET).expect("a set");
        let messages = set.file.iter().flat_map(|file| &file.message_type);
        let has_request_id =
            messages.filter(|message| message.field.iter().any(|f| f.name() == "request_id"));
        let requests = has_request_id.map(|message| message.name());
        let requests: BTreeSet<_> = requests.filter(|name| name.ends_with("Request")).collect();
        assert_eq!(requests, REQUESTS.iter().copied().collect());
    }

    #[test]
    fn the_method_is_the_name_of_the_request() {
        assert_eq!(v1::CreateContactRequest::method(), "CreateContact");
        assert_eq!(v1::RecordOptOutRequest::method(), "RecordOptOut");
    }
}
