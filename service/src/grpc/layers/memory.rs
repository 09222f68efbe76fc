//! The memory that requests take, and responses that wait for their clients, over all connections. A
//! connection gets more only while more is free than it has, so that one leaves some to others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::admission::Client;
use crate::domain::error::{Error, Reason, Result};

/// What takes memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Requests,
    Responses,
}

impl Of {
    /// How many there are.
    pub(super) const COUNT: usize = Self::Responses as usize + 1;
}

/// A budget of memory.
pub(super) struct Memory {
    of: Of,
    max: usize,
    used: AtomicUsize,
}

impl Memory {
    pub(super) fn new(of: Of, max: usize) -> Self {
        Self { of, max, used: AtomicUsize::new(0) }
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// A part of the budget, given back when this is dropped.
pub(super) struct Charge {
    memory: Arc<Memory>,
    client: Option<Arc<Client>>,
    bytes: usize,
}

impl Charge {
    pub(super) fn new(memory: Arc<Memory>, client: Option<Arc<Client>>) -> Self {
        Self { memory, client, bytes: 0 }
    }

    /// Leaves what it has to another one, which is returned, and goes on with nothing.
    pub(super) fn take(&mut self) -> Self {
        let next = Self::new(Arc::clone(&self.memory), self.client.clone());
        std::mem::replace(self, next)
    }

    /// Takes more of the budget, if there is as much.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<()> {
        let before = self.memory.used.fetch_add(bytes, Ordering::Relaxed);
        let own = self.own().map(|own| own.fetch_add(bytes, Ordering::Relaxed));
        self.bytes += bytes;
        let free = self.memory.max.saturating_sub(before);
        // What is refused is given back with the rest.
        match bytes <= free && own.is_none_or(|own| own < free) {
            true => Ok(()),
            false => Err(exhausted(self.memory.of)),
        }
    }

    /// Whether it has nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    fn own(&self) -> Option<&AtomicUsize> {
        self.client.as_ref().map(|client| &client.memory[self.memory.of as usize])
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
        if let Some(own) = self.own() {
            own.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

fn exhausted(of: Of) -> Error {
    let message = match of {
        Of::Requests => "requests take as much memory as the server has for them; retry later",
        Of::Responses => {
            "responses that their clients do not take yet have as much memory as the server has for \
             them; take them, and retry later"
        }
    };
    Error::new(Reason::Overloaded, message)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn what_was_refused_is_given_back() {
        let memory = Arc::new(Memory::new(Of::Requests, 100));
        let mut first = Charge::new(Arc::clone(&memory), None);
        let mut second = Charge::new(Arc::clone(&memory), None);
        first.grow(60).expect("room");
        assert_eq!(second.grow(41).expect_err("none").reason(), Reason::Overloaded);
        drop(second);
        first.grow(40).expect("room");
        drop(first);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn a_connection_leaves_memory_to_others() {
        let memory = Arc::new(Memory::new(Of::Requests, 100));
        let client = |port| Arc::new(Client::new((Ipv4Addr::LOCALHOST, port).into()));
        // What a connection gets in parts of 10 bytes.
        let fill = |client: &Arc<Client>| -> Vec<Charge> {
            let charge = || Charge::new(Arc::clone(&memory), Some(Arc::clone(client)));
            let charges = std::iter::repeat_with(charge).map_while(|mut charge| {
                charge.grow(10).ok()?;
                Some(charge)
            });
            charges.collect()
        };
        let (one, another) = (client(7), client(8));
        let of_one = fill(&one);
        let of_another = fill(&another);
        assert_eq!((of_one.len(), of_another.len()), (5, 3));
        assert_eq!(fill(&client(9)).len(), 1);
        drop((of_one, of_another));
        assert_eq!(memory.used(), 0);
        assert_eq!(fill(&another).len(), 5, "it is given back to the connection too");
    }
}
