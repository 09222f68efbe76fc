//! The fields of an encoded message, read in place.

use std::num::TryFromIntError;
use std::str::Utf8Error;

use prost::DecodeError;
use prost::encoding::{DecodeContext, WireType, decode_varint, skip_field};

/// What was received is no such message.
pub(super) struct Damaged;

/// The fields of a message, in the order they were encoded in.
pub(super) struct Fields<'b>(pub(super) &'b [u8]);

pub(super) enum Field<'b> {
    Bytes(&'b [u8]),
    Fixed64(u64),
    Varint(u64),
    Other,
}

impl<'b> Field<'b> {
    pub fn bytes(self) -> Result<&'b [u8], Damaged> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(Damaged),
        }
    }

    pub fn text(self) -> Result<&'b str, Damaged> {
        Ok(str::from_utf8(self.bytes()?)?)
    }
}

impl<'b> Fields<'b> {
    #[inline]
    fn field(&mut self) -> Result<(u32, Field<'b>), Damaged> {
        let key = u32::try_from(self.varint()?)?;
        let number = key >> 3;
        if number == 0 {
            return Err(Damaged);
        }
        let field = match WireType::try_from(u64::from(key & 7))? {
            WireType::LengthDelimited => {
                let length = usize::try_from(self.varint()?)?;
                let (bytes, rest) = self.0.split_at_checked(length).ok_or(Damaged)?;
                self.0 = rest;
                Field::Bytes(bytes)
            }
            WireType::SixtyFourBit => {
                let (bytes, rest) = self.0.split_first_chunk().ok_or(Damaged)?;
                self.0 = rest;
                Field::Fixed64(u64::from_le_bytes(*bytes))
            }
            WireType::Varint => Field::Varint(self.varint()?),
            wire_type => {
                skip_field(wire_type, number, &mut self.0, DecodeContext::default())?;
                Field::Other
            }
        };
        Ok((number, field))
    }

    /// Nearly all keys and lengths are one byte.
    #[inline]
    fn varint(&mut self) -> Result<u64, Damaged> {
        match self.0.split_first() {
            Some((byte, rest)) if *byte < 0x80 => {
                self.0 = rest;
                Ok(u64::from(*byte))
            }
            _ => Ok(decode_varint(&mut self.0)?),
        }
    }
}

impl<'b> Iterator for Fields<'b> {
    type Item = Result<(u32, Field<'b>), Damaged>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

macro_rules! damages {
    ($($error:ty),*) => {$(
        impl From<$error> for Damaged {
            fn from(_: $error) -> Self {
                Self
            }
        }
    )*};
}

damages!(DecodeError, TryFromIntError, Utf8Error);
