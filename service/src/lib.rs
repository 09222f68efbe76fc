//! The contacts service: the system of record for the contacts of a WhatsApp
//! CRM. See ARCHITECTURE.md for the map.

pub mod domain;
pub mod operations;
pub mod opt_in;
pub mod store;
