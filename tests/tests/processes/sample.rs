//! A workspace with a little of everything, and all answers about it.

pub mod answers;
pub mod fill;
