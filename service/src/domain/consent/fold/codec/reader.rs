//! Reads the fields of records.

use chrono::DateTime;
use uuid::Uuid;

use super::super::{IdentityId, Objection, Permission};
use super::{DecodeError, EXPIRES, KEPT, OF_ANOTHER, SOURCE_SHIFT};
use crate::domain::Time;
use crate::domain::consent::{MessageCategory, Source};

pub struct Reader<'a> {
    pub rest: &'a [u8],
    pub own: IdentityId,
}

impl<'a> Reader<'a> {
    pub fn permission(
        &mut self,
        tag: u8,
    ) -> Result<(impl Iterator<Item = MessageCategory> + use<>, Permission), DecodeError> {
        let (categories, source) = self.categories_and_source()?;
        let source = source.ok_or(DecodeError::Malformed)?;
        let (event, time) = (self.uuid()?, self.time()?);
        let expire = self.time_if(tag & EXPIRES)?;
        Ok((categories, Permission { event, time, expire, source }))
    }

    pub fn objection(&mut self, tag: u8, source: Option<Source>) -> Result<Objection, DecodeError> {
        let identity = if tag & OF_ANOTHER == 0 { self.own } else { IdentityId(self.uuid()?) };
        let (event, time) = (self.uuid()?, self.time()?);
        let kept_since = self.time_if(tag & KEPT)?;
        Ok(Objection { identity, event, time, kept_since, source })
    }

    pub fn categories(
        &mut self,
    ) -> Result<impl Iterator<Item = MessageCategory> + use<>, DecodeError> {
        Ok(self.categories_and_source()?.0)
    }

    pub fn categories_and_source(
        &mut self,
    ) -> Result<(impl Iterator<Item = MessageCategory> + use<>, Option<Source>), DecodeError> {
        let bits = self.byte()?;
        let of = move |category: &MessageCategory| bits & (1 << *category as u8) != 0;
        let categories = MessageCategory::ALL.into_iter().filter(of);
        Ok((categories, Source::from_code(i64::from(bits >> SOURCE_SHIFT))))
    }

    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        Ok(self.take(1)?[0])
    }

    pub fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn number(&mut self) -> Result<u64, DecodeError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(DecodeError::Malformed)
    }

    pub fn time(&mut self) -> Result<Time, DecodeError> {
        let number = self.number()?;
        let micros = (number >> 1) as i64 ^ -((number & 1) as i64);
        DateTime::from_timestamp_micros(micros).ok_or(DecodeError::Malformed)
    }

    /// A time, if any of these flags is set.
    pub fn time_if(&mut self, flags: u8) -> Result<Option<Time>, DecodeError> {
        if flags == 0 { Ok(None) } else { self.time().map(Some) }
    }

    pub fn uuid(&mut self) -> Result<Uuid, DecodeError> {
        Uuid::from_slice(self.take(16)?).map_err(|_| DecodeError::Malformed)
    }

    pub fn text(&mut self) -> Result<String, DecodeError> {
        let len = usize::try_from(self.number()?).map_err(|_| DecodeError::Malformed)?;
        let text = str::from_utf8(self.take(len)?).map_err(|_| DecodeError::Malformed)?;
        Ok(text.to_owned())
    }
}
