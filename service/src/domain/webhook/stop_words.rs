//! The words with which people object in a message, as a workspace lists them.

use thiserror::Error;

use crate::domain::search::folded;

/// Most stop words of a workspace.
pub const MAX_STOP_WORDS: usize = 50;
/// Longest stop word, in characters.
pub const MAX_STOP_WORD_CHARS: usize = 40;
/// Longer messages are no stop word, and are not folded to find out.
const MAX_MESSAGE_BYTES: usize = 1024;

/// The stop words of a workspace. Without any, no message is an objection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopWords(Vec<StopWord>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct StopWord {
    word: String,
    key: String,
}

/// Why a list of stop words is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum StopWordsError {
    /// More than [`MAX_STOP_WORDS`].
    #[error("there are {words} stop words and may be {MAX_STOP_WORDS}")]
    TooMany {
        /// How many there are.
        words: usize,
    },
    /// More than [`MAX_STOP_WORD_CHARS`].
    #[error("stop word {index} has {chars} characters and may have {MAX_STOP_WORD_CHARS}")]
    TooLong {
        /// Its place in the list, from 0.
        index: usize,
        /// How many it has.
        chars: usize,
    },
    /// Nothing to be seen in it.
    #[error("stop word {index} is empty")]
    Empty {
        /// Its place in the list, from 0.
        index: usize,
    },
    /// Holds NUL, a line break or another control character.
    #[error("stop word {index} has a control character")]
    ControlCharacter {
        /// Its place in the list, from 0.
        index: usize,
    },
}

impl StopWords {
    /// Reads a list. A word that differs from an earlier one only in what is not compared is
    /// left out.
    ///
    /// # Errors
    /// Too many words, or one that is too long, empty or has a control character.
    pub fn new<S: AsRef<str>>(words: &[S]) -> Result<Self, StopWordsError> {
        if words.len() > MAX_STOP_WORDS {
            return Err(StopWordsError::TooMany { words: words.len() });
        }
        let mut known: Vec<StopWord> = Vec::with_capacity(words.len());
        for (index, word) in words.iter().enumerate() {
            let word = word.as_ref().trim();
            let chars = word.chars().count();
            if chars > MAX_STOP_WORD_CHARS {
                return Err(StopWordsError::TooLong { index, chars });
            }
            if word.contains(char::is_control) {
                return Err(StopWordsError::ControlCharacter { index });
            }
            let key = key(word);
            if key.is_empty() {
                return Err(StopWordsError::Empty { index });
            }
            if known.iter().all(|other| other.key != key) {
                known.push(StopWord { word: word.to_owned(), key });
            }
        }
        Ok(Self(known))
    }

    /// Whether no word is listed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The words, as listed.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|stop| stop.word.as_str())
    }

    /// The word that the whole message is, as listed. Case, accents and what is neither a letter nor a
    /// digit around it make no difference: punctuation, WhatsApp's own formatting, emoji.
    pub fn find(&self, message: &str) -> Option<&str> {
        if self.is_empty() || message.len() > MAX_MESSAGE_BYTES {
            return None;
        }
        let key = key(message);
        self.0.iter().find(|stop| stop.key == key).map(|stop| stop.word.as_str())
    }
}

/// What is compared of a word or a message.
fn key(text: &str) -> String {
    let folded = folded(text);
    let bare = folded.trim_matches(|c: char| !c.is_alphanumeric());
    // "!" may be a stop word itself.
    let bare = if bare.is_empty() { folded.as_str() } else { bare };
    bare.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> StopWords {
        StopWords::new(list).expect("stop words")
    }

    #[test]
    fn the_whole_message_is_compared_without_case_and_accents() {
        let stop = words(&["STOP", "Não quero", "Отписаться", "停止", "🛑", "!"]);
        for (message, word) in [
            ("stop", Some("STOP")),
            (" Stop.\n", Some("STOP")),
            ("*STÓP*!", Some("STOP")),
            ("ＳＴＯＰ", Some("STOP")),
            ("st\u{200B}op", None),
            ("nao  QUERO", Some("Não quero")),
            ("отписаться", Some("Отписаться")),
            ("停止。", Some("停止")),
            ("🛑", Some("🛑")),
            ("!", Some("!")),
            ("stop?", Some("STOP")),
            ("STOP,", Some("STOP")),
            ("(stop)", Some("STOP")),
            ("/stop", Some("STOP")),
            ("¿Stop?", Some("STOP")),
            ("- STOP -", Some("STOP")),
            ("STOP।", Some("STOP")),
            ("STOP 🙏", Some("STOP")),
            ("stop\u{200B}", Some("STOP")),
            ("stop 2", None),
            ("stop stop", None),
            ("please stop", None),
            ("don't stop", None),
            ("stopp", None),
            ("", None),
            ("...", None),
            ("s t o p", None),
        ] {
            assert_eq!(stop.find(message), word, "{message:?}");
        }
        assert_eq!(stop.find(&format!("stop{}", " ".repeat(2000))), None);
        assert_eq!(StopWords::default().find(""), None);
    }

    #[test]
    fn lists_are_limited() {
        let many: Vec<_> = (0..51).map(|n| n.to_string()).collect();
        assert_eq!(StopWords::new(&many), Err(StopWordsError::TooMany { words: 51 }));
        assert_eq!(
            words(&many[..50].iter().map(String::as_str).collect::<Vec<_>>()).iter().count(),
            50
        );
        let long = "é".repeat(41);
        let error = StopWordsError::TooLong { index: 1, chars: 41 };
        assert_eq!(StopWords::new(&["stop", &long]), Err(error));
        assert!(StopWords::new(&["é".repeat(40)]).is_ok());
        for empty in ["", "  ", "\u{301}", "\u{FEFF}"] {
            assert_eq!(
                StopWords::new(&[empty]),
                Err(StopWordsError::Empty { index: 0 }),
                "{empty:?}"
            );
        }
        for control in ["st\0op", "st\nop", "a\u{1B}"] {
            let error = StopWordsError::ControlCharacter { index: 0 };
            assert_eq!(StopWords::new(&[control]), Err(error));
        }
    }

    #[test]
    fn equal_words_are_kept_once() {
        assert_eq!(words(&["STOP", "stop.", " Stóp "]).iter().collect::<Vec<_>>(), ["STOP"]);
    }
}
