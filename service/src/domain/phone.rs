//! Phone numbers, WhatsApp user ids, and the match key, which is equal for all forms of a number.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Once;

use thiserror::Error;

const MIN_DIGITS: usize = 7;
const MAX_DIGITS: usize = 15;

/// A phone number as WhatsApp writes it: 7 to 15 digits, country code first, no `+`.
///
/// The digits are kept as given; only separators are removed. Two forms of one person's number are two
/// different `PhoneNumber`s with the same [`MatchKey`]. `Debug` shows only the last two digits, so that
/// numbers do not leak into logs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber {
    /// ASCII digits, padded with zero bytes so that the derived order is that of the text.
    digits: [u8; MAX_DIGITS],
    len: u8,
}

/// Why a text is not a phone number. Each message says what to send and never repeats the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PhoneError {
    /// Contains no digit.
    #[error("no phone number: send the country code and the number, such as 15551234567")]
    Empty,
    /// Fewer than 7 or more than 15 digits.
    #[error(
        "the phone number has {digits} digits: send 7 to 15, country code included, such as \
         15551234567"
    )]
    Length {
        /// Number of digits in the text.
        digits: usize,
    },
    /// Starts with a trunk `0` or the `00` prefix.
    #[error(
        "the phone number starts with 0: send the country code first, 447700900123 instead of \
         07700900123 or 00447700900123"
    )]
    LeadingZero,
    /// Contains a trunk prefix in parentheses, `(0)`, which is not dialled from abroad.
    #[error(
        "the phone number has a (0) after the country code: leave it out and send +44 7700 900123 instead \
         of +44 (0)7700 900123"
    )]
    TrunkZero,
    /// The country calling code is not assigned.
    #[error(
        "the phone number starts with a country code that is not assigned: send the country code \
         and the number, such as 15551234567"
    )]
    UnknownCountryCode,
    /// Contains a letter.
    #[error("the phone number has a letter: send digits only, such as 15551234567")]
    Letter,
    /// Contains digits of another script, such as Arabic-Indic or fullwidth digits.
    #[error(
        "the phone number has digits other than 0-9 (Arabic-Indic or fullwidth, say): send 0-9 \
         only, such as 15551234567"
    )]
    ForeignDigit,
    /// Contains a control character, or an invisible one such as U+202E.
    #[error(
        "the phone number has a control or invisible character, as copies from address books do: \
         send digits only, such as 15551234567"
    )]
    InvisibleCharacter,
    /// Contains a character that is not a separator.
    #[error(
        "the phone number has a character other than digits, a leading +, spaces, dashes, dots \
         and parentheses: send one number, such as +1 (555) 123-4567"
    )]
    UnexpectedCharacter,
    /// The text is a WhatsApp user id.
    #[error(
        "this is a WhatsApp user id: send it as whatsapp_user_id, and here a phone number such as \
         15551234567"
    )]
    UserId,
}

impl PhoneNumber {
    /// Parses a phone number. A leading `+`, spaces, dashes, dots and parentheses are ignored.
    ///
    /// Does not allocate and does not use the phone number database, so it is fast enough for opt-in
    /// checks, and every caller parses numbers the same way.
    ///
    /// # Errors
    /// Ambiguous input is rejected and not repaired, because a wrong guess is another person's number.
    pub fn parse(text: &str) -> Result<Self, PhoneError> {
        let mut digits = [0; MAX_DIGITS];
        let mut len = 0;
        let mut plus = false;
        for (at, c) in text.char_indices() {
            match c {
                '0'..='9' => {
                    if let Some(slot) = digits.get_mut(len) {
                        *slot = c as u8;
                    }
                    len += 1;
                }
                '+' if !plus && len == 0 => plus = true,
                ')' if len > 1 && text[..at].ends_with("(0") => return Err(PhoneError::TrunkZero),
                ' ' | '-' | '.' | '(' | ')' => {}
                // No-break spaces, dashes and the minus sign, which word processors insert.
                '\u{A0}' | '\u{202F}' | '\u{2010}'..='\u{2015}' | '\u{2212}' => {}
                other => return Err(PhoneError::for_character(text, other)),
            }
        }
        match len {
            0 => Err(PhoneError::Empty),
            _ if digits[0] == b'0' => Err(PhoneError::LeadingZero),
            MIN_DIGITS..=MAX_DIGITS if !is_assigned(&digits) => Err(PhoneError::UnknownCountryCode),
            MIN_DIGITS..=MAX_DIGITS => Ok(Self { digits, len: len as u8 }),
            digits => Err(PhoneError::Length { digits }),
        }
    }

