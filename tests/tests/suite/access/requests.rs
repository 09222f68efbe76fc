//! Every method of the API, and requests of it made from the descriptors.

use contacts_proto::FILE_DESCRIPTOR_SET;
use contacts_service::domain::access::Scope;
use prost::Message;
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FileDescriptorSet};

const PACKAGE: &str = ".whatatalk.contacts.v1.";

/// A method of the API.
pub(super) struct Method {
    /// Such as `ContactService/GetContact`.
    pub(super) path: String,
    /// The request message.
    pub(super) request: DescriptorProto,
}

/// All methods of the API.
pub(super) struct Methods {
    pub(super) all: Vec<Method>,
    messages: Vec<DescriptorProto>,
}

impl Methods {
    pub(super) fn read() -> Self {
        let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("descriptors").file;
        let ours = || files.iter().filter(|file| file.package() == "whatatalk.contacts.v1");
        let messages: Vec<_> = ours().flat_map(|file| file.message_type.clone()).collect();
        let mut all = Vec::new();
        for service in ours().flat_map(|file| &file.service) {
            for method in &service.method {
                let name = method.input_type().strip_prefix(PACKAGE).expect("of this package");
                let request = messages.iter().find(|message| message.name() == name);
                all.push(Method {
                    path: format!("{}/{}", service.name(), method.name()),
                    request: request.expect("a request").clone(),
                });
            }
        }
        assert!(all.len() >= 36, "{}", all.len());
        Self { all, messages }
    }

    /// The ways to text fields with this name in a message, through messages in it.
    pub(super) fn ways(&self, message: &DescriptorProto, name: &str) -> Vec<Vec<i32>> {
        self.ways_within(message, name, 3)
    }

    fn ways_within(&self, message: &DescriptorProto, name: &str, depth: u8) -> Vec<Vec<i32>> {
        let mut ways = Vec::new();
        for field in &message.field {
            if field.name() == name && field.r#type() == Type::String {
                ways.push(vec![field.number()]);
            }
            let inner = field.type_name().strip_prefix(PACKAGE).filter(|_| depth > 1);
            let inner = inner.filter(|_| field.r#type() == Type::Message);
            let inner = inner.and_then(|name| self.messages.iter().find(|m| m.name() == name));
            for way in inner.into_iter().flat_map(|m| self.ways_within(m, name, depth - 1)) {
                ways.push([vec![field.number()], way].concat());
            }
        }
        ways
    }

    /// The way to the workspace that a request is about. None: it is about no single one.
    pub(super) fn way_to_workspace(&self, method: &Method) -> Option<Vec<i32>> {
        // The workspace to create exists for nobody yet.
        let creates = method.path == "WorkspaceService/CreateWorkspace";
        let ways = self.ways(&method.request, "workspace_id");
        ways.into_iter().min_by_key(Vec::len).filter(|_| !creates)
    }
}

impl Method {
    /// The scope it needs, by what its name says; `permissions.rs` of the service has a table.
    pub(super) fn scope(&self) -> Scope {
        let (service, name) = self.path.split_once('/').expect("a path");
        let begins = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
        if begins(&["Check", "BatchCheck"]) || name == "ListReceiptKeys" {
            Scope::OptInCheck
        } else if begins(&["Record", "Ingest"]) {
            Scope::OptInWrite
        } else if service == "TokenService" {
            Scope::Admin
        } else if begins(&["Get", "BatchGet", "List", "Count", "Stream", "Export"]) {
            Scope::ContactsRead
        } else if service == "WorkspaceService" {
            Scope::Admin
        } else {
            Scope::ContactsWrite
        }
    }
}

/// Adds a text to an encoded message, at the end of a way of field numbers.
pub(super) fn put(message: &mut Vec<u8>, way: &[i32], text: &str) {
    let [field, inner @ ..] = way else { panic!("no way") };
    let mut value = Vec::new();
    match inner {
        [] => value.extend(text.as_bytes()),
        _ => put(&mut value, inner, text),
    }
    let tag = u32::try_from(*field).expect("a field number");
    prost::encoding::bytes::encode(tag, &value, message);
}
