use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::time::SystemTime;

use chrono::{DateTime, NaiveDate, NaiveTime};
use contacts_sdk::{AttributeType, AttributeValue, Evidence, ImportConsent, ImportRow, NewContact};

/// The sample that ships with the examples: 10 000 made-up contacts.
pub const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/contacts-10k.csv");

/// The columns that are attributes: id, display name, type.
pub const ATTRIBUTES: [(&str, &str, AttributeType); 6] = [
    ("city", "City", AttributeType::String),
    ("loyalty_tier", "Loyalty tier", AttributeType::Enum),
    ("birth_date", "Birth date", AttributeType::Timestamp),
    ("orders", "Orders", AttributeType::Number),
    ("newsletter", "Newsletter", AttributeType::Boolean),
    ("last_order_time", "Last order", AttributeType::Timestamp),
];

/// A CSV file of contacts, as businesses have them: one row a person, tags
/// separated by semicolons, `yes` or `no` in `opt_in`.
pub struct CsvFile {
    records: Vec<csv::StringRecord>,
    headers: csv::StringRecord,
}

impl CsvFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or a line has another number of columns than the
    /// first.
    pub fn read(path: &Path) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut reader = csv::Reader::from_reader(File::open(path)?);
        let headers = reader.headers()?.clone();
        Ok(Self { records: reader.records().collect::<Result<_, _>>()?, headers })
    }

    /// How many people there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The line of a row of the import, for messages.
    pub fn line(&self, row: u64) -> u64 {
        let record = usize::try_from(row).ok().and_then(|row| self.records.get(row));
        record.and_then(|record| record.position()).map_or(0, csv::Position::line)
    }

    /// The rows to import. What a value should be is for the server to say: a
    /// text that is no number is sent as it is, and fails its row by name.
    pub fn rows(&self) -> Vec<ImportRow> {
        self.records.iter().map(|record| self.row(record)).collect()
    }

    fn row(&self, record: &csv::StringRecord) -> ImportRow {
        let cell = |column: &str| {
            let at = self.headers.iter().position(|header| header == column);
            at.and_then(|at| record.get(at)).unwrap_or_default()
        };
        let mut contact = NewContact::new()
            .phone(cell("phone_number"))
            .first_name(cell("first_name"))
            .last_name(cell("last_name"))
            .email(cell("email"))
            .tags(cell("tags").split(';').filter(|tag| !tag.is_empty()));
        for (id, _, attribute_type) in ATTRIBUTES {
            if !cell(id).is_empty() {
                contact = contact.attribute(id, value(cell(id), attribute_type));
            }
        }
        // A column that says who agreed becomes consent, with the evidence the
        // business has, and never an attribute.
        let evidence = || {
            let wording = "Yes, send me offers on WhatsApp";
            Evidence::new().wording(wording).business_name("Example Store")
        };
        let row = ImportRow::new(contact);
        match cell("opt_in") {
            "yes" => row.consent(ImportConsent::opted_in().evidence(evidence())),
            "no" => row.consent(ImportConsent::opted_out()),
            _ => row,
        }
    }
}

fn value(text: &str, attribute_type: AttributeType) -> AttributeValue {
    let parsed = match attribute_type {
        AttributeType::Number => text.parse().ok().map(AttributeValue::Number),
        AttributeType::Boolean => text.parse().ok().map(AttributeValue::Bool),
        AttributeType::Timestamp => moment(text).map(AttributeValue::Timestamp),
        _ => None,
    };
    parsed.unwrap_or_else(|| AttributeValue::from(text))
}

fn moment(text: &str) -> Option<SystemTime> {
    let date = || Some(NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_time(NaiveTime::MIN));
    DateTime::parse_from_rfc3339(text)
        .map(SystemTime::from)
        .ok()
        .or_else(|| date().map(|date| date.and_utc().into()))
}
