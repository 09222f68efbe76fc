//! The bytes of a row. A version, then records of a tag and fields; integers are
//! LEB128, times are signed microseconds, and the row's own identity is left out.

use chrono::DateTime;
use thiserror::Error;
use uuid::Uuid;

use super::{Clock, IdentityConsent, IdentityId, Objection, Permission, Permissions, Stop};
use crate::domain::Time;
use crate::domain::consent::{ALL_SENDERS, MessageCategory};

const VERSION: u8 = 1;

/// What a record holds: the low four bits of its tag.
mod kind {
    pub const SINCE: u8 = 0;
    pub const JOINED: u8 = 1;
    pub const PERSONAL: u8 = 2;
    pub const REPORTED: u8 = 3;
    pub const FIRST_REPORTED: u8 = 4;
    pub const RESUME: u8 = 5;
    pub const OPT_OUT: u8 = 6;
    pub const ERASURE: u8 = 7;
    pub const STOP: u8 = 8;
}

/// Of a permission or a resume: the time is the caller's.
const BY_CALLER: u8 = 0x10;
/// Of a permission: an expiry follows.
const EXPIRES: u8 = 0x20;
/// Of an objection: another identity than the row's follows.
const OF_ANOTHER: u8 = 0x10;
/// Of an objection: a time of parting follows.
const KEPT: u8 = 0x20;

/// Why bytes are not a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Not written by this version.
    #[error("the version of the stored consent is not known")]
    Version,
    /// They end within a record.
    #[error("the stored consent is cut off")]
    Short,
    /// A field holds what is never written.
    #[error("the stored consent is malformed")]
    Malformed,
}

impl IdentityConsent {
    /// The bytes to store in the row of `own`.
    pub fn encode(&self, own: IdentityId) -> Vec<u8> {
        let mut out = Writer { bytes: vec![VERSION], own };
        for (kind, time) in [(kind::SINCE, self.own.since), (kind::JOINED, self.own.joined)] {
            if let Some(time) = time {
                out.byte(kind);
                out.time(time);
            }
        }
        out.permissions(&self.own.permissions);
        for resume in self.own.resumes.iter() {
            out.byte(kind::RESUME | by(resume.clock));
            out.text(&resume.sender);
            out.time(resume.time);
        }
        for (kind, standing) in
            [(kind::OPT_OUT, &self.objections.opt_outs), (kind::ERASURE, &self.objections.erasures)]
        {
            for (objection, categories) in by_content(standing.each_ref().map(|all| all.iter())) {
                out.byte(kind | out.flags(objection));
                out.byte(categories);
                out.objection(objection);
            }
        }
        for stop in self.objections.stops.iter() {
            out.byte(kind::STOP | out.flags(&stop.objection));
            out.objection(&stop.objection);
            out.text(&stop.sender);
            if stop.sender == ALL_SENDERS {
                out.number(stop.except.len() as u64);
                stop.except.iter().for_each(|sender| out.text(sender));
            }
        }
        out.bytes
    }

    /// Reads what was stored in the row of `own`.
    ///
    /// # Errors
    /// Anything that [`encode`](Self::encode) does not write.
    pub fn decode(own: IdentityId, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader { rest: bytes, own };
        if input.byte()? != VERSION {
            return Err(DecodeError::Version);
        }
        let mut row = Self::default();
        while let Some((&tag, rest)) = input.rest.split_first() {
            input.rest = rest;
            row.read_record(tag, &mut input)?;
        }
        row.own.permissions.iter_mut().for_each(Permissions::restore);
        // The bytes of a row are unique, so nothing malformed passes for something else.
        if row.encode(own) == bytes { Ok(row) } else { Err(DecodeError::Malformed) }
    }

    fn read_record(&mut self, tag: u8, input: &mut Reader<'_>) -> Result<(), DecodeError> {
        let clock = if tag & BY_CALLER == 0 { Clock::Server } else { Clock::Caller };
        match tag & 0x0f {
            kind::SINCE => self.own.since = Some(input.time()?),
            kind::JOINED => self.own.joined = Some(input.time()?),
            kind::PERSONAL => {
                let (categories, said) = input.permission(tag)?;
                for category in categories {
                    self.own.permissions[category as usize].personal[clock as usize] = Some(said);
                }
            }
            kind::REPORTED => {
                let (categories, said) = input.permission(tag)?;
                for category in categories {
                    self.own.permissions[category as usize].reported.push(said);
                }
            }
            kind::FIRST_REPORTED => {
                let categories = input.categories()?;
                let time = input.time()?;
                for category in categories {
                    self.own.permissions[category as usize].first_reported = Some(time);
                }
            }
            kind::RESUME => {
                let sender = input.text()?;
                self.own.resumes.add(&sender, clock, input.time()?);
            }
            kind::OPT_OUT => {
                let categories = input.categories()?;
                let objection = input.objection(tag)?;
                for category in categories {
                    self.objections.add_opt_out(category, objection);
                }
            }
            kind::ERASURE => {
                let categories = input.categories()?;
                let objection = input.objection(tag)?;
                for category in categories {
                    self.objections.add_erasure(category, objection);
                }
            }
            kind::STOP => {
                let objection = input.objection(tag)?;
                let sender = input.text()?;
                let excepted = if sender == ALL_SENDERS { input.number()? } else { 0 };
                let except = (0..excepted).map(|_| input.text()).collect::<Result<_, _>>()?;
                self.objections.add_stop(Stop { sender, objection, except });
            }
            _ => return Err(DecodeError::Malformed),
        }
        Ok(())
    }
}

