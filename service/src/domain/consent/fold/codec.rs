//! The bytes of a row. A version, then records of a tag and fields; integers are
//! LEB128, times are signed microseconds, and the row's own identity is left out.

mod reader;
mod writer;

use reader::Reader;
use thiserror::Error;
use writer::{Writer, by, by_content};

use super::{Carry, Clock, IdentityConsent, IdentityId, Permissions, Stop};
use crate::domain::Time;
use crate::domain::consent::{ALL_SENDERS, Source};

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
    pub const CARRY: u8 = 9;
    pub const LEFT: u8 = 10;
    pub const RETURNED: u8 = 11;
    pub const ENDED: u8 = 12;
}

/// Of a permission or a resume: the time is the caller's.
const BY_CALLER: u8 = 0x10;
/// Of a permission: an expiry follows.
const EXPIRES: u8 = 0x20;
/// Of a permission: a link carried it over.
const CARRIED: u8 = 0x40;
/// Of a link that carried: since when the other was there follows, and when what it had ended.
const PLACED: u8 = 0x10;
const HAD_ENDED: u8 = 0x20;
/// Of an objection: another identity than the row's follows.
const OF_ANOTHER: u8 = 0x10;
/// Of an objection: a time of parting follows.
const KEPT: u8 = 0x20;

/// Where the source is in the byte of categories.
const SOURCE_SHIFT: u8 = 3;

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
        for (kind, time) in [
            (kind::SINCE, self.own.since),
            (kind::JOINED, self.own.joined),
            (kind::LEFT, self.own.left),
            (kind::RETURNED, self.own.returned),
            (kind::ENDED, self.own.ended),
        ] {
            if let Some(time) = time {
                out.byte(kind);
                out.time(time);
            }
        }
        for carry in &self.own.carries {
            let flag = |time: Option<Time>, flag| if time.is_some() { flag } else { 0 };
            out.byte(kind::CARRY | flag(carry.place, PLACED) | flag(carry.ended, HAD_ENDED));
            out.bytes.extend_from_slice(carry.from.0.as_bytes());
            let times = [Some(carry.at), carry.place, carry.ended];
            times.into_iter().flatten().for_each(|time| out.time(time));
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
                out.categories(categories, objection.source);
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
            kind::CARRY => self.own.carries.push(Carry {
                from: IdentityId(input.uuid()?),
                at: input.time()?,
                place: input.time_if(tag & PLACED)?,
                ended: input.time_if(tag & HAD_ENDED)?,
            }),
            kind::LEFT => self.own.left = Some(input.time()?),
            kind::RETURNED => self.own.returned = Some(input.time()?),
            kind::ENDED => self.own.ended = Some(input.time()?),
            kind::PERSONAL => {
                let (categories, said) = input.permission(tag)?;
                for category in categories {
                    let permissions = &mut self.own.permissions[category as usize];
                    let registers = match tag & CARRIED {
                        0 => &mut permissions.personal,
                        _ => &mut permissions.carried,
                    };
                    registers[clock as usize] = Some(said);
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
                let (categories, source) = input.categories_and_source()?;
                let objection = input.objection(tag, source)?;
                for category in categories {
                    self.objections.add_opt_out(category, objection);
                }
            }
            kind::ERASURE => {
                let (categories, source) = input.categories_and_source()?;
                let objection = input.objection(tag, source)?;
                for category in categories {
                    self.objections.add_erasure(category, objection);
                }
            }
            kind::STOP => {
                let objection = input.objection(tag, Some(Source::Platform))?;
                let sender = input.text()?;
                let excepted = if sender == ALL_SENDERS { input.number()? } else { 0 };
                let except = (0..excepted).map(|_| input.text()).collect::<Result<_, _>>()?;
                self.objections.stops.add_stored(Stop { sender, objection, except });
            }
            _ => return Err(DecodeError::Malformed),
        }
        Ok(())
    }
}
