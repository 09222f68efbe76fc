//! Counts the elements of repeated fields in an encoded request, before it is
//! decoded. Two bytes on the wire can become a kilobyte of decoded message.
//!
//! Lists right in the request are counted each on their own, over all their
//! occurrences: messages that come twice are merged. Lists inside of elements,
//! such as the tags of the rows of an import, count towards the total only.

use std::collections::HashMap;

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FileDescriptorProto};

use crate::domain::error::{Error, Reason};

/// Nested messages that are followed. The decoder refuses deeper ones.
const MAX_DEPTH: usize = 100;

/// How many elements a request may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ElementLimits {
    /// Of one list.
    pub(super) list: usize,
    /// Of all lists together.
    pub(super) total: usize,
}

/// A message type of a [`Schema`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MessageType(usize);

/// The fields to follow and to count of all message types.
#[derive(Debug)]
pub(super) struct Schema {
    /// By type, sorted by number.
    types: Vec<Vec<Field>>,
    by_name: HashMap<String, usize>,
}

/// A field that is repeated or a message.
#[derive(Debug)]
struct Field {
    number: u32,
    name: String,
    is_repeated: bool,
    /// How a list can come as one field. None for texts and messages, which cannot.
    packed: Option<Packed>,
    /// A map. The decoder takes its entries with any wire type.
    is_map: bool,
    message: Option<usize>,
}

/// The elements of a list that comes as one field.
#[derive(Clone, Copy, Debug)]
enum Packed {
    Varint,
    /// Of so many bytes each.
    Fixed(usize),
}

impl Packed {
    fn of(kind: Type) -> Option<Self> {
        match kind {
            Type::String | Type::Bytes | Type::Message | Type::Group => None,
            Type::Fixed32 | Type::Sfixed32 | Type::Float => Some(Self::Fixed(4)),
            Type::Fixed64 | Type::Sfixed64 | Type::Double => Some(Self::Fixed(8)),
            _ => Some(Self::Varint),
        }
    }

    fn count(self, list: &[u8]) -> usize {
        match self {
            // Each ends with the one byte that has no continuation bit.
            Self::Varint => list.iter().filter(|byte| **byte < 0x80).count(),
            Self::Fixed(bytes) => list.len() / bytes,
        }
    }
}

impl Schema {
    /// The message types of these files.
    pub(super) fn of(files: &[FileDescriptorProto]) -> Self {
        let mut messages = Vec::new();
        for file in files {
            for message in &file.message_type {
                collect(&format!(".{}", file.package()), message, &mut messages);
            }
        }
        // Type 0 has no known fields.
        let names = messages.iter().enumerate().map(|(index, (name, _))| (name.clone(), index + 1));
        let by_name: HashMap<String, usize> = names.collect();
        let mut types = vec![Vec::new()];
        types.extend(messages.iter().map(|(_, message)| fields(message, &by_name)));
        Self { types, by_name }
    }

    /// The type with this name, such as `.whatatalk.contacts.v1.CheckOptInRequest`.
    pub(super) fn find(&self, name: &str) -> MessageType {
        MessageType(self.by_name.get(name).copied().unwrap_or(0))
    }

    /// Counts the elements in an encoded message. Stops without an error where the
    /// message is malformed: so does the decoder.
    pub(super) fn count(
        &self,
        request: MessageType,
        encoded: &[u8],
        limits: ElementLimits,
    ) -> Result<usize, Error> {
        let mut count = Count { schema: self, limits, total: 0, lists: Vec::new() };
        match count.message(request.0, encoded, false, MAX_DEPTH) {
            Ok(()) | Err(Stop::Malformed) => Ok(count.total),
            Err(Stop::TooMany { field, limit }) => {
                let message = format!("{field} has too many elements: at most {limit}");
                Err(Error::invalid(Reason::LimitExceeded, field, message)
                    .with_metadata("limit", limit.to_string()))
            }
        }
    }
}

fn collect<'m>(
    parent: &str,
    message: &'m DescriptorProto,
    all: &mut Vec<(String, &'m DescriptorProto)>,
) {
    let name = format!("{parent}.{}", message.name());
    for nested in &message.nested_type {
        collect(&name, nested, all);
    }
    all.push((name, message));
}

fn fields(message: &DescriptorProto, by_name: &HashMap<String, usize>) -> Vec<Field> {
    let mut fields: Vec<_> = message
        .field
        .iter()
        .map(|field| Field {
            is_map: message.nested_type.iter().any(|nested| {
                let is_entry = nested.options.as_ref().is_some_and(|options| options.map_entry());
                is_entry && field.type_name().rsplit('.').next() == Some(nested.name())
            }),
            number: u32::try_from(field.number()).unwrap_or(0),
            name: field.name().to_owned(),
            is_repeated: field.label() == Label::Repeated,
            packed: Packed::of(field.r#type()),
            message: match field.r#type() {
                Type::Message => by_name.get(field.type_name()).copied(),
                _ => None,
            },
        })
        .filter(|field| field.is_repeated || field.message.is_some())
        .collect();
    fields.sort_by_key(|field| field.number);
    fields
}

