//! The table of bad inputs: what each gets. A test's name begins with its row's number; after every
//! case the server is as it was.
//!
//! Rows 15 (deadlines) and 24 (forms of a number) have more in `deadlines` and `identity`.

mod definitions;
mod phones;
mod queries;
mod semantics;
mod texts;
mod tokens;
mod transport;
