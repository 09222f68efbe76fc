//! The table of bad inputs and the error that each one gets. The name of a test begins with the number
//! of its row, unless it belongs to another topic: [`map`] names the tests of each row. After every case the
//! server still works.

mod definitions;
mod floods;
mod map;
mod phones;
mod queries;
mod semantics;
mod texts;
mod tokens;
mod transport;
