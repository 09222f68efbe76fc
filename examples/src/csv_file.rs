use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use chrono::{DateTime, NaiveDate, NaiveTime};
use contacts_sdk::{AttributeType, AttributeValue, Evidence, ImportConsent, ImportRow, NewContact};

/// The sample file of the examples: 10 000 fictional contacts.
pub const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/contacts-10k.csv");

/// The columns that are attributes: id, display name and type.
pub const ATTRIBUTES: [(&str, &str, AttributeType); 6] = [
    ("city", "City", AttributeType::String),
    ("loyalty_tier", "Loyalty tier", AttributeType::Enum),
    ("birth_date", "Birth date", AttributeType::Timestamp),
    ("orders", "Orders", AttributeType::Number),
    ("newsletter", "Newsletter", AttributeType::Boolean),
    ("last_order_time", "Last order", AttributeType::Timestamp),
];

/// Names of consent columns, and whether `yes` in that column is an opt-in.
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

/// Bytes of a line. No contact is as large.
const MAX_LINE: usize = 64 * 1024;

/// A CSV file of contacts: one row per person, tags separated by semicolons, and `yes` or `no` in the
/// consent column.
pub struct CsvFile {
    records: Vec<csv::StringRecord>,
    /// The line that each begins in.
    lines: Vec<u64>,
    faults: Vec<String>,
    headers: csv::StringRecord,
    /// The index of the consent column, and whether `yes` is an opt-in.
    consent: Option<(usize, bool)>,
}

impl CsvFile {
    /// Reads a file. Lines that cannot be read are left out, see [`CsvFile::faults`].
    ///
    /// # Errors
    /// The file cannot be read, has no column `phone_number`, or says of somebody's consent what could mean
    /// either.
    pub fn read(path: &Path) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Self::from_reader(File::open(path)?)
    }

    fn from_reader(mut file: impl Read) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut reader = csv::Reader::from_reader(&*bytes);
        let headers = reader.headers()?.clone();
        if !headers.iter().any(|header| header == "phone_number") {
            return Err("the first line has no column phone_number".into());
        }
        let mut file = Self {
            records: Vec::new(),
            lines: Vec::new(),
            faults: Vec::new(),
            headers,
            consent: None,
        };
        for (at, header) in file.headers.iter().enumerate() {
            let name = header.trim().to_lowercase().replace([' ', '-'], "_");
            let Some((_, yes)) = CONSENT.iter().find(|(column, _)| *column == name) else {
                continue;
            };
            if file.consent.replace((at, *yes)).is_some() {
                return Err("there are two columns of consent; remove one of them".into());
            }
        }
        for record in reader.records() {
            match record {
                Ok(record) if record.as_slice().len() > MAX_LINE => {
                    let line = line(record.position(), &bytes);
                    file.faults.push(format!("line {line}: longer than {MAX_LINE} bytes"));
                }
                Ok(record) => {
                    file.lines.push(line(record.position(), &bytes));
                    file.records.push(record);
                }
                Err(error) => file.faults.push(fault(error, &bytes)?),
            }
        }
        // Do not guess: a wrong guess would message a person who refused.
        for (record, line) in file.records.iter().zip(&file.lines) {
            if let Err(word) = file.agreed(record) {
                return Err(format!("line {line}: consent must be yes or no, not {word:?}").into());
            }
        }
        Ok(file)
    }

    /// Whether the person agreed, or `None` if the file does not state it.
    fn agreed<'a>(&self, record: &'a csv::StringRecord) -> Result<Option<bool>, &'a str> {
        let Some((at, yes)) = self.consent else { return Ok(None) };
        let cell = record.get(at).unwrap_or_default();
        match cell.trim().to_lowercase().as_str() {
            "" => Ok(None),
            "yes" | "y" | "true" | "1" => Ok(Some(yes)),
            // No opt-out is not an opt-in.
            "no" | "n" | "false" | "0" => Ok(yes.then_some(false)),
            _ => Err(cell),
        }
    }

    /// What is wrong with the lines that could not be read: their number, and why.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether the file has no rows.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The line number of a row of the import, for messages.
    pub fn line(&self, row: u64) -> u64 {
        let line = usize::try_from(row).ok().and_then(|row| self.lines.get(row));
        line.copied().unwrap_or(0)
    }

    /// The rows to import. The server validates the values: text that is not a number is sent as text, and
    /// the row fails with an error that names the attribute.
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
        // The consent column becomes consent with evidence, and never an attribute.
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

