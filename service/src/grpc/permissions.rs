//! What a caller needs for each method. A method that is missing here keeps the server from
//! starting (`methods.rs`), so that none is open by mistake.

use crate::domain::access::Scope;

/// What a caller needs for a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing: load balancers ask for health.
    Open,
    /// A valid token, whatever it permits.
    AnyToken,
    /// A token with this scope.
    Scope(Scope),
}

/// What a caller needs for the method with this path.
pub(super) fn access(path: &str) -> Option<Access> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    match service.strip_prefix("whatatalk.contacts.v1.") {
        Some(service) => scope(service, method).map(Access::Scope),
        None if service == "grpc.health.v1.Health" => Some(Access::Open),
        None if service.starts_with("grpc.reflection.") => Some(Access::AnyToken),
        None => None,
    }
}

/// The table in the comment of `token_service.proto`.
fn scope(service: &str, method: &str) -> Option<Scope> {
    Some(match (service, method) {
        (
            "OptInService",
            "CheckOptIn" | "BatchCheckOptIn" | "CheckOptInStream" | "ListReceiptKeys",
        ) => Scope::OptInCheck,
        ("OptInService", "RecordOptIn" | "RecordOptOut" | "RecordPlatformPreference")
        | ("WebhookService", "IngestWhatsAppWebhook") => Scope::OptInWrite,
        ("OptInService", "ListOptInEvents")
        | (
            "ContactService",
            "GetContact"
            | "BatchGetContacts"
            | "ListContacts"
            | "CountContacts"
            | "StreamContacts"
            | "StreamDuplicateContacts"
            | "ExportContactData",
        )
        | ("TagService", "GetTag" | "ListTags")
        | ("AttributeService", "GetAttribute" | "ListAttributes")
        | ("WorkspaceService", "GetWorkspace" | "ListWorkspaces") => Scope::ContactsRead,
        (
            "ContactService",
            "CreateContact"
            | "UpdateContact"
            | "DeleteContact"
            | "LinkIdentity"
            | "MergeContacts"
            | "ImportContacts"
            | "BatchUpsertContacts"
            | "UpdateContactTags",
        )
        | ("TagService", "CreateTag" | "UpdateTag" | "DeleteTag")
        | ("AttributeService", "CreateAttribute" | "UpdateAttribute" | "DeleteAttribute") => {
            Scope::ContactsWrite
        }
        ("WorkspaceService", "CreateWorkspace" | "UpdateWorkspace" | "DeleteWorkspace")
        | ("TokenService", "CreateToken" | "ListTokens" | "RevokeToken" | "RotateToken") => {
            Scope::Admin
        }
        _ => return None,
    })
}