/// Why counting ends before the end of the message.
enum Stop {
    Malformed,
    TooMany { field: String, limit: usize },
}

struct Count<'s> {
    schema: &'s Schema,
    limits: ElementLimits,
    total: usize,
    /// The lists outside of elements, by type and number.
    lists: Vec<((usize, u32), usize)>,
}

impl Count<'_> {
    fn message(
        &mut self,
        message: usize,
        mut encoded: &[u8],
        is_in_element: bool,
        depth: usize,
    ) -> Result<(), Stop> {
        let schema = self.schema;
        let fields = &schema.types[message];
        while !encoded.is_empty() {
            let (number, wire_type) = decode_key(&mut encoded).map_err(|_| Stop::Malformed)?;
            let field = fields.binary_search_by_key(&number, |field| field.number);
            let Ok(field) = field.map(|index| &fields[index]) else {
                skip(wire_type, number, &mut encoded)?;
                continue;
            };
            if let (true, Some(packed)) = (field.is_repeated, field.packed)
                && wire_type == WireType::LengthDelimited
            {
                let count = packed.count(delimited(&mut encoded)?);
                self.elements(count, message, field, is_in_element)?;
                continue;
            }
            if field.is_repeated {
                self.elements(1, message, field, is_in_element)?;
            }
            match field.message {
                Some(message)
                    if (wire_type == WireType::LengthDelimited || field.is_map) && depth > 0 =>
                {
                    let inner = delimited(&mut encoded)?;
                    self.message(message, inner, is_in_element || field.is_repeated, depth - 1)?;
                }
                _ => skip(wire_type, number, &mut encoded)?,
            }
        }
        Ok(())
    }

    fn elements(
        &mut self,
        more: usize,
        message: usize,
        field: &Field,
        is_in_element: bool,
    ) -> Result<(), Stop> {
        let too_many = |limit| Err(Stop::TooMany { field: field.name.clone(), limit });
        self.total += more;
        if self.total > self.limits.total {
            return too_many(self.limits.total);
        }
        if is_in_element {
            return Ok(());
        }
        let key = (message, field.number);
        let index = self.lists.iter().position(|(list, _)| *list == key).unwrap_or_else(|| {
            self.lists.push((key, 0));
            self.lists.len() - 1
        });
        let count = &mut self.lists[index].1;
        *count += more;
        if *count > self.limits.list {
            return too_many(self.limits.list);
        }
        Ok(())
    }
}

/// Takes what comes after its length.
fn delimited<'e>(encoded: &mut &'e [u8]) -> Result<&'e [u8], Stop> {
    let length = decode_varint(encoded).map_err(|_| Stop::Malformed)?;
    let length = usize::try_from(length).map_err(|_| Stop::Malformed)?;
    let (inner, rest) = encoded.split_at_checked(length).ok_or(Stop::Malformed)?;
    *encoded = rest;
    Ok(inner)
}

fn skip(wire_type: WireType, number: u32, encoded: &mut &[u8]) -> Result<(), Stop> {
    skip_field(wire_type, number, encoded, DecodeContext::default()).map_err(|_| Stop::Malformed)
}

#[cfg(test)]
mod tests {
    use contacts_proto::v1;
    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;

    const LIMITS: ElementLimits = ElementLimits { list: 10, total: 100 };

    fn schema() -> Schema {
        let set = FileDescriptorSet::decode(contacts_proto::FILE_DESCRIPTOR_SET).expect("a set");
        Schema::of(&set.file)
    }

    fn count(name: &str, encoded: &[u8]) -> Result<usize, (String, String)> {
        let schema = schema();
        let request = schema.find(&format!(".whatatalk.contacts.v1.{name}"));
        schema.count(request, encoded, LIMITS).map_err(|error| {
            assert_eq!(error.reason(), Reason::LimitExceeded);
            (error.field().unwrap_or_default().to_owned(), error.metadata()[0].1.clone())
        })
    }

    fn row(tags: usize, attributes: usize) -> v1::ImportRow {
        let attributes =
            (0..attributes).map(|n| (n.to_string(), v1::AttributeValue::default())).collect();
        let tags = vec!["vip".to_owned(); tags];
        let contact = v1::Contact { tags, attributes, ..Default::default() };
        v1::ImportRow { contact: Some(contact), consent: None }
    }

    fn import(rows: Vec<v1::ImportRow>) -> Vec<u8> {
        use v1::import_contacts_request::Message as Say;
        let chunk = Say::Chunk(v1::ImportChunk { chunk_id: String::new(), rows });
        v1::ImportContactsRequest { message: Some(chunk), ..Default::default() }.encode_to_vec()
    }

