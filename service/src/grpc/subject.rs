//! What an encoded request says it is about: its workspace and, if it names one by id, its contact.
//! Read before it is decoded, so that every call has it in the logs, whatever its handler does.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost_types::DescriptorProto;
use uuid::Uuid;

use crate::telemetry::call::Call;

/// The numbers of the fields in a request. 0 for a field that it does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SubjectFields {
    workspace_id: u32,
    contact_id: u32,
}

impl SubjectFields {
    /// The fields of a request.
    pub(super) fn of(request: &DescriptorProto) -> Self {
        let number = |name| {
            let field = request.field.iter().find(|field| field.name() == name);
            field.and_then(|field| u32::try_from(field.number()).ok()).unwrap_or(0)
        };
        Self { workspace_id: number("workspace_id"), contact_id: number("contact_id") }
    }

    /// Notes them for the call. Requests without a workspace are about none.
    pub(super) fn note(self, encoded: &[u8], call: &Call) {
        call.set_arrived();
        if self == Self::default() {
            return;
        }
        let (workspace_id, contact_id) = self.read(encoded);
        if self.workspace_id != 0 {
            call.set_workspace(workspace_id);
        }
        if let Ok(id) = Uuid::try_parse(contact_id) {
            call.set_contact(id);
        }
    }

    /// Reads as far as the message is well-formed.
    fn read(self, mut encoded: &[u8]) -> (&str, &str) {
        let (mut workspace_id, mut contact_id) = ("", "");
        while !encoded.is_empty() {
            let Ok((number, wire_type)) = decode_key(&mut encoded) else { break };
            let is_wanted = number == self.workspace_id || number == self.contact_id;
            if !is_wanted || wire_type != WireType::LengthDelimited {
                let skipped = skip_field(wire_type, number, &mut encoded, DecodeContext::default());
                match skipped {
                    Ok(()) => continue,
                    Err(_) => break,
                }
            }
            let Ok(length) = decode_varint(&mut encoded) else { break };
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let Some((text, rest)) = encoded.split_at_checked(length) else { break };
            encoded = rest;
            let text = str::from_utf8(text).unwrap_or_default();
            match number == self.workspace_id {
                true => workspace_id = text,
                false => contact_id = text,
            }
        }
        (workspace_id, contact_id)
    }
}

#[cfg(test)]
mod tests {
    use contacts_proto::v1;
    use prost::Message;

    use super::*;

    const FIELDS: SubjectFields = SubjectFields { workspace_id: 1, contact_id: 4 };

    #[test]
    fn the_fields_are_found_wherever_they_are() {
        let request = v1::GetContactRequest {
            workspace_id: "acme".to_owned(),
            recipient: Some(v1::get_contact_request::Recipient::ContactId("7".to_owned())),
            ..Default::default()
        };
        let encoded = request.encode_to_vec();
        assert_eq!(FIELDS.read(&encoded), ("acme", "7"));
        // The last one counts, as for a decoder.
        let twice = [&encoded[..], &[0x0a, 1, b'x']].concat();
        assert_eq!(FIELDS.read(&twice), ("x", "7"));
        assert_eq!(FIELDS.read(&[]), ("", ""));
    }

    #[test]
    fn malformed_requests_are_read_as_far_as_they_go() {
        for rest in [&[0x0f][..], &[0x22, 0xff, 0xff, 0xff, 0xff, 0x0f], &[0x22], &[0x22, 5, b'x']]
        {
            let encoded = [&[0x0a, 4][..], b"acme", rest].concat();
            assert_eq!(FIELDS.read(&encoded), ("acme", ""), "{rest:?}");
        }
        assert_eq!(FIELDS.read(&[0x0a, 2, 0xc3, 0x28]), ("", ""));
        // Numbers instead of texts.
        assert_eq!(FIELDS.read(&[0x08, 7, 0x20, 7]), ("", ""));
    }
}
