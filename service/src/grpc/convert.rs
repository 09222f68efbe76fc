//! Conversions between the API's messages and the domain's types, one file for
//! each kind of thing, with both directions in it. Only a contact is encoded
//! elsewhere, as the stored record.

pub(crate) mod api_token;
pub(crate) mod attribute;
pub(crate) mod consent;
pub(crate) mod contact;
pub(crate) mod contact_mask;
pub(crate) mod identity;
pub(crate) mod import;
mod mask;
pub(crate) mod receipt;
pub(crate) mod recipient;
pub(crate) mod tag;
pub(crate) mod time;
pub(crate) mod webhook;
pub(crate) mod workspace;

use std::fmt::Display;

use crate::domain::error::{Error, Reason, Result};

/// Decodes an enum's number. A number that this server does not know is refused,
/// since a default could mean something else than what a newer client asked for.
pub(crate) fn decode_enum<E: TryFrom<i32>>(field: &str, number: i32) -> Result<E> {
    E::try_from(number).map_err(|_| {
        let message = format!("{field}: this server does not know the enum value {number}");
        Error::invalid(Reason::InvalidArgument, field, message)
    })
}

/// The error for a field that only the server sets.
pub(crate) fn output_only(field: impl Display, advice: impl Display) -> Error {
    let message = format!("{field} is set by the server: {advice}");
    Error::invalid(Reason::OutputOnlyField, field.to_string(), message)
}
