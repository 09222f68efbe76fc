use std::error::Error;
use std::fs::File;
use std::io::Read;
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

/// Columns that say who agreed, as files call them, and whether `yes` is an
/// opt-in there.
const CONSENT: [(&str, bool); 10] = [
    ("opt_in", true),
    ("opted_in", true),
    ("optin", true),
    ("consent", true),
    ("subscribed", true),
    ("opt_out", false),
    ("opted_out", false),
    ("optout", false),
    ("unsubscribed", false),
    ("unsubscribe", false),
];

/// A CSV file of contacts, as businesses have them: one row a person, tags
/// separated by semicolons, `yes` or `no` in `opt_in`.
pub struct CsvFile {
    records: Vec<csv::StringRecord>,
    headers: csv::StringRecord,
    /// The column that says who agreed, and whether `yes` is an opt-in.
    consent: Option<(usize, bool)>,
}

impl CsvFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, a line has another number of columns than the
    /// first, or it leaves open who agreed.
    pub fn read(path: &Path) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Self::from_reader(File::open(path)?)
    }

    fn from_reader(file: impl Read) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut reader = csv::Reader::from_reader(file);
        let headers = reader.headers()?.clone();
        let mut file = Self { records: Vec::new(), headers, consent: None };
        for (at, header) in file.headers.iter().enumerate() {
            let name = header.trim().to_lowercase().replace([' ', '-'], "_");
            let Some((_, yes)) = CONSENT.iter().find(|(column, _)| *column == name) else {
                continue;
            };
            if file.consent.replace((at, *yes)).is_some() {
                return Err("two columns say who agreed; leave one of them".into());
            }
        }
        file.records = reader.records().collect::<Result<_, _>>()?;
        // A word that is guessed wrong would message somebody who said no.
        for record in &file.records {
            if let Err(word) = file.agreed(record) {
                let line = record.position().map_or(0, csv::Position::line);
                return Err(format!("line {line}: who agreed is yes or no, not {word:?}").into());
            }
        }
        Ok(file)
    }

    /// Whether the person agreed; none if the file does not say.
    fn agreed<'a>(&self, record: &'a csv::StringRecord) -> Result<Option<bool>, &'a str> {
        let Some((at, yes)) = self.consent else { return Ok(None) };
        let cell = record.get(at).unwrap_or_default();
        match cell.trim().to_lowercase().as_str() {
            "" => Ok(None),
            "yes" | "y" | "true" | "1" => Ok(Some(yes)),
            // Not having objected is not to have agreed.
            "no" | "n" | "false" | "0" => Ok(yes.then_some(false)),
            _ => Err(cell),
        }
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
        match self.agreed(record) {
            Ok(Some(true)) => row.consent(ImportConsent::opted_in().evidence(evidence())),
            Ok(Some(false)) => row.consent(ImportConsent::opted_out()),
            Ok(None) | Err(_) => row,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str, cell: &str) -> Result<Option<bool>, String> {
        let text = format!("phone_number,{header}\n15551234567,{cell}\n");
        let file = CsvFile::from_reader(text.as_bytes()).map_err(|error| error.to_string())?;
        Ok(file.agreed(&file.records[0]).expect("read"))
    }

    #[test]
    fn a_column_of_consent_is_one_however_it_is_called() {
        for header in ["opt_in", "Opted In", "opt-in", "OPTIN", "Consent", "subscribed"] {
            assert_eq!(read(header, "yes"), Ok(Some(true)), "{header}");
            assert_eq!(read(header, "FALSE"), Ok(Some(false)), "{header}");
            assert_eq!(read(header, ""), Ok(None), "{header}");
        }
        // Not having objected is not to have agreed.
        for header in ["opt out", "Unsubscribed"] {
            assert_eq!(read(header, "1"), Ok(Some(false)), "{header}");
            assert_eq!(read(header, "no"), Ok(None), "{header}");
            assert_eq!(read(header, ""), Ok(None), "{header}");
        }
        assert_eq!(read("city", "yes"), Ok(None));
    }

    #[test]
    fn what_leaves_open_who_agreed_is_refused() {
        let error = read("opt_in", "maybe").expect_err("a guess");
        assert!(error.contains("line 2") && error.contains("maybe"), "{error}");
        assert!(read("opt_in,consent", "yes,no").expect_err("two").contains("two columns"));
    }
}
