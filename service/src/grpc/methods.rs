//! The methods of this server, from their descriptors: what kind of call each is,
//! and how large its messages may be.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;

use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto};

use super::elements::{ElementLimits, MessageType, Schema};
use super::permissions::{Access, access};
use super::subject::SubjectFields;
use crate::telemetry::audit::Action;

/// The descriptors of the services, without reflection.
pub(super) const DESCRIPTORS: [&[u8]; 2] =
    [contacts_proto::FILE_DESCRIPTOR_SET, tonic_health::pb::FILE_DESCRIPTOR_SET];

/// A class of calls. Each has places of its own, so that none can take those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// The health check.
    Health,
    /// Watches of the health service, and reflection.
    Infrastructure,
    /// A check of one person.
    Check,
    /// What records an objection.
    OptOut,
    /// Other calls about one thing.
    Unary,
    /// Calls about many people: streams, imports, batches, counts, bulk edits.
    Bulk,
}

impl Class {
    /// How many classes there are.
    pub(super) const COUNT: usize = Self::Bulk as usize + 1;

    /// Its name in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Infrastructure => "infrastructure",
            Self::Check => "check",
            Self::OptOut => "opt_out",
            Self::Unary => "unary",
            Self::Bulk => "bulk",
        }
    }
}

/// Unary calls about many people, other than those whose names begin with `Batch`.
const BULK: [&str; 5] =
    ["CountContacts", "UpdateContactTags", "DeleteTag", "DeleteAttribute", "DeleteWorkspace"];
/// Calls that record objections.
const OPT_OUTS: [&str; 3] = ["RecordOptOut", "RecordPlatformPreference", "IngestWhatsAppWebhook"];

/// Calls that are not in the audit log: they show nothing about a person, or are checks, which are
/// answered too often.
const UNAUDITED: [&str; 10] = [
    "CheckOptIn",
    "BatchCheckOptIn",
    "CheckOptInStream",
    "ListReceiptKeys",
    "GetTag",
    "ListTags",
    "GetAttribute",
    "ListAttributes",
    "GetWorkspace",
    "ListWorkspaces",
];
const READS: [&str; 8] = [
    "GetContact",
    "BatchGetContacts",
    "ListContacts",
    "CountContacts",
    "StreamContacts",
    "StreamDuplicateContacts",
    "ListOptInEvents",
    "ListTokens",
];
/// Changes of consent, of whose it is, and of the policy it is judged by.
const CONSENT: [&str; 9] = [
    "RecordOptIn",
    "RecordOptOut",
    "RecordPlatformPreference",
    "IngestWhatsAppWebhook",
    "ImportContacts",
    "BatchUpsertContacts",
    "LinkIdentity",
    "MergeContacts",
    "UpdateWorkspace",
];

/// Largest message of health and reflection, in bytes.
const INFRASTRUCTURE_BYTES: usize = 16 << 10;
/// Largest message of a check.
const CHECK_BYTES: usize = 64 << 10;
/// Largest message of a call about one thing.
const UNARY_BYTES: usize = 1 << 20;

/// The limits of the messages of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MessageLimits {
    /// Bytes of a message, decompressed. Settings may lower it.
    pub(super) bytes: usize,
    /// Elements of repeated fields.
    pub(super) elements: ElementLimits,
}

/// A method of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Method {
    /// Whether the client or the server sends a stream of messages.
    pub(super) is_stream: bool,
    /// Whether the client sends a stream of messages.
    pub(super) is_client_stream: bool,
    /// Which places its calls take.
    pub(super) class: Class,
    /// How large its requests may be.
    pub(super) limits: MessageLimits,
    /// Its request, in the [`Schema`].
    pub(super) request: MessageType,
    /// What a caller needs for it.
    pub(super) access: Access,
    /// What its request is about.
    pub(super) subject: SubjectFields,
    /// What the audit log says that it does. None if it is not in there.
    pub(super) action: Option<Action>,
    /// Its place in [`Methods::paths`].
    pub(super) index: usize,
}

/// Methods by path.
#[derive(Debug)]
pub(super) struct Methods {
    by_path: HashMap<Arc<str>, Method>,
    paths: Vec<Arc<str>>,
    schema: Schema,
}

