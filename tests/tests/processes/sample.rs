//! Sample data of every kind, and all responses about it.

pub mod answers;
pub mod fill;
