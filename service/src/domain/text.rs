//! Validation of free text, shared by every resource. Text is stored byte for byte as sent; it is not
//! trimmed, normalised or repaired.

use unicode_normalization::char::is_combining_mark;

use super::error::{Error, Reason, Result};

/// Maximum number of combining marks on one letter. No script needs more; longer runs break displays.
const MAX_MARKS: usize = 16;

/// Maximum length of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextLimit {
    /// In characters (Unicode scalar values).
    pub max_chars: usize,
    /// In bytes of UTF-8.
    pub max_bytes: usize,
}

/// A first or last name.
pub const NAME: TextLimit = TextLimit::chars(200);
/// An email address; see [`validate_email`].
pub const EMAIL: TextLimit = TextLimit::chars(254);
/// The display name of a tag, an attribute or a workspace.
pub const DISPLAY_NAME: TextLimit = TextLimit::chars(100);
/// A description.
pub const DESCRIPTION: TextLimit = TextLimit::chars(1000);
/// The value of a string attribute.
pub const ATTRIBUTE_STRING: TextLimit = TextLimit::chars(1000);

impl TextLimit {
    /// A limit in characters of any script.
    pub const fn chars(max_chars: usize) -> Self {
        Self { max_chars, max_bytes: 4 * max_chars }
    }

    /// A limit in bytes.
    pub const fn bytes(max_bytes: usize) -> Self {
        Self { max_chars: max_bytes, max_bytes }
    }
}

/// Why a text is rejected.
///
/// The message continues a sentence that begins with the name of the field. It says what was found and
/// what may be sent, and never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// More characters than allowed.
    #[error("has {chars} characters and may have {max_chars}: send a shorter text")]
    TooManyChars {
        /// How many there are.
        chars: usize,
        /// How many there may be.
        max_chars: usize,
    },
    /// More bytes than allowed.
    #[error("has {bytes} bytes and may have {max_bytes}: send a shorter text")]
    TooManyBytes {
        /// How many there are.
        bytes: usize,
        /// How many there may be.
        max_bytes: usize,
    },
    /// NUL, or any other control character except TAB, LF, CR and ESC.
    #[error(
        "has the control character U+{code:04X} at character {position}: leave it out; only TAB, \
         LF, CR and ESC may be sent"
    )]
    ControlCharacter {
        /// Its code point.
        code: u32,
        /// Its position in characters, counted from 1.
        position: usize,
    },
    /// More combining marks in a row than any script needs.
    #[error(
        "has over {MAX_MARKS} combining marks in a row at character {position}: leave them out"
    )]
    TooManyMarks {
        /// Position of the first mark past the limit, in characters, counted from 1.
        position: usize,
    },
    /// Not an email address.
    #[error("is not an email address, {0}: send one such as ana@example.com, or leave it empty")]
    Email(EmailError),
}

/// Why a text is not an email address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// No `@`, or several.
    #[error("it has {0} @ signs and not one")]
    AtSigns(usize),
    /// Contains white space or a control character.
    #[error("it has a space or control character")]
    Space,
    /// Nothing stands before or after the `@`.
    #[error("a part beside the @ is empty")]
    EmptyPart,
    /// The domain begins or ends with a dot.
    #[error("its domain begins or ends with a dot")]
    DomainDot,
}

/// Validates a text.
///
/// Direction overrides, line breaks and ANSI escapes are accepted: text is data, and the program that
/// displays it has to escape it.
///
/// # Errors
/// The text is too long, contains NUL (which Postgres cannot store) or another control character that
/// text has no use for, or has too many combining marks in a row.
pub fn validate(text: &str, limit: TextLimit) -> Result<(), TextError> {
    let TextLimit { max_chars, max_bytes } = limit;
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte);
    if text.len() <= max_chars.min(max_bytes) && text.bytes().all(is_plain) {
        return Ok(());
    }
    let chars = text.chars().count();
    if chars > max_chars {
        return Err(TextError::TooManyChars { chars, max_chars });
    }
    if text.len() > max_bytes {
        return Err(TextError::TooManyBytes { bytes: text.len(), max_bytes });
    }
    let mut marks = 0;
    for (index, c) in text.chars().enumerate() {
        let position = index + 1;
        if c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{1B}') {
            return Err(TextError::ControlCharacter { code: u32::from(c), position });
        }
        marks = if is_combining_mark(c) { marks + 1 } else { 0 };
        if marks > MAX_MARKS {
            return Err(TextError::TooManyMarks { position });
        }
    }
    Ok(())
}

/// Validates an email address: one `@` with something on both sides, and no white space. Anything
/// stricter would reject addresses that work. Empty text is rejected; a caller for which it means "no
/// address" has to handle it first.
///
/// # Errors
/// As [`validate`] with [`EMAIL`], or [`TextError::Email`].
pub fn validate_email(email: &str) -> Result<(), TextError> {
    validate(email, EMAIL)?;
    let error = if email.contains(|c: char| c.is_whitespace() || c.is_control()) {
        EmailError::Space
    } else {
        match email.split_once('@') {
            Some((_, domain)) if domain.contains('@') => {
                EmailError::AtSigns(email.matches('@').count())
            }
            Some((local, domain)) if local.is_empty() || domain.is_empty() => EmailError::EmptyPart,
            Some((_, domain)) if domain.starts_with('.') || domain.ends_with('.') => {
                EmailError::DomainDot
            }
            Some(_) => return Ok(()),
            None => EmailError::AtSigns(0),
        }
    };
    Err(TextError::Email(error))
}

