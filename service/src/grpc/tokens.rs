//! Page and resume tokens, each bound to the request that it continues.

use prost::Name;

use crate::domain::error::Result;
use crate::operations::token::{self, Cursor};
use crate::store::Workspace;

/// Makes and opens the tokens of one request. A token opens only for the same
/// method, workspace and parts of the request.
pub(super) struct Tokens {
    key: [u8; 32],
    binding: Vec<String>,
}

impl Tokens {
    /// The tokens of a request of type `R` with these parts.
    pub(super) fn of<R: Name>(workspace: &Workspace, parts: &[&str]) -> Self {
        let method = R::NAME.strip_suffix("Request").unwrap_or(R::NAME);
        let binding = [method, &workspace.workspace_id].into_iter().chain(parts.iter().copied());
        Self::new(workspace.token_key, binding)
    }

    pub(super) fn new<'a>(key: [u8; 32], binding: impl IntoIterator<Item = &'a str>) -> Self {
        Self { key, binding: binding.into_iter().map(str::to_owned).collect() }
    }

    pub(super) fn seal(&self, cursor: &Cursor) -> String {
        token::seal(&self.key, &self.binding(), cursor)
    }

    /// None if the token is empty: the first page.
    pub(super) fn open_page(&self, token: &str) -> Result<Option<Cursor>> {
        token::open_page(&self.key, &self.binding(), token)
    }

    /// None if the token is empty: the beginning of a stream.
    pub(super) fn open_resume(&self, token: &str) -> Result<Option<Cursor>> {
        token::open_resume(&self.key, &self.binding(), token)
    }

    fn binding(&self) -> Vec<&str> {
        self.binding.iter().map(String::as_str).collect()
    }
}
