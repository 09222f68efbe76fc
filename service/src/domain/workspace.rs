//! What a business decides about consent in its workspace.

use super::consent::OptInPolicy;
use super::error::{Error, Reason, Result};
use super::webhook::{MAX_STOP_WORDS, StopWords, StopWordsError};

/// The settings of a workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkspaceSettings {
    /// With which people opt out in a message; as [`stop_words`] returns them.
    pub stop_words: Vec<String>,
    /// What an opt-in needs, and how long it holds.
    pub opt_in_policy: OptInPolicy,
}

/// The fields of a workspace that an update can set, named as in the API.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
#[expect(missing_docs, reason = "each is the field it names")]
pub enum WorkspaceField {
    #[strum(serialize = "display_name")]
    DisplayName,
    #[strum(serialize = "settings.stop_words")]
    StopWords,
    #[strum(serialize = "settings.opt_in_policy")]
    OptInPolicy,
}

/// Validates stop words: without spaces around them, each once.
///
/// # Errors
/// Too many words, or one that is too long, empty or has a control character.
pub fn stop_words(words: &[String]) -> Result<Vec<String>> {
    const FIELD: &str = "stop_words";
    match StopWords::new(words) {
        Ok(words) => Ok(words.iter().map(str::to_owned).collect()),
        Err(StopWordsError::TooMany { words }) => Err(Error::limit(FIELD, MAX_STOP_WORDS, words)),
        Err(error @ StopWordsError::TooLong { index, .. }) => {
            Err(Error::invalid(Reason::LimitExceeded, at(index), error.to_string()))
        }
        Err(
            error @ (StopWordsError::Empty { index } | StopWordsError::ControlCharacter { index }),
        ) => Err(Error::invalid(Reason::InvalidText, at(index), error.to_string())),
    }
}

fn at(index: usize) -> String {
    format!("stop_words[{index}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_words_are_trimmed_and_errors_name_the_word() {
        let owned =
            |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let kept = stop_words(&owned(&[" STOP ", "stop", "Não quero"])).expect("stop words");
        assert_eq!(kept, ["STOP", "Não quero"]);
        let error = stop_words(&owned(&["STOP", "  "])).expect_err("empty");
        assert_eq!((error.reason(), error.field()), (Reason::InvalidText, Some("stop_words[1]")));
        let error = stop_words(&vec!["x".to_owned(); 51]).expect_err("too many");
        assert_eq!((error.reason(), error.field()), (Reason::LimitExceeded, Some("stop_words")));
    }
}
