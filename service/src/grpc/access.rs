//! The one way from a request to its message. What a message is about is known only when it is
//! decoded, so that the layer that authenticates a call cannot look at it: here it is compared with
//! what the caller may do, before a handler sees it.
//!
//! `clippy.toml` bans tonic's own ways to the message of a request.

use std::pin::Pin;
use std::task::{Context, Poll};

use contacts_proto::v1;
use contacts_proto::v1::import_contacts_request::Message;
use futures::Stream;
use tonic::{Request, Status, Streaming};

use crate::domain::access::{Caller, Scope, TokenWorkspaces};
use crate::domain::error::{Error, Result};
use crate::operations::DEFAULT_WORKSPACE;

/// What a message is about.
pub(super) enum Target<'a> {
    /// The workspace with this id. Empty stands for the default one.
    Workspace(&'a str),
    /// The whole service.
    AllWorkspaces,
    /// No single workspace: the handler looks at the caller, or there is nothing to protect.
    None,
}

/// A request message.
pub(super) trait Targeted {
    /// What it is about.
    fn target(&self) -> Target<'_>;

    /// A scope that it needs beside that of its method.
    fn also_needs(&self) -> Option<Scope> {
        None
    }
}

/// Returns the message of a request.
///
/// # Errors
/// PERMISSION_DENIED if the caller may not do that there.
pub(super) fn message<M: Targeted>(request: Request<M>) -> Result<M> {
    Ok(caller_and_message(request)?.1)
}

/// Returns the message of a request that goes on to [`message`].
///
/// # Errors
/// As [`message`].
#[expect(clippy::disallowed_methods, reason = "this is a way to the message")]
pub(super) fn peek<M: Targeted>(request: &Request<M>) -> Result<&M> {
    let caller = request.extensions().get::<Caller>();
    let message = request.get_ref();
    admit(caller.ok_or_else(no_caller)?, message)?;
    Ok(message)
}

/// As [`message`], for handlers that look at the caller themselves.
#[expect(clippy::disallowed_methods, reason = "this is the way to the message")]
pub(super) fn caller_and_message<M: Targeted>(mut request: Request<M>) -> Result<(Caller, M)> {
    let caller = take_caller(&mut request)?;
    let message = request.into_inner();
    admit(&caller, &message)?;
    Ok((caller, message))
}

/// Returns the messages of a request. Each is an error if the caller may not do that.
#[expect(clippy::disallowed_methods, reason = "this is the way to the messages")]
pub(super) fn messages<M>(mut request: Request<Streaming<M>>) -> Result<Messages<M>> {
    let caller = take_caller(&mut request)?;
    Ok(Messages { caller, messages: request.into_inner() })
}

/// The messages of a stream of requests.
pub(super) struct Messages<M> {
    caller: Caller,
    messages: Streaming<M>,
}

impl<M: Targeted> Messages<M> {
    /// The next message. None at the end.
    pub(super) async fn message(&mut self) -> Result<Option<M>, Status> {
        let message = self.messages.message().await?;
        message.iter().try_for_each(|message| admit(&self.caller, message))?;
        Ok(message)
    }
}

impl<M: Targeted> Stream for Messages<M> {
    type Item = Result<M, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let message = std::task::ready!(Pin::new(&mut this.messages).poll_next(cx));
        Poll::Ready(message.map(|message| {
            let message = message?;
            admit(&this.caller, &message)?;
            Ok(message)
        }))
    }
}

fn take_caller<T>(request: &mut Request<T>) -> Result<Caller> {
    request.extensions_mut().remove::<Caller>().ok_or_else(no_caller)
}

/// The call did not come through the layers.
fn no_caller() -> Error {
    Error::internal("a call has no caller")
}

fn admit(caller: &Caller, message: &impl Targeted) -> Result<()> {
    if matches!(caller, Caller::Anybody) {
        return Ok(());
    }
    if let Some(scope) = message.also_needs() {
        caller.require_scope(scope)?;
    }
    match message.target() {
        Target::Workspace("") => caller.require_workspace(DEFAULT_WORKSPACE),
        Target::Workspace(id) => caller.require_workspace(id),
        Target::AllWorkspaces => caller.require_workspaces(&TokenWorkspaces::All),
        Target::None => Ok(()),
    }
}

