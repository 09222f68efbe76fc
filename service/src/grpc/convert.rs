//! Between the API's messages and the domain: the only conversions besides the
//! stored record's. One file for each kind of thing, both directions in it.

pub mod attribute;
pub mod consent;
pub mod contact;
pub mod contact_mask;
pub mod identity;
pub mod import;
pub mod mask;
pub mod recipient;
pub mod tag;
pub mod time;
pub mod workspace;

use std::fmt::Display;

use crate::domain::error::{Error, Reason, Result};

/// Reads an enum's number. One this server does not know is refused: guessing
/// what a newer client means is no service to it.
pub fn known<E: TryFrom<i32>>(field: &str, number: i32) -> Result<E> {
    E::try_from(number).map_err(|_| {
        let message = format!("{field}: this server does not know the enum value {number}");
        Error::invalid(Reason::InvalidArgument, field, message)
    })
}

/// Refuses a field only the server sets.
pub fn output_only(field: impl Display, advice: impl Display) -> Error {
    let message = format!("{field} is set by the server: {advice}");
    Error::invalid(Reason::OutputOnlyField, field.to_string(), message)
}
