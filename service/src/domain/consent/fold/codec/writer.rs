//! Writes the fields of records.

use super::super::{Clock, IdentityId, Objection, Permission, Permissions};
use super::{BY_CALLER, CARRIED, EXPIRES, KEPT, OF_ANOTHER, SOURCE_SHIFT, kind};
use crate::domain::Time;
use crate::domain::consent::Source;

pub struct Writer {
    pub bytes: Vec<u8>,
    pub own: IdentityId,
}

impl Writer {
    pub fn permissions(&mut self, all: &[Permissions; 3]) {
        for clock in Clock::ALL {
            let registers = all.each_ref().map(|one| one.personal[clock as usize].iter());
            for (said, categories) in by_content(registers) {
                self.permission(kind::PERSONAL | by(clock), said, categories);
            }
            let registers = all.each_ref().map(|one| one.carried[clock as usize].iter());
            for (said, categories) in by_content(registers) {
                self.permission(kind::PERSONAL | by(clock) | CARRIED, said, categories);
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

    pub fn permission(&mut self, tag: u8, said: &Permission, categories: u8) {
        self.byte(tag | if said.expire.is_some() { EXPIRES } else { 0 });
        self.categories(categories, Some(said.source));
        self.bytes.extend_from_slice(said.event.as_bytes());
        self.time(said.time);
        if let Some(expire) = said.expire {
            self.time(expire);
        }
    }

    /// Categories, and a source beside them in the same byte.
    pub fn categories(&mut self, categories: u8, source: Option<Source>) {
        self.byte(categories | source.map_or(0, |source| source as u8) << SOURCE_SHIFT);
    }

    pub fn flags(&self, objection: &Objection) -> u8 {
        let another = if objection.identity == self.own { 0 } else { OF_ANOTHER };
        another | if objection.kept_since.is_some() { KEPT } else { 0 }
    }

    pub fn objection(&mut self, objection: &Objection) {
        if objection.identity != self.own {
            self.bytes.extend_from_slice(objection.identity.0.as_bytes());
        }
        self.bytes.extend_from_slice(objection.event.as_bytes());
        self.time(objection.time);
        if let Some(kept) = objection.kept_since {
            self.time(kept);
        }
    }

    pub fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    pub fn time(&mut self, time: Time) {
        let micros = time.timestamp_micros();
        self.number(((micros << 1) ^ (micros >> 63)) as u64);
    }

    pub fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }
}

/// What several categories hold alike is written once: the records in the order of
/// the first category they are of, and a bit for each.
pub fn by_content<'a, T: PartialEq + 'a>(
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

pub fn by(clock: Clock) -> u8 {
    match clock {
        Clock::Server => 0,
        Clock::Caller => BY_CALLER,
    }
}