/// [`validate`] for a field of a request.
///
/// # Errors
/// An [`Error`] that names the field.
pub fn validate_field(field: &str, text: &str, limit: TextLimit) -> Result<()> {
    validate(text, limit).map_err(|error| error.into_error(field))
}

/// [`validate_email`] for a field of a request.
///
/// # Errors
/// An [`Error`] that names the field.
pub fn validate_email_field(field: &str, email: &str) -> Result<()> {
    validate_email(email).map_err(|error| error.into_error(field))
}

impl TextError {
    /// The error of a field of a request.
    pub fn into_error(self, field: &str) -> Error {
        let reason = match self {
            Self::TooManyChars { .. } | Self::TooManyBytes { .. } => Reason::LimitExceeded,
            Self::ControlCharacter { .. } | Self::TooManyMarks { .. } => Reason::InvalidText,
            Self::Email(_) => Reason::InvalidEmail,
        };
        Error::invalid(reason, field, format!("{field} {self}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_in_all_scripts_are_valid() {
        for name in [
            "",
            "José",
            " padded ",
            "שלום \u{202E}abc",
            "👩\u{200D}👩\u{200D}👧\u{FE0F}",
            "王小明",
            "नीतीश",
            "Ana\r\n\tNina",
            "\u{1B}[31mred\u{1B}[0m",
            &"é".repeat(200),
            &"🎉".repeat(200),
            &format!("a{}", "\u{301}".repeat(16)),
        ] {
            assert_eq!(validate(name, NAME), Ok(()), "{name:?}");
        }
    }

    #[test]
    fn control_characters_and_long_texts_are_rejected() {
        let control = |code, position| TextError::ControlCharacter { code, position };
        for (text, error) in [
            ("a\0b", control(0, 2)),
            ("é\u{8}", control(8, 2)),
            ("\u{7F}", control(0x7F, 1)),
            ("\u{9B}31m", control(0x9B, 1)),
            (&*"x".repeat(201), TextError::TooManyChars { chars: 201, max_chars: 200 }),
            (&"x".repeat(10 << 20), TextError::TooManyChars { chars: 10 << 20, max_chars: 200 }),
            (&format!("a{}", "\u{301}".repeat(17)), TextError::TooManyMarks { position: 18 }),
            (&"\u{301}".repeat(200), TextError::TooManyMarks { position: 17 }),
        ] {
            assert_eq!(validate(text, NAME), Err(error));
        }
        let error = TextError::TooManyBytes { bytes: 6, max_bytes: 5 };
        assert_eq!(validate("ééé", TextLimit::bytes(5)), Err(error));
    }

    #[test]
    fn error_messages() {
        let message = |result: Result<(), TextError>| result.unwrap_err().to_string();
        assert_eq!(
            message(validate("a\0", NAME)),
            "has the control character U+0000 at character 2: leave it out; only TAB, LF, CR and ESC \
             may be sent"
        );
        assert_eq!(
            message(validate_email("ana")),
            "is not an email address, it has 0 @ signs and not one: send one such as ana@example.com, \
             or leave it empty"
        );
    }

    #[test]
    fn emails() {
        for email in ["ana@example.com", "a.b+c@localhost", "用户@例子.中国", "o'x\"@a-b.c"] {
            assert_eq!(validate_email(email), Ok(()), "{email}");
        }
        for (email, error) in [
            ("", EmailError::AtSigns(0)),
            ("ana.example.com", EmailError::AtSigns(0)),
            ("a@b@c", EmailError::AtSigns(2)),
            ("@example.com", EmailError::EmptyPart),
            ("ana@", EmailError::EmptyPart),
            ("ana @example.com", EmailError::Space),
            ("ana\u{A0}x@example.com", EmailError::Space),
            ("ana@example.com\n", EmailError::Space),
            ("\u{1B}@example.com", EmailError::Space),
            ("ana@.example.com", EmailError::DomainDot),
            ("ana@example.com.", EmailError::DomainDot),
        ] {
            assert_eq!(validate_email(email), Err(TextError::Email(error)), "{email:?}");
        }
        let long = format!("{}@example.com", "a".repeat(288));
        let error = TextError::TooManyChars { chars: 300, max_chars: 254 };
        assert_eq!(validate_email(&long), Err(error));
    }

    proptest! {
        #[test]
        fn never_panics_and_never_repeats_the_text(text in "\\PC{12,300}") {
            for result in [validate(&text, NAME), validate_email(&text)] {
                if let Err(error) = result {
                    prop_assert!(!error.to_string().contains(&text));
                }
            }
        }

        #[test]
        fn a_valid_text_is_within_its_limit(text in any::<String>()) {
            if validate(&text, TextLimit::bytes(20)).is_ok() {
                prop_assert!(text.len() <= 20 && !text.contains('\0'));
            }
        }
    }
}
