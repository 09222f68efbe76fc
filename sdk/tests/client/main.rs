//! The client against a scripted server, over real connections.

mod calls;
mod checks;
mod fake;
mod import;
mod lists;
mod proxy;
mod requests;
mod segment;