impl Methods {
    /// The methods of the API, health and reflection. Fails if it is not said what a caller
    /// needs for one of them.
    pub(super) fn of_this_server() -> Result<Self, Box<dyn Error + Send + Sync>> {
        let reflection = [
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let mut files = Vec::new();
        for set in DESCRIPTORS.into_iter().chain(reflection) {
            files.extend(FileDescriptorSet::decode(set)?.file);
        }
        let schema = Schema::of(&files);
        let methods = files.iter().flat_map(|file| methods_of(file, &schema));
        let mut by_path = methods.collect::<Result<HashMap<Arc<str>, Method>, String>>()?;
        let mut paths = Vec::with_capacity(by_path.len());
        for (path, method) in &mut by_path {
            method.index = paths.len();
            paths.push(Arc::clone(path));
        }
        Ok(Self { by_path, paths, schema })
    }

    /// The method of a path, and the path as a known one, which unlike the
    /// caller's can be logged. None if there is no such method.
    pub(super) fn find(&self, path: &str) -> Option<(&Arc<str>, Method)> {
        self.by_path.get_key_value(path).map(|(path, method)| (path, *method))
    }

    /// The paths of all methods.
    pub(super) fn paths(&self) -> &[Arc<str>] {
        &self.paths
    }

    /// The message types of the requests.
    pub(super) fn schema(&self) -> &Schema {
        &self.schema
    }
}

fn methods_of<'f>(
    file: &'f FileDescriptorProto,
    schema: &'f Schema,
) -> impl Iterator<Item = Result<(Arc<str>, Method), String>> + 'f {
    file.service.iter().flat_map(move |service| {
        service.method.iter().map(move |method| {
            let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
            let class = class(file.package(), method);
            let method = Method {
                is_stream: method.client_streaming() || method.server_streaming(),
                is_client_stream: method.client_streaming(),
                class,
                limits: limits(class, method.name()),
                request: schema.find(method.input_type()),
                access: access(&path).ok_or_else(|| format!("{path} has no permission"))?,
                subject: subject(file, method),
                action: action(file.package(), method.name()),
                index: 0,
            };
            Ok((path.into(), method))
        })
    })
}

fn class(package: &str, method: &MethodDescriptorProto) -> Class {
    let is_stream = method.client_streaming() || method.server_streaming();
    match method.name() {
        _ if package.starts_with("grpc.") && is_stream => Class::Infrastructure,
        _ if package.starts_with("grpc.") => Class::Health,
        "CheckOptIn" => Class::Check,
        name if OPT_OUTS.contains(&name) => Class::OptOut,
        name if is_stream || name.starts_with("Batch") || BULK.contains(&name) => Class::Bulk,
        _ => Class::Unary,
    }
}

/// The requests of this API are declared in the files of their services.
fn subject(file: &FileDescriptorProto, method: &MethodDescriptorProto) -> SubjectFields {
    let name = method.input_type().rsplit('.').next().unwrap_or_default();
    let request = file.message_type.iter().find(|message| message.name() == name);
    request.map(SubjectFields::of).unwrap_or_default()
}

/// A method that is not listed changes something.
fn action(package: &str, name: &str) -> Option<Action> {
    match name {
        _ if package.starts_with("grpc.") || UNAUDITED.contains(&name) => None,
        "ExportContactData" => Some(Action::Export),
        "DeleteContact" | "DeleteWorkspace" => Some(Action::Erase),
        _ if READS.contains(&name) => Some(Action::Read),
        _ if CONSENT.contains(&name) => Some(Action::Consent),
        _ => Some(Action::Change),
    }
}

