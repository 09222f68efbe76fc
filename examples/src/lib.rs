//! Shared by the examples: reads a CSV file of contacts.

mod csv_file;

pub use csv_file::{ATTRIBUTES, CsvFile, SAMPLE};