    /// Reads a phone number from an integer: its digits, country code first.
    ///
    /// # Errors
    /// As [`parse`](Self::parse) for the same digits.
    pub fn from_integer(number: u64) -> Result<Self, PhoneError> {
        if number == 0 {
            return Err(PhoneError::Empty);
        }
        let len = number.ilog10() as usize + 1;
        if !(MIN_DIGITS..=MAX_DIGITS).contains(&len) {
            return Err(PhoneError::Length { digits: len });
        }
        let mut digits = [0; MAX_DIGITS];
        let mut rest = number;
        for digit in digits[..len].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        match is_assigned(&digits) {
            true => Ok(Self { digits, len: len as u8 }),
            false => Err(PhoneError::UnknownCountryCode),
        }
    }

    /// The digits, country code first.
    pub fn as_str(&self) -> &str {
        // Only ASCII digits are ever stored, so the fallback is never taken.
        str::from_utf8(&self.digits[..usize::from(self.len)]).unwrap_or_default()
    }

    /// The match key, which is the same for every form of this number.
    pub fn match_key(&self) -> MatchKey {
        MatchKey::phone(self)
    }

    /// Other forms of this number that WhatsApp may use for the same person. Currently at most one.
    pub fn variants(&self) -> impl Iterator<Item = Self> + use<> {
        self.twin().into_iter()
    }

    /// The canonical form, which is the longer one. For match keys only; the stored number keeps its
    /// form.
    fn canonical(&self) -> Self {
        match self.twin() {
            Some(twin) if twin.len > self.len => twin,
            _ => *self,
        }
    }

    /// The number with or without the digit that is optional in Mexico, Argentina and Brazil.
    fn twin(&self) -> Option<Self> {
        let (at, digit) = match &self.digits[..2] {
            b"52" => (2, b'1'),
            b"54" => (2, b'9'),
            b"55" => (4, b'9'),
            _ => return None,
        };
        let mut twin = *self;
        match self.len {
            12 => {
                twin.digits.copy_within(at..12, at + 1);
                twin.digits[at] = digit;
                twin.len = 13;
            }
            13 if self.digits[at] == digit => {
                twin.digits.copy_within(at + 1..13, at);
                twin.digits[12] = 0;
                twin.len = 12;
            }
            _ => return None,
        }
        let long = if twin.len == 13 { &twin } else { self };
        let is_brazil = at == 4;
        (!is_brazil || long.is_brazilian_mobile_with_short_form()).then_some(twin)
    }

    /// Landlines have no ninth digit, and mobile numbers `9[0-5]…` were never issued without it.
    fn is_brazilian_mobile_with_short_form(&self) -> bool {
        let area_is_real = !self.digits[2..4].contains(&b'0');
        area_is_real && (b'6'..=b'9').contains(&self.digits[5])
    }
}

impl PhoneError {
    fn for_character(text: &str, c: char) -> Self {
        if matches!(text.as_bytes(), [b'A'..=b'Z', b'A'..=b'Z', b'.', ..]) {
            Self::UserId
        } else if c.is_alphabetic() {
            Self::Letter
        } else if c.is_numeric() {
            Self::ForeignDigit
        } else if c.is_control() || is_invisible(c) {
            Self::InvisibleCharacter
        } else {
            Self::UnexpectedCharacter
        }
    }
}

/// Zero-width characters and direction marks.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{61C}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