/// The line in which a record begins. Its position can be before the line breaks that precede it.
fn line(position: Option<&csv::Position>, bytes: &[u8]) -> u64 {
    let Some(position) = position else { return 0 };
    let from = usize::try_from(position.byte()).ok().and_then(|byte| bytes.get(byte..));
    let breaks = from.unwrap_or_default().iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + breaks.filter(|byte| **byte == b'\n').count() as u64
}

/// What is wrong with a line. Fails if the file itself cannot be read any further.
fn fault(error: csv::Error, bytes: &[u8]) -> Result<String, csv::Error> {
    let line = line(error.position(), bytes);
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            Ok(format!("line {line}: {len} columns, and the first line has {expected_len}"))
        }
        csv::ErrorKind::Utf8 { .. } => {
            Ok(format!("line {line}: not UTF-8; convert the file first"))
        }
        _ => Err(error),
    }
}

fn value(text: &str, attribute_type: AttributeType) -> AttributeValue {
    let parsed = match attribute_type {
        AttributeType::Number => text.parse().ok().map(AttributeValue::Number),
        AttributeType::Boolean => text.parse().ok().map(AttributeValue::Bool),
        AttributeType::Timestamp => parse_timestamp(text).map(AttributeValue::Timestamp),
        _ => None,
    };
    parsed.unwrap_or_else(|| AttributeValue::from(text))
}

fn parse_timestamp(text: &str) -> Option<SystemTime> {
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
    fn consent_columns_are_recognised_by_their_usual_names() {
        for header in ["opt_in", "Opted In", "opt-in", "OPTIN", "Consent", "subscribed"] {
            assert_eq!(read(header, "yes"), Ok(Some(true)), "{header}");
            assert_eq!(read(header, "FALSE"), Ok(Some(false)), "{header}");
            assert_eq!(read(header, ""), Ok(None), "{header}");
        }
        // No opt-out is not an opt-in.
        for header in ["opt out", "Unsubscribed"] {
            assert_eq!(read(header, "1"), Ok(Some(false)), "{header}");
            assert_eq!(read(header, "no"), Ok(None), "{header}");
            assert_eq!(read(header, ""), Ok(None), "{header}");
        }
        assert_eq!(read("city", "yes"), Ok(None));
    }

    #[test]
    fn lines_that_cannot_be_read_are_reported_and_the_others_are_read() {
        let long = "x".repeat(100 << 20);
        let mut bytes = b"\xef\xbb\xbfphone_number,first_name\r\n\
            15550000001,\"Ana, \"\"A\"\"\"\r\n\
            15550000002\r\n\
            15550000003,Jo\xe3o\r\n\
            15550000004,Ben,x\r\n"
            .to_vec();
        bytes.extend(format!("15550000005,{long}\r\n15550000006,Zoe\r\n").bytes());
        let file = CsvFile::from_reader(&*bytes).expect("a file");
        let faults: Vec<_> = file.faults().iter().map(|fault| &fault[..7]).collect();
        assert_eq!(faults, ["line 3:", "line 4:", "line 5:", "line 6:"], "{:?}", file.faults());
        let names: Vec<_> = file.records.iter().map(|record| &record[1]).collect();
        assert_eq!(names, ["Ana, \"A\"", "Zoe"]);
        assert_eq!((file.line(0), file.line(1)), (2, 7));
    }

    #[test]
    fn a_file_without_phone_numbers_is_an_error() {
        for text in ["", "\n", "\u{feff}", "name\nAna\n", "15551234567,Ana\n"] {
            assert!(CsvFile::from_reader(text.as_bytes()).is_err(), "{text:?}");
        }
        let empty = CsvFile::from_reader(&b"phone_number,first_name\n"[..]).expect("a file");
        assert!(empty.is_empty() && empty.faults().is_empty());
    }

    #[test]
    fn ambiguous_consent_is_an_error() {
        let error = read("opt_in", "maybe").expect_err("a guess");
        assert!(error.contains("line 2") && error.contains("maybe"), "{error}");
        assert!(read("opt_in,consent", "yes,no").expect_err("two").contains("two columns"));
    }
}
