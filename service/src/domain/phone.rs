//! How people are identified: phone numbers, WhatsApp user ids, and the key that makes all forms of
//! one person equal.

use std::fmt;
use std::sync::Once;

use thiserror::Error;

const MIN_DIGITS: usize = 7;
const MAX_DIGITS: usize = 15;

/// A phone number as WhatsApp writes it: 7 to 15 digits, country code first, no `+`.
///
/// Kept exactly as given apart from separators; two forms of one person stay two numbers and share a
/// [`MatchKey`]. `Debug` hides all but the last two digits, so that a log line cannot leak it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber {
    /// ASCII digits, zero bytes after the last: the derived order is that of the text.
    digits: [u8; MAX_DIGITS],
    len: u8,
}

/// Why a text is not a phone number. The variants are stable; each message says what to send and
/// never repeats the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PhoneError {
    /// There is no digit at all.
    #[error("no phone number: send the country code and the number, such as 15551234567")]
    Empty,
    /// Fewer than 7 or more than 15 digits.
    #[error(
        "the phone number has {digits} digits: send 7 to 15, country code included, such as \
         15551234567"
    )]
    Length {
        /// How many there are.
        digits: usize,
    },
    /// Starts with a trunk `0` or the `00` prefix.
    #[error(
        "the phone number starts with 0: send the country code first, 447700900123 instead of \
         07700900123 or 00447700900123"
    )]
    LeadingZero,
    /// Holds the `(0)` that is not dialled from abroad.
    #[error(
        "the phone number has a (0) after the country code: leave it out and send +44 7700 900123 instead \
         of +44 (0)7700 900123"
    )]
    TrunkZero,
    /// No country has this calling code.
    #[error(
        "the phone number starts with a country code that is not assigned: send the country code \
         and the number, such as 15551234567"
    )]
    UnknownCountryCode,
    /// Holds a letter.
    #[error("the phone number has a letter: send digits only, such as 15551234567")]
    Letter,
    /// Holds digits of another script, such as Arabic-Indic or fullwidth ones.
    #[error(
        "the phone number has digits other than 0-9 (Arabic-Indic or fullwidth, say): send 0-9 \
         only, such as 15551234567"
    )]
    ForeignDigit,
    /// Holds NUL, another control character, or an invisible one such as U+202E.
    #[error(
        "the phone number has a control or invisible character, as copies from address books do: \
         send digits only, such as 15551234567"
    )]
    InvisibleCharacter,
    /// Holds a character that is no separator.
    #[error(
        "the phone number has a character other than digits, a leading +, spaces, dashes, dots \
         and parentheses: send one number, such as +1 (555) 123-4567"
    )]
    UnexpectedCharacter,
    /// Is a WhatsApp user id.
    #[error(
        "this is a WhatsApp user id: send it as whatsapp_user_id, and here a phone number such as \
         15551234567"
    )]
    UserId,
}

impl PhoneNumber {
    /// Reads a number; a leading `+`, spaces, dashes, dots and parentheses are dropped.
    ///
    /// Cheap enough for the check path (no allocation, no phone number database), so everything
    /// reads numbers the same way.
    ///
    /// # Errors
    /// Anything ambiguous is refused, not repaired: a number guessed wrong is somebody else's.
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
                // No-break spaces, dashes and the minus sign, as word processors write them.
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

    /// The digits, country code first.
    pub fn as_str(&self) -> &str {
        // Only ASCII digits are ever stored, so the fallback is never taken.
        str::from_utf8(&self.digits[..usize::from(self.len)]).unwrap_or_default()
    }

    /// The key under which every form of this person's number is found.
    pub fn match_key(&self) -> MatchKey {
        MatchKey::phone(self)
    }

    /// The other forms in which WhatsApp may name the same person; at most one today.
    pub fn variants(&self) -> impl Iterator<Item = Self> + use<> {
        self.twin().into_iter()
    }

    /// The form that stands for all: the longer one. For keys only, never to be stored as the number.
    fn canonical(&self) -> Self {
        match self.twin() {
            Some(twin) if twin.len > self.len => twin,
            _ => *self,
        }
    }

    /// The same person with or without the digit that these three numbering plans make optional.
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