fn limits(class: Class, name: &str) -> MessageLimits {
    let (bytes, list, total) = match class {
        Class::Health | Class::Infrastructure => (INFRASTRUCTURE_BYTES, 100, 100),
        Class::Check => (CHECK_BYTES, 2_000, 2_000),
        // Webhooks come as one field of bytes.
        Class::OptOut if name == "IngestWhatsAppWebhook" => (usize::MAX, 2_000, 2_000),
        Class::Unary | Class::OptOut => (UNARY_BYTES, 2_000, 10_000),
        // Twice what handlers accept, so that they refuse a request a bit too large
        // with an error of their own. Contacts have up to 200 tags and attributes.
        Class::Bulk => (usize::MAX, 20_000, 250_000),
    };
    MessageLimits { bytes, elements: ElementLimits { list, total } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::Scope;

    #[test]
    fn every_method_needs_a_scope_but_health_and_reflection() {
        // Fails if one is missing in the table.
        let methods = Methods::of_this_server().expect("a permission for each method");
        let of_api = |path: &&Arc<str>| path.starts_with("/whatatalk.contacts.v1.");
        assert!(methods.by_path.keys().filter(of_api).count() >= 36);
        for (path, method) in &methods.by_path {
            let expected = match path.split('.').nth(1) {
                Some("contacts") => matches!(method.access, Access::Scope(_)),
                Some("health") => method.access == Access::Open,
                _ => method.access == Access::AnyToken,
            };
            assert!(expected, "{path}: {:?}", method.access);
            // What changes something is not for those who only read.
            let name = path.rsplit('/').next().expect("a name");
            let reads =
                ["Get", "List", "Count", "Stream", "BatchGet", "Export", "Check", "BatchCheck"];
            if !reads.iter().any(|read| name.starts_with(read)) {
                let is_read =
                    matches!(method.access, Access::Scope(Scope::ContactsRead | Scope::OptInCheck));
                assert!(!is_read || path.starts_with("/grpc."), "{path}: {:?}", method.access);
            }
        }
        assert_eq!(access("/whatatalk.contacts.v1.ContactService/Guess"), None);
        assert_eq!(access("/whatatalk.contacts.v2.ContactService/GetContact"), None);
    }

    fn method(methods: &Methods, path: &str) -> Option<Method> {
        methods.find(path).map(|(_, method)| method)
    }

    #[test]
    fn methods_with_streams_are_recognised() {
        let methods = Methods::of_this_server().expect("descriptors");
        let is_stream = |path: &str| method(&methods, path).map(|method| method.is_stream);
        for name in ["ContactService/StreamContacts", "ContactService/ImportContacts"] {
            assert_eq!(is_stream(&format!("/whatatalk.contacts.v1.{name}")), Some(true), "{name}");
        }
        assert_eq!(is_stream("/whatatalk.contacts.v1.OptInService/CheckOptIn"), Some(false));
        assert_eq!(is_stream("/grpc.health.v1.Health/Watch"), Some(true));
        assert_eq!(is_stream("/grpc.health.v1.Health/Check"), Some(false));
        assert_eq!(
            is_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"),
            Some(true)
        );
        assert_eq!(is_stream("/whatatalk.contacts.v1.OptInService/Guess"), None);
    }

    #[test]
    fn every_request_of_a_workspace_says_which() {
        let methods = Methods::of_this_server().expect("descriptors");
        for path in methods.paths().iter().filter(|path| path.starts_with("/whatatalk.")) {
            let subject = methods.find(path).expect("a method").1.subject;
            // Handlers note the workspace that they create or update.
            let others =
                ["/ListWorkspaces", "/ListReceiptKeys", "/CreateWorkspace", "/UpdateWorkspace"];
            let is_other = others.iter().any(|name| path.ends_with(name));
            let is_other = is_other || path.contains(".TokenService/");
            assert_eq!(subject == SubjectFields::default(), is_other, "{path}");
        }
    }

    #[test]
    fn every_name_in_the_lists_is_a_method() {
        let methods = Methods::of_this_server().expect("descriptors");
        let names = UNAUDITED.iter().chain(&READS).chain(&CONSENT).chain(&BULK).chain(&OPT_OUTS);
        for name in names {
            let ends = format!("/{name}");
            assert!(methods.paths().iter().any(|path| path.ends_with(&ends)), "{name}");
        }
    }

    #[test]
    fn whatever_changes_something_is_in_the_audit_log() {
        let methods = Methods::of_this_server().expect("descriptors");
        for path in methods.paths().iter().filter(|path| path.starts_with("/whatatalk.")) {
            let name = path.rsplit('/').next().unwrap_or_default();
            let only_looks = ["Get", "List", "Count", "BatchGet", "Stream", "Check", "BatchCheck"];
            let only_looks = only_looks.iter().any(|verb| name.starts_with(verb));
            let action = methods.find(path).expect("a method").1.action;
            let expected = match name {
                "ExportContactData" => action == Some(Action::Export),
                _ if only_looks => matches!(action, None | Some(Action::Read)),
                _ => !matches!(action, None | Some(Action::Read)),
            };
            assert!(expected, "{name}: {action:?}");
            let shows_people = name.ends_with("Contacts") || name == "GetContact";
            assert!(!shows_people || action.is_some(), "{name}");
        }
    }

    #[test]
    fn checks_and_opt_outs_are_classes_of_their_own() {
        let methods = Methods::of_this_server().expect("descriptors");
        for (name, class) in [
            ("OptInService/CheckOptIn", Class::Check),
            ("OptInService/RecordOptOut", Class::OptOut),
            ("OptInService/RecordPlatformPreference", Class::OptOut),
            ("WebhookService/IngestWhatsAppWebhook", Class::OptOut),
            ("OptInService/BatchCheckOptIn", Class::Bulk),
            ("OptInService/CheckOptInStream", Class::Bulk),
            ("ContactService/StreamDuplicateContacts", Class::Bulk),
            ("ContactService/CountContacts", Class::Bulk),
            ("ContactService/UpdateContactTags", Class::Bulk),
            ("TagService/DeleteTag", Class::Bulk),
            ("AttributeService/DeleteAttribute", Class::Bulk),
            ("WorkspaceService/DeleteWorkspace", Class::Bulk),
            ("ContactService/GetContact", Class::Unary),
            ("OptInService/RecordOptIn", Class::Unary),
        ] {
            let found = method(&methods, &format!("/whatatalk.contacts.v1.{name}"));
            assert_eq!(found.expect(name).class, class, "{name}");
        }
        let watch = method(&methods, "/grpc.health.v1.Health/Watch").expect("a method");
        assert_eq!(watch.class, Class::Infrastructure);
    }
}
