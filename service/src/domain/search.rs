//! Name search: splits names and queries into normalised words.
//!
//! The databases do not tokenise, fold or stem anything. Words are computed here, stored joined by
//! spaces and compared as bytes, so that all engines return the same results.

use thiserror::Error;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Longer words are truncated, in names and in queries.
const MAX_WORD_CHARS: usize = 64;
/// Number of words of a name that are indexed. Later words are not searchable.
const MAX_NAME_WORDS: usize = 16;
/// Maximum length of a query, in characters.
pub const MAX_QUERY_CHARS: usize = 256;
/// Maximum number of different words in a query.
pub const MAX_QUERY_WORDS: usize = 8;
/// A word that no name contains, because words consist of letters and digits.
pub const IN_NO_NAME: &str = "\u{10FFFD}";

/// Why a query is rejected. The message never repeats the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SearchError {
    /// More than [`MAX_QUERY_CHARS`] characters.
    #[error(
        "the query has {chars} characters and may have {MAX_QUERY_CHARS}: send the beginnings of a \
         few words of the name"
    )]
    TooLong {
        /// Number of characters in the query.
        chars: usize,
    },
    /// More than [`MAX_QUERY_WORDS`] different words.
    #[error(
        "the query has {words} different words and may have {MAX_QUERY_WORDS}: send the beginnings \
         of a few words of the name"
    )]
    TooManyWords {
        /// Number of different words in the query.
        words: usize,
    },
    /// The query is not blank but contains no letter or digit. No name can match. This is an error
    /// because an empty list of words means that there is no query, which matches everybody.
    #[error(
        "the query has no letter or digit, so no name matches: send the beginnings of a few words \
         of the name"
    )]
    NoWords,
}

/// The words of a name: case-folded, without accents and without repetitions, in order. At most 16
/// words of at most 64 characters.
pub fn words(text: &str) -> Vec<String> {
    let mut words = split(text);
    words.truncate(MAX_NAME_WORDS);
    words
}

/// The words of a query, normalised like those of a name. Empty only for a blank query, which matches
/// every name.
///
/// # Errors
/// See [`SearchError`]. A caller may treat [`SearchError::NoWords`] as an empty result.
pub fn query_words(text: &str) -> Result<Vec<String>, SearchError> {
    let chars = text.chars().count();
    if chars > MAX_QUERY_CHARS {
        return Err(SearchError::TooLong { chars });
    }
    let words = split(text);
    match words.len() {
        0 if !text.trim().is_empty() => Err(SearchError::NoWords),
        ..=MAX_QUERY_WORDS => Ok(words),
        words => Err(SearchError::TooManyWords { words }),
    }
}

/// Whether every word of the query is a prefix of some word of the name. This is the reference for the
/// SQL of each engine.
pub fn matches(name_words: &[String], query_words: &[String]) -> bool {
    query_words.iter().all(|query| name_words.iter().any(|word| word.starts_with(query.as_str())))
}

/// The text that the search index stores for a contact: the words of both names, joined by spaces.
pub fn normalised(first_name: &str, last_name: &str) -> String {
    words(&format!("{first_name} {last_name}")).join(" ")
}

/// The text without case, accents and invisible characters.
pub(super) fn folded(text: &str) -> String {
    // NFC at the end makes が one character, so that か is not a prefix of it.
    match text.is_ascii() {
        true => text.to_ascii_lowercase(),
        false => text.nfkd().filter(|c| !is_dropped(*c)).flat_map(fold).nfc().collect(),
    }
}

