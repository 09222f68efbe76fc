//! The table of bad inputs and the error that each one gets. The name of a test begins with the number
//! of its row. After every case the server still works.
//!
//! More tests of rows 15 (deadlines) and 24 (forms of a number) are in `deadlines` and `phone_forms`.

mod definitions;
mod phones;
mod queries;
mod semantics;
mod texts;
mod tokens;
mod transport;