/// Whether the number begins with a country calling code assigned in ITU-T E.164.
///
/// Codes have one to three digits and none is a prefix of another, so the first three digits decide.
/// 200 to 209, for example, is Egypt's code 20 and any digit.
#[rustfmt::skip]
fn is_assigned(digits: &[u8; MAX_DIGITS]) -> bool {
    let prefix = digits[..3].iter().fold(0, |sum, d| sum * 10 + u16::from(d - b'0'));
    matches!(
        prefix,
        100..=209 | 211..=213 | 216 | 218 | 220..=258 | 260..=279 | 290..=291 | 297..=299
            | 300..=349 | 350..=383 | 385..=387 | 389..=421 | 423 | 430..=499
            | 500..=599 | 600..=670 | 672..=683 | 685..=692 | 700..=799
            | 800 | 808 | 810..=829 | 840..=850 | 852..=853 | 855..=856 | 860..=870 | 878
            | 880..=883 | 886 | 888 | 900..=968 | 970..=977 | 979..=989 | 992..=996 | 998
    )
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.as_str();
        write!(f, "PhoneNumber(..{})", &digits[digits.len() - 2..])
    }
}

/// Identifies a person within a workspace. All forms of a phone number have the same match key.
///
/// The text is `p` and the digits of a phone number, `u` and a WhatsApp user id, or `h` and the keyed
/// hash of such a key for a person whose identity must not be stored (see
/// [`Keyring`](super::keyring::Keyring)).
#[derive(Clone)]
pub struct MatchKey(KeyText);

/// Most bytes of a key that are not on the heap: those of all phone numbers, and of most user ids.
/// A row of an import makes a dozen copies of its keys.
const INLINE: usize = 22;

#[derive(Clone)]
enum KeyText {
    Inline { len: u8, bytes: [u8; INLINE] },
    Long(Box<str>),
}

impl MatchKey {
    /// The key of a phone number.
    pub fn phone(number: &PhoneNumber) -> Self {
        Self::prefixed("p", number.canonical().as_str())
    }

    /// The key of a WhatsApp user id.
    pub fn user(id: &WhatsAppUserId) -> Self {
        Self::prefixed("u", id.as_str())
    }

    /// A keyed hash, see [`Keyring::hashed`](super::keyring::Keyring::hashed).
    pub fn hashed(version: u32, code: &str) -> Self {
        Self::from_stored(format!("h{version}:{code}"))
    }

    /// Whether it is a keyed hash, which does not reveal the person.
    pub fn is_hashed(&self) -> bool {
        self.as_bytes().starts_with(b"h")
    }

    /// The key as it is stored.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            // Texts only are stored, so the fallback is never taken.
            KeyText::Inline { .. } => str::from_utf8(self.as_bytes()).unwrap_or_default(),
            KeyText::Long(text) => text,
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            KeyText::Inline { len, bytes } => &bytes[..usize::from(*len)],
            KeyText::Long(text) => text.as_bytes(),
        }
    }

    /// Whether it is the key of a phone number.
    pub fn is_phone(&self) -> bool {
        self.as_bytes().starts_with(b"p")
    }

    /// Wraps a key read from the database, without validation.
    pub fn from_stored(key: String) -> Self {
        Self::inline("", &key).unwrap_or_else(|| Self(KeyText::Long(key.into_boxed_str())))
    }

    fn prefixed(kind: &str, id: &str) -> Self {
        Self::inline(kind, id)
            .unwrap_or_else(|| Self(KeyText::Long(format!("{kind}{id}").into_boxed_str())))
    }

    /// The text of both parts, if it is short.
    fn inline(kind: &str, id: &str) -> Option<Self> {
        let (mut bytes, len) = ([0; INLINE], kind.len() + id.len());
        let (before, after) = bytes.get_mut(..len)?.split_at_mut(kind.len());
        before.copy_from_slice(kind.as_bytes());
        after.copy_from_slice(id.as_bytes());
        Some(Self(KeyText::Inline { len: len as u8, bytes }))
    }
}