/// The requests with a `workspace_id`.
macro_rules! in_workspace {
    ($($request:ident),* $(,)?) => {$(
        impl Targeted for v1::$request {
            fn target(&self) -> Target<'_> {
                Target::Workspace(&self.workspace_id)
            }
        }
    )*};
}

in_workspace! {
    CreateContactRequest,
    GetContactRequest,
    BatchGetContactsRequest,
    UpdateContactRequest,
    DeleteContactRequest,
    MergeContactsRequest,
    ExportContactDataRequest,
    ListContactsRequest,
    CountContactsRequest,
    StreamContactsRequest,
    StreamDuplicateContactsRequest,
    UpdateContactTagsRequest,
    CreateTagRequest,
    GetTagRequest,
    ListTagsRequest,
    UpdateTagRequest,
    DeleteTagRequest,
    CreateAttributeRequest,
    GetAttributeRequest,
    ListAttributesRequest,
    UpdateAttributeRequest,
    DeleteAttributeRequest,
    CheckOptInRequest,
    BatchCheckOptInRequest,
    CheckOptInStreamRequest,
    RecordOptInRequest,
    RecordOptOutRequest,
    RecordPlatformPreferenceRequest,
    ListOptInEventsRequest,
    IngestWhatsAppWebhookRequest,
    GetWorkspaceRequest,
    DeleteWorkspaceRequest,
}

/// The requests that are about no workspace, or about those that the handler selects.
macro_rules! in_none {
    ($($request:ident),* $(,)?) => {$(
        impl Targeted for v1::$request {
            fn target(&self) -> Target<'_> {
                Target::None
            }
        }
    )*};
}

in_none! {
    // Shows those of the caller.
    ListWorkspacesRequest,
    // Public keys.
    ListReceiptKeysRequest,
    // The operations compare the workspaces of tokens with those of the caller.
    CreateTokenRequest,
    ListTokensRequest,
    RevokeTokenRequest,
    RotateTokenRequest,
}

impl Targeted for v1::CreateWorkspaceRequest {
    fn target(&self) -> Target<'_> {
        Target::AllWorkspaces
    }
}

impl Targeted for v1::UpdateWorkspaceRequest {
    fn target(&self) -> Target<'_> {
        Target::Workspace(self.workspace.as_ref().map_or("", |workspace| &workspace.workspace_id))
    }
}

impl Targeted for v1::LinkIdentityRequest {
    fn target(&self) -> Target<'_> {
        Target::Workspace(&self.workspace_id)
    }

    /// A link that carries permits, as an opt-in does.
    fn also_needs(&self) -> Option<Scope> {
        self.carry_opt_in.then_some(Scope::OptInWrite)
    }
}

impl Targeted for v1::BatchUpsertContactsRequest {
    fn target(&self) -> Target<'_> {
        Target::Workspace(&self.workspace_id)
    }

    fn also_needs(&self) -> Option<Scope> {
        (self.consent.is_some() || have_consent(&self.rows)).then_some(Scope::OptInWrite)
    }
}

impl Targeted for v1::ImportContactsRequest {
    fn target(&self) -> Target<'_> {
        match &self.message {
            // Goes where the options said. Its own workspace is not read.
            Some(Message::Chunk(_)) if self.workspace_id.is_empty() => Target::None,
            _ => Target::Workspace(&self.workspace_id),
        }
    }

    fn also_needs(&self) -> Option<Scope> {
        let has_consent = match &self.message {
            Some(Message::Options(options)) => options.consent.is_some(),
            Some(Message::Chunk(chunk)) => have_consent(&chunk.rows),
            None => false,
        };
        has_consent.then_some(Scope::OptInWrite)
    }
}

fn have_consent(rows: &[v1::ImportRow]) -> bool {
    rows.iter().any(|row| row.consent.is_some())
}
