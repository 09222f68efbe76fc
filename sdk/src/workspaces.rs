use contacts_proto::{FieldMask, v1};

use crate::call::{Prepared, request};
use crate::convert::{FromProto, IntoProto, count, present};
use crate::error::Result;
use crate::handle::Handle;
use crate::model::{OptInPolicy, OptInPolicyPeriod, Workspace};
use crate::paging::{Page, page, paged};

/// Manages workspaces. Returned by
/// [`ContactsClient::workspaces`](crate::ContactsClient::workspaces).
///
/// Each workspace belongs to one business and has its own contacts, tags, attributes and consent
/// events. The SDK does not retry the creation and deletion of workspaces: these calls have no
/// `request_id`, by which the server could recognise a repetition.
///
/// ```no_run
/// # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
/// client.workspaces().create("acme").display_name("Acme Inc.").await?;
/// let acme = client.with_workspace("acme");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Workspaces {
    handle: Handle,
}

impl Workspaces {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// Creates a workspace with an id of the form `[a-z][a-z0-9_-]{0,62}`. An empty id is derived from
    /// the display name.
    ///
    /// Fails with [`is_already_exists`](crate::Error::is_already_exists) if the id is taken.
    pub fn create(&self, workspace_id: impl Into<String>) -> CreateWorkspace {
        let workspace =
            v1::Workspace { workspace_id: workspace_id.into(), ..v1::Workspace::default() };
        let message = v1::CreateWorkspaceRequest { workspace: Some(workspace) };
        CreateWorkspace(Prepared::new(&self.handle, message))
    }

    /// Returns one workspace. Fails with [`is_not_found`](crate::Error::is_not_found) if it does not
    /// exist.
    pub fn get(&self, workspace_id: impl Into<String>) -> GetWorkspace {
        let message = v1::GetWorkspaceRequest { workspace_id: workspace_id.into() };
        GetWorkspace(Prepared::new(&self.handle, message))
    }

    /// Returns the opt-in policies that a workspace had, newest first: at most 100.
    pub fn opt_in_policies(&self, workspace_id: impl Into<String>) -> GetOptInPolicies {
        let message = v1::GetWorkspaceRequest { workspace_id: workspace_id.into() };
        GetOptInPolicies(Prepared::new(&self.handle, message))
    }

    /// Changes the display name or the settings of a workspace.
    ///
    /// ```no_run
    /// use contacts_sdk::{EvidenceField, MessageCategory, OptInPolicy};
    ///
    /// # async fn example(client: contacts_sdk::ContactsClient) -> Result<(), contacts_sdk::Error> {
    /// let policy = OptInPolicy::new()
    ///     .require(EvidenceField::Wording)
    ///     .max_age_days(MessageCategory::Marketing, 730);
    /// client.workspaces().update("acme").stop_words(["STOP", "PARAR"]).opt_in_policy(policy).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn update(&self, workspace_id: impl Into<String>) -> UpdateWorkspace {
        let workspace =
            v1::Workspace { workspace_id: workspace_id.into(), ..v1::Workspace::default() };
        let message = v1::UpdateWorkspaceRequest {
            workspace: Some(workspace),
            update_mask: Some(FieldMask::default()),
        };
        UpdateWorkspace(Prepared::new(&self.handle, message))
    }

    /// Lists workspaces, ordered by id.
    pub fn list(&self) -> ListWorkspaces {
        ListWorkspaces(Prepared::new(&self.handle, v1::ListWorkspacesRequest::default()))
    }

    /// Deletes a workspace with everything in it: contacts, tags, attributes and consent events. This
    /// cannot be undone.
    ///
    /// Fails with [`is_invalid_argument`](crate::Error::is_invalid_argument) unless
    /// [`confirm`](DeleteWorkspace::confirm) repeats the id.
    pub fn delete(&self, workspace_id: impl Into<String>) -> DeleteWorkspace {
        let message = v1::DeleteWorkspaceRequest {
            workspace_id: workspace_id.into(),
            confirm_workspace_id: String::new(),
        };
        DeleteWorkspace(Prepared::new(&self.handle, message))
    }
}