// The order of bytes is that of the texts.

impl PartialEq for MatchKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for MatchKey {}

impl PartialOrd for MatchKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for MatchKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for MatchKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for MatchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MatchKey(..)")
    }
}

/// Parses a phone number and returns its match key.
///
/// # Errors
/// As [`PhoneNumber::parse`].
pub fn match_key_of(text: &str) -> Result<MatchKey, PhoneError> {
    PhoneNumber::parse(text).map(|number| number.match_key())
}

/// Plausibility of a number according to the public numbering plans. A hint only, never a reason to
/// reject a number: the plans lag behind the operators and do not include the forms WhatsApp uses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PhoneVerdict {
    /// The number fits its country's numbering plan.
    pub valid: bool,
    /// Two-letter CLDR region. `None` for numbers of no region, such as +800.
    pub region: Option<String>,
}

/// Looks up a number in the numbering plans. Takes microseconds and a global lock, so it is not for
/// opt-in checks.
///
/// The `phonenumber` crate calls `unwrap`, but not on a path that `+` and 7 to 15 digits can reach. A
/// property test covers this.
pub fn classify(number: &PhoneNumber) -> PhoneVerdict {
    /// Capacity of the crate's cache of compiled patterns. A country needs about twelve patterns. With
    /// the default of 100, an import of numbers from nine countries recompiles patterns all the time
    /// (400 µs per number instead of 9). 400 patterns use less than 100 MB.
    const PATTERNS: usize = 400;
    static WIDEN: Once = Once::new();
    WIDEN.call_once(|| {
        if let Ok(mut cache) = phonenumber::metadata::DATABASE.cache().lock() {
            cache.set_capacity(PATTERNS);
        }
    });

    // The plus sign makes the number international. With a default region, the crate would change it.
    let Ok(parsed) = phonenumber::parse(None, format!("+{number}")) else {
        return PhoneVerdict::default();
    };
    PhoneVerdict {
        valid: parsed.is_valid(),
        region: parsed.country().id().map(|id| id.as_ref().to_owned()),
    }
}

/// A WhatsApp user id, such as `US.13491208655302741918`: an opaque id that Meta assigns to a person
/// for one business. Kept as sent.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WhatsAppUserId(String);

/// Why a text is not a WhatsApp user id. The message never repeats the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UserIdError {
    /// The text is a phone number.
    #[error(
        "this is a phone number: send it as phone_number, and here a WhatsApp user id such as \
         US.13491208655302741918"
    )]
    PhoneNumber,
    /// The text does not have the form of a user id.
    #[error(
        "no WhatsApp user id: send the one from Meta's webhook unchanged, two capital letters, a \
         dot and 1 to 128 letters or digits, such as US.13491208655302741918 or \
         US.ENT.11815799212886844830"
    )]
    Malformed,
}

impl WhatsAppUserId {
    /// Parses an id of the ordinary form or of the parent form (`US.ENT.…`).
    ///
    /// # Errors
    /// Any other text, including an id surrounded by spaces.
    pub fn parse(text: &str) -> Result<Self, UserIdError> {
        if PhoneNumber::parse(text).is_ok() {
            return Err(UserIdError::PhoneNumber);
        }
        let (country, rest) = text.split_once('.').ok_or(UserIdError::Malformed)?;
        let id = rest.strip_prefix("ENT.").unwrap_or(rest);
        let well_formed = country.len() == 2
            && country.bytes().all(|b| b.is_ascii_uppercase())
            && (1..=128).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric());
        if well_formed { Ok(Self(text.to_owned())) } else { Err(UserIdError::Malformed) }
    }

    /// The id as Meta sent it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The match key of the id.
    pub fn match_key(&self) -> MatchKey {
        MatchKey::user(self)
    }
}

impl fmt::Display for WhatsAppUserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for WhatsAppUserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WhatsAppUserId(..)")
    }
}

#[cfg(test)]
mod tests;