    #[test]
    fn lists_are_counted_wherever_they_are() {
        assert_eq!(count("ImportContactsRequest", &import(vec![row(3, 2); 4])), Ok(4 + 12 + 8));
        assert_eq!(count("ImportContactsRequest", &import(vec![row(0, 0); 10])), Ok(10));
        let too_many = count("ImportContactsRequest", &import(vec![row(0, 0); 11]));
        assert_eq!(too_many, Err(("rows".to_owned(), "10".to_owned())));
        let too_many = count("ImportContactsRequest", &import(vec![row(11, 0); 10]));
        assert_eq!(too_many, Err(("tags".to_owned(), "100".to_owned())));
        let also = vec![v1::Recipient::default(); 11];
        let check = v1::CheckOptInRequest { also, ..Default::default() };
        let too_many = count("CheckOptInRequest", &check.encode_to_vec());
        assert_eq!(too_many, Err(("also".to_owned(), "10".to_owned())));
    }

    #[test]
    fn empty_elements_count() {
        // `rows` of a batch: a key and a length of 0.
        let field = v1::BatchUpsertContactsRequest {
            rows: vec![v1::ImportRow::default()],
            ..Default::default()
        };
        let one = field.encode_to_vec();
        assert_eq!(one.len(), 2);
        assert_eq!(count("BatchUpsertContactsRequest", &one.repeat(10)), Ok(10));
        assert!(count("BatchUpsertContactsRequest", &one.repeat(2_000_000)).is_err());
    }

    #[test]
    fn a_message_that_comes_twice_is_one() {
        // A decoder merges the chunks.
        let half = import(vec![row(0, 0); 6]);
        assert!(count("ImportContactsRequest", &[half.clone(), half].concat()).is_err());
    }

    #[test]
    fn elements_before_malformed_bytes_count() {
        let mut encoded = import(vec![row(0, 0); 10]);
        encoded.extend([0x0f]);
        assert_eq!(count("ImportContactsRequest", &encoded), Ok(10));
        let mut encoded = import(vec![row(0, 0); 11]);
        encoded.extend([0x0f]);
        assert!(count("ImportContactsRequest", &encoded).is_err());
        assert_eq!(count("ImportContactsRequest", &[0x0a, 0xff]), Ok(0));
        assert_eq!(count("NoSuchRequest", &[0x0a, 0x00]), Ok(0));
    }

    #[test]
    fn numbers_that_come_as_one_field_are_counted_each() {
        let categories = vec![1; 10];
        let request = v1::RecordOptOutRequest { categories, ..Default::default() };
        let mut encoded = request.encode_to_vec();
        assert_eq!(count("RecordOptOutRequest", &encoded), Ok(10));
        // One more, by itself and with all of its bytes.
        encoded.extend([5 << 3, 0x81, 0x00]);
        assert!(count("RecordOptOutRequest", &encoded).is_err());
        let consent = v1::ImportConsent { categories: vec![300; 40], ..Default::default() };
        let row = v1::ImportRow { contact: None, consent: Some(consent) };
        let rows = v1::BatchUpsertContactsRequest { rows: vec![row; 2], ..Default::default() };
        assert_eq!(count("BatchUpsertContactsRequest", &rows.encode_to_vec()), Ok(82));
    }

    #[test]
    fn numbers_of_fixed_size_are_counted_by_it() {
        // As varints these would be no element, and eight.
        let all = [u64::MAX, 1];
        for (phones, counted) in [(5, Ok(10)), (6, Err(("phones".to_owned(), "10".to_owned())))] {
            let batch =
                v1::BatchCheckOptInRequest { phones: all.repeat(phones), ..Default::default() };
            assert_eq!(count("BatchCheckOptInRequest", &batch.encode_to_vec()), counted);
        }
        // Each by itself.
        let one = [&[6 << 3 | 1][..], &1_u64.to_le_bytes()].concat();
        assert_eq!(count("BatchCheckOptInRequest", &one.repeat(10)), Ok(10));
        assert!(count("BatchCheckOptInRequest", &one.repeat(11)).is_err());
    }

    #[test]
    fn map_entries_are_counted_as_the_decoder_takes_them() {
        let contact = v1::Contact {
            attributes: [("a".to_owned(), v1::AttributeValue::default())].into(),
            ..Default::default()
        };
        // The wire type is in the first of the two bytes of the key.
        let delimited = contact.encode_to_vec();
        for wire_type in 0..6 {
            let mut encoded = delimited.clone();
            encoded[0] = encoded[0] & !7 | wire_type;
            encoded.extend(
                v1::Contact { tags: vec![String::new(); 20], ..contact.clone() }.encode_to_vec(),
            );
            let decoded = v1::Contact::decode(&*encoded).expect("a contact");
            assert_eq!((decoded.tags.len(), decoded.attributes.len()), (20, 1), "{wire_type}");
            // In a row, where lists count towards the total only.
            let mut row = vec![0x0a, u8::try_from(encoded.len()).expect("small")];
            row.extend(&encoded);
            let mut rows = vec![0x12, u8::try_from(row.len()).expect("small")];
            rows.extend(&row);
            let counted = count("BatchUpsertContactsRequest", &rows);
            // The row, its tags, and the attribute, which comes twice.
            assert_eq!(counted, Ok(1 + 20 + 2), "{wire_type}");
        }
    }
}
