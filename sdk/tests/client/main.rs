//! The client against a scripted server, over real connections.

#![expect(clippy::disallowed_methods, reason = "the server is scripted and protects nothing")]

mod calls;
mod checks;
mod fake;
mod import;
mod lists;
mod proxy;
mod requests;
mod segment;
