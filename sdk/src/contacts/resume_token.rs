use std::fmt;

/// A position in a stream of contacts or of duplicate groups. Store it as text to resume there after
/// a restart.
///
/// Opaque, at most 512 bytes. It is valid only for a request with the same filter, query and limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResumeToken(String);

impl ResumeToken {
    /// The token as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The token as text.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl From<String> for ResumeToken {
    fn from(token: String) -> Self {
        Self(token)
    }
}

impl From<&str> for ResumeToken {
    fn from(token: &str) -> Self {
        Self(token.to_owned())
    }
}

impl fmt::Display for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
