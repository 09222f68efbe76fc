//! See [`crate::fuzzing`].

use std::sync::LazyLock;

use contacts_proto::v1;
use contacts_proto::v1::import_contacts_request::Message as Say;
use prost::Message;

use super::convert::import::{decode_options, decode_rows};
use super::methods::{Method, Methods};

static METHODS: LazyLock<(Methods, Method)> = LazyLock::new(|| {
    let methods = Methods::of_this_server().expect("methods");
    let path = "/whatatalk.contacts.v1.ContactService/ImportContacts";
    let import = methods.find(path).expect("a method").1;
    (methods, import)
});

/// A message of an import: its elements are counted before it is decoded, none is missed, and every row is
/// valid or fails by itself.
pub fn import(data: &[u8]) {
    let (methods, import) = &*METHODS;
    let counted = methods.schema().count(import.request, data, import.limits.elements);
    // What has too many elements is not decoded.
    let Ok(counted) = counted else { return };
    let Ok(request) = v1::ImportContactsRequest::decode(data) else { return };
    match request.message {
        Some(Say::Options(options)) => drop(decode_options(options)),
        Some(Say::Chunk(chunk)) => {
            let rows = chunk.rows.len();
            assert!(elements(&chunk) <= counted, "{} of {counted}", elements(&chunk));
            assert!(rows <= import.limits.elements.list);
            if let Ok(decoded) = decode_rows("rows", chunk.rows) {
                assert_eq!(decoded.valid.len() + decoded.failures.len(), rows);
            }
        }
        None => {}
    }
}

fn elements(chunk: &v1::ImportChunk) -> usize {
    let of_row = |row: &v1::ImportRow| {
        let contact = row.contact.as_ref().map_or(0, |contact| {
            contact.tags.len() + contact.attributes.len() + contact.whatsapp_user_ids.len()
        });
        1 + contact + row.consent.as_ref().map_or(0, |consent| consent.categories.len())
    };
    chunk.rows.iter().map(of_row).sum()
}