request! {
    /// Request builder, returned by [`Workspaces::create`].
    CreateWorkspace(CreateWorkspaceRequest) -> Workspace
}

impl CreateWorkspace {
    /// Sets the name for people: at most 100 characters.
    pub fn display_name(mut self, name: impl Into<String>) -> Self {
        self.0.message.workspace.get_or_insert_default().display_name = name.into();
        self
    }

    /// Sends the request. Returns the workspace as stored.
    pub async fn send(self) -> Result<Workspace> {
        present(self.0.send().await?.workspace)
    }
}

request! {
    /// Request builder, returned by [`Workspaces::get`].
    GetWorkspace(GetWorkspaceRequest) -> Workspace
}

impl GetWorkspace {
    /// Sends the request.
    pub async fn send(self) -> Result<Workspace> {
        present(self.0.send().await?.workspace)
    }
}

request! {
    /// Request builder, returned by [`Workspaces::opt_in_policies`].
    GetOptInPolicies(GetWorkspaceRequest) -> Vec<OptInPolicyPeriod>
}

impl GetOptInPolicies {
    /// Sends the request.
    pub async fn send(self) -> Result<Vec<OptInPolicyPeriod>> {
        let policies = self.0.send().await?.opt_in_policies;
        Ok(policies.into_iter().map(OptInPolicyPeriod::from_proto).collect())
    }
}

request! {
    /// Request builder, returned by [`Workspaces::update`].
    UpdateWorkspace(UpdateWorkspaceRequest) -> Workspace
}

impl UpdateWorkspace {
    fn set(mut self, path: &str, change: impl FnOnce(&mut v1::Workspace)) -> Self {
        self.0.message.update_mask.get_or_insert_default().paths.push(path.to_owned());
        change(self.0.message.workspace.get_or_insert_default());
        self
    }

    /// Sets the name for people: at most 100 characters.
    pub fn display_name(self, name: impl Into<String>) -> Self {
        self.set("display_name", |workspace| workspace.display_name = name.into())
    }

    /// Sets the words with which people opt out in a message: at most 50, each of 1 to 40 characters.
    /// None clears them.
    pub fn stop_words<W: Into<String>>(self, words: impl IntoIterator<Item = W>) -> Self {
        let words = words.into_iter().map(Into::into).collect();
        self.set("settings.stop_words", |workspace| {
            workspace.settings.get_or_insert_default().stop_words = words;
        })
    }

    /// Sets what an opt-in must have, and how long it holds. Applies at once.
    pub fn opt_in_policy(self, policy: OptInPolicy) -> Self {
        self.set("settings.opt_in_policy", |workspace| {
            workspace.settings.get_or_insert_default().opt_in_policy = Some(policy.into_proto());
        })
    }

    /// Sends the request. Returns the workspace as stored.
    pub async fn send(self) -> Result<Workspace> {
        present(self.0.send().await?.workspace)
    }
}

request! {
    /// Request builder, returned by [`Workspaces::list`].
    ListWorkspaces(ListWorkspacesRequest) -> Page<Workspace>
}

impl ListWorkspaces {
    /// Sends the request. Returns one page.
    pub async fn send(self) -> Result<Page<Workspace>> {
        let response = self.0.send().await?;
        Ok(page(response.workspaces, response.next_page_token, Workspace::from_proto))
    }
}

paged! { ListWorkspaces -> Workspace }

request! {
    /// Request builder, returned by [`Workspaces::delete`].
    DeleteWorkspace(DeleteWorkspaceRequest) -> u64
}

impl DeleteWorkspace {
    /// Confirms the deletion by repeating the id.
    pub fn confirm(mut self, workspace_id: impl Into<String>) -> Self {
        self.0.message.confirm_workspace_id = workspace_id.into();
        self
    }

    /// Sends the request. Returns the number of contacts deleted.
    pub async fn send(self) -> Result<u64> {
        Ok(count(self.0.send().await?.deleted_contact_count))
    }
}