/// What several categories hold alike is written once: the records in the order of
/// the first category they are of, and a bit for each.
fn by_content<'a, T: PartialEq + 'a>(
    by_category: [impl Iterator<Item = &'a T>; 3],
) -> Vec<(&'a T, u8)> {
    let mut records: Vec<(&T, u8)> = Vec::new();
    for (category, all) in by_category.into_iter().enumerate() {
        for content in all {
            match records.iter_mut().find(|(known, _)| *known == content) {
                Some((_, categories)) => *categories |= 1 << category,
                None => records.push((content, 1 << category)),
            }
        }
    }
    records
}

fn by(clock: Clock) -> u8 {
    match clock {
        Clock::Server => 0,
        Clock::Caller => BY_CALLER,
    }
}

struct Writer {
    bytes: Vec<u8>,
    own: IdentityId,
}

impl Writer {
    fn permissions(&mut self, all: &[Permissions; 3]) {
        for clock in Clock::ALL {
            let registers = all.each_ref().map(|one| one.personal[clock as usize].iter());
            for (said, categories) in by_content(registers) {
                self.permission(kind::PERSONAL | by(clock), said, categories);
            }
        }
        for (said, categories) in by_content(all.each_ref().map(|one| one.reported.iter())) {
            self.permission(kind::REPORTED, said, categories);
        }
        // Mostly it is the time of the report that is kept.
        let first = all.each_ref().map(|one| {
            let kept = one.reported.first().map(|report| report.time);
            one.first_reported.iter().filter(move |first| Some(**first) != kept)
        });
        for (time, categories) in by_content(first) {
            self.byte(kind::FIRST_REPORTED);
            self.byte(categories);
            self.time(*time);
        }
    }

    fn permission(&mut self, tag: u8, said: &Permission, categories: u8) {
        self.byte(tag | if said.expire.is_some() { EXPIRES } else { 0 });
        self.byte(categories);
        self.bytes.extend_from_slice(said.event.as_bytes());
        self.time(said.time);
        if let Some(expire) = said.expire {
            self.time(expire);
        }
    }

    fn flags(&self, objection: &Objection) -> u8 {
        let another = if objection.identity == self.own { 0 } else { OF_ANOTHER };
        another | if objection.kept_since.is_some() { KEPT } else { 0 }
    }

    fn objection(&mut self, objection: &Objection) {
        if objection.identity != self.own {
            self.bytes.extend_from_slice(objection.identity.0.as_bytes());
        }
        self.bytes.extend_from_slice(objection.event.as_bytes());
        self.time(objection.time);
        if let Some(kept) = objection.kept_since {
            self.time(kept);
        }
    }

    fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    fn time(&mut self, time: Time) {
        let micros = time.timestamp_micros();
        self.number(((micros << 1) ^ (micros >> 63)) as u64);
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    own: IdentityId,
}

impl<'a> Reader<'a> {
    fn permission(
        &mut self,
        tag: u8,
    ) -> Result<(impl Iterator<Item = MessageCategory> + use<>, Permission), DecodeError> {
        let categories = self.categories()?;
        let (event, time) = (self.uuid()?, self.time()?);
        let expire = if tag & EXPIRES == 0 { None } else { Some(self.time()?) };
        Ok((categories, Permission { event, time, expire }))
    }

    fn objection(&mut self, tag: u8) -> Result<Objection, DecodeError> {
        let identity = if tag & OF_ANOTHER == 0 { self.own } else { IdentityId(self.uuid()?) };
        let (event, time) = (self.uuid()?, self.time()?);
        let kept_since = if tag & KEPT == 0 { None } else { Some(self.time()?) };
        Ok(Objection { identity, event, time, kept_since })
    }

    fn categories(&mut self) -> Result<impl Iterator<Item = MessageCategory> + use<>, DecodeError> {
        let bits = self.byte()?;
        let of = move |category: &MessageCategory| bits & (1 << *category as u8) != 0;
        Ok(MessageCategory::ALL.into_iter().filter(of))
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        Ok(self.take(1)?[0])
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64, DecodeError> {
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

    fn time(&mut self) -> Result<Time, DecodeError> {
        let number = self.number()?;
        let micros = (number >> 1) as i64 ^ -((number & 1) as i64);
        DateTime::from_timestamp_micros(micros).ok_or(DecodeError::Malformed)
    }

    fn uuid(&mut self) -> Result<Uuid, DecodeError> {
        Uuid::from_slice(self.take(16)?).map_err(|_| DecodeError::Malformed)
    }

    fn text(&mut self) -> Result<String, DecodeError> {
        let len = usize::try_from(self.number()?).map_err(|_| DecodeError::Malformed)?;
        let text = str::from_utf8(self.take(len)?).map_err(|_| DecodeError::Malformed)?;
        Ok(text.to_owned())
    }
}