    /// Landlines never had a ninth digit, and mobiles `9[0-5]…` were issued after the short form.
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

/// Zero-width characters and the marks that turn the writing direction.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{61C}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

/// Whether the first three digits lie under a calling code that ITU-T E.164 assigns.
///
/// No code is a prefix of another, so three digits decide; `2 0x` is Egypt's `20`, and so on.
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

/// What identifies one person in a workspace: unique there, and equal for every form of a number.
///
/// `p` and digits for a phone, `u` and the id for a WhatsApp user id, `h` and a keyed hash of such
/// a key for somebody who may not be named (see [`Keyring`](super::keyring::Keyring)), so they can
/// never collide.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MatchKey(String);

impl MatchKey {
    /// The key of a phone number.
    pub fn phone(number: &PhoneNumber) -> Self {
        Self::prefixed('p', number.canonical().as_str())
    }

    /// The key of a WhatsApp user id.
    pub fn user(id: &WhatsAppUserId) -> Self {
        Self::prefixed('u', id.as_str())
    }

    /// The key of somebody who may not be named.
    pub fn hashed(version: u32, code: &str) -> Self {
        Self(format!("h{version}:{code}"))
    }

    /// Whether it names nobody.
    pub fn is_hashed(&self) -> bool {
        self.0.starts_with('h')
    }

    /// The key as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a phone number's.
    pub fn is_phone(&self) -> bool {
        self.0.starts_with('p')
    }

    /// A key that was stored before; it is not checked again.
    pub fn from_stored(key: String) -> Self {
        Self(key)
    }

    fn prefixed(kind: char, id: &str) -> Self {
        let mut key = String::with_capacity(1 + id.len());
        key.push(kind);
        key.push_str(id);
        Self(key)
    }
}

impl fmt::Debug for MatchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MatchKey(..)")
    }
}

/// The match key of a number as written by a caller: [`PhoneNumber::parse`] and
/// [`PhoneNumber::match_key`] in one call, for the check path.
///
/// # Errors
/// As [`PhoneNumber::parse`].
pub fn match_key_of(text: &str) -> Result<MatchKey, PhoneError> {
    PhoneNumber::parse(text).map(|number| number.match_key())
}

/// What the public numbering plans say of a number. A hint to show, never a reason to refuse: they
/// lag behind the operators and do not know the forms WhatsApp uses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PhoneVerdict {
    /// The number fits its country's numbering plan.
    pub valid: bool,
    /// Two-letter CLDR region, absent where the number belongs to none, such as +800.
    pub region: Option<String>,
}

/// Looks a number up in the numbering plans. For writes only: it takes microseconds and a global
/// lock.
///
/// The `phonenumber` crate has `unwrap`s; none can be reached with `+` and 7 to 15 digits (its data
/// was read and 4 million numbers of every country tried, see the property test below).
pub fn classify(number: &PhoneNumber) -> PhoneVerdict {
    /// About twelve patterns are used per country. The crate keeps 100, and an import that mixes
    /// nine countries then compiles each anew: 400 µs a number instead of 9. 400 patterns of
    /// all countries at once stay below 100 MB.
    const PATTERNS: usize = 400;
    static WIDEN: Once = Once::new();
    WIDEN.call_once(|| {
        if let Ok(mut cache) = phonenumber::metadata::DATABASE.cache().lock() {
            cache.set_capacity(PATTERNS);
        }
    });

    // A default region would corrupt the number, hence `None` and the plus sign.
    let Ok(parsed) = phonenumber::parse(None, format!("+{number}")) else {
        return PhoneVerdict::default();
    };
    PhoneVerdict {
        valid: parsed.is_valid(),
        region: parsed.country().id().map(|id| id.as_ref().to_owned()),
    }
}

/// Meta's business-scoped id of a person, such as `US.13491208655302741918`: opaque, valid only for
/// the business it was given to, and kept as it came.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WhatsAppUserId(String);

/// Why a text is not a WhatsApp user id. The message never repeats the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UserIdError {
    /// Is written like a phone number.
    #[error(
        "this is a phone number: send it as phone_number, and here a WhatsApp user id such as \
         US.13491208655302741918"
    )]
    PhoneNumber,
    /// Anything else.
    #[error(
        "no WhatsApp user id: send the one from Meta's webhook unchanged, two capital letters, a \
         dot and 1 to 128 letters or digits, such as US.13491208655302741918 or \
         US.ENT.11815799212886844830"
    )]
    Malformed,
}

impl WhatsAppUserId {
    /// Reads an id, of the ordinary or of the parent (`US.ENT.…`) form.
    ///
    /// # Errors
    /// Anything else, surrounding spaces included.
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

    /// The key under which this person is found.
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