fn split(text: &str) -> Vec<String> {
    let folded = folded(text);
    let mut words: Vec<String> = Vec::new();
    for word in folded.split(|c: char| !c.is_alphanumeric() && !is_combining_mark(c)) {
        let word: String = word.chars().take(MAX_WORD_CHARS).collect();
        // A combining mark without a letter is not a word.
        if word.contains(char::is_alphanumeric) && !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

/// Folds the case of a decomposed character, and replaces letters that many keyboards lack with those
/// people type instead.
fn fold(c: char) -> impl Iterator<Item = char> {
    let (first, second) = match c.to_lowercase().next().unwrap_or(c) {
        'ß' => ('s', Some('s')),
        'æ' => ('a', Some('e')),
        'œ' => ('o', Some('e')),
        'ø' => ('o', None),
        'ł' => ('l', None),
        'đ' => ('d', None),
        'ħ' => ('h', None),
        // The lower case of I is i, so YILDIZ would not match Yıldız.
        'ı' => ('i', None),
        'ς' => ('σ', None),
        other => (other, None),
    };
    std::iter::once(first).chain(second)
}

/// Whether a decomposed character is dropped: accents of alphabets, vowel points of Hebrew and Arabic,
/// and invisible characters. Marks of Thai, Indic scripts and kana are kept, because they are vowels
/// and consonants.
#[rustfmt::skip]
fn is_dropped(c: char) -> bool {
    matches!(c,
        // Latin, Greek and Cyrillic accents; Cyrillic numerals' signs.
        '\u{300}'..='\u{36F}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}'
        | '\u{20D0}'..='\u{20FF}' | '\u{FE20}'..='\u{FE2F}'
        | '\u{483}'..='\u{489}' | '\u{2DE0}'..='\u{2DFF}' | '\u{A66F}'..='\u{A672}'
        | '\u{A674}'..='\u{A67D}' | '\u{A69E}'..='\u{A69F}'
        // Hebrew points and cantillation, without the maqaf (a hyphen) among them.
        | '\u{591}'..='\u{5BD}' | '\u{5BF}' | '\u{5C1}'..='\u{5C2}' | '\u{5C4}'..='\u{5C5}' | '\u{5C7}'
        // Arabic harakat, hamza above and below, Quranic signs; the tatweel that stretches a word.
        | '\u{610}'..='\u{61A}' | '\u{640}' | '\u{64B}'..='\u{65F}' | '\u{670}'
        | '\u{6D6}'..='\u{6DC}' | '\u{6DF}'..='\u{6E4}' | '\u{6E7}'..='\u{6E8}' | '\u{6EA}'..='\u{6ED}'
        | '\u{8CA}'..='\u{8E1}' | '\u{8E3}'..='\u{8FF}'
        // Joiners, direction marks, soft hyphen, variation selectors.
        | '\u{AD}' | '\u{61C}' | '\u{200C}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_of_names() {
        for (text, expected) in [
            ("João  da Silva", "joao da silva"),
            ("ÉLISABETH O'Brien-Łódź", "elisabeth o brien lodz"),
            ("Straße STRASSE", "strasse"),
            ("Ærø Œuvre Đorđe", "aero oeuvre dorde"),
            ("YILDIZ Yıldız İnci", "yildiz inci"),
            ("ﬁona Ａｂｃ ①", "fiona abc 1"),
            ("Νίκος ΝΊΚΟΣ Ἀχιλλεύς", "νικοσ αχιλλευσ"),
            ("Семён Їжак", "семен іжак"),
            ("مُحَمَّد محمـــد أحمد", "محمد احمد"),
            ("علی\u{200C}رضا", "علیرضا"),
            ("שָׁלוֹם בן־דוד", "שלום בן דוד"),
            ("กิตติ นะวะมันดร", "กิตติ นะวะมันดร"),
            ("नीतीश कुमार", "नीतीश कुमार"),
            ("ｶﾞｸﾄ", "ガクト"),
            ("王小明", "王小明"),
            ("김민수", "김민수"),
            ("👩\u{200D}💻 Ada 🇧🇷", "ada"),
            ("\u{3099} , \u{301}", ""),
            ("Ana\u{1b}[31m\r\nAna", "ana 31m"),
            ("' OR 1=1-- %_\\ NEAR(x * \"y\") a&b|!c:*<->", "or 1 near x y a b c"),
        ] {
            assert_eq!(words(text).join(" "), expected, "{text:?}");
        }
    }

    #[test]
    fn long_words_and_names_are_truncated() {
        assert_eq!(words(&"é".repeat(70)), ["e".repeat(64)]);
        let many: String = (0..20).map(|n| format!("w{n} ")).collect();
        assert_eq!(words(&many).len(), MAX_NAME_WORDS);
    }

    #[test]
    fn query_limits() {
        assert_eq!(query_words(" \t"), Ok(vec![]));
        assert_eq!(query_words("%_\\"), Err(SearchError::NoWords));
        assert_eq!(query_words(&"é".repeat(256)).map(|w| w.len()), Ok(1));
        assert_eq!(query_words(&"é".repeat(257)), Err(SearchError::TooLong { chars: 257 }));
        assert_eq!(query_words("a b c d e f g h A b").map(|w| w.len()), Ok(8));
        assert_eq!(query_words("a b c d e f g h i"), Err(SearchError::TooManyWords { words: 9 }));
        assert_eq!(query_words("an anna"), Ok(vec!["an".to_owned(), "anna".to_owned()]));
    }

    #[test]
    fn every_query_word_must_be_a_prefix_of_a_name_word() {
        let found = |first, last, query| {
            let name: Vec<_> = normalised(first, last).split(' ').map(str::to_owned).collect();
            matches(&name, &query_words(query).unwrap())
        };
        assert!(found("João", "da Silva", "sil JOAO"));
        assert!(found("João", "da Silva", "jo joao"));
        assert!(found("João", "da Silva", ""));
        assert!(!found("João", "da Silva", "ilva"));
        assert!(!found("João", "da Silva", "joao souza"));
        assert!(found("王小明", "", "王小"));
        assert!(!found("王小明", "", "小明"));
        assert!(!found("がく", "", "か"));
        assert!(!found("", "", "a"));
    }

    proptest! {
        /// An index can therefore be rebuilt from the stored words.
        #[test]
        fn normalisation_is_idempotent(text in any::<String>()) {
            let once = words(&text);
            prop_assert_eq!(&words(&once.join(" ")), &once);
        }

        #[test]
        fn case_does_not_matter(text in "[a-zA-ZÀ-ÿА-яΑ-ωĀ-ſ ]{0,40}") {
            prop_assert_eq!(words(&text.to_uppercase()), words(&text));
        }

        #[test]
        fn a_name_is_found_by_its_own_words(first in any::<String>(), last in any::<String>()) {
            let stored = normalised(&first, &last);
            let name: Vec<_> = stored.split(' ').map(str::to_owned).collect();
            for word in &name {
                prop_assert!(matches(&name, &query_words(word).unwrap()));
            }
        }
    }
}
