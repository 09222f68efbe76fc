use contacts_proto::rpc;
use tonic_types::RpcStatusExt;

use super::FromProto;
use crate::error::{Error, ErrorKind, FieldViolation, Resource};

impl FromProto<rpc::Status> for Error {
    /// Details that cannot be decoded count as absent, because code and message are still useful.
    fn from_proto(status: rpc::Status) -> Self {
        let details = status.get_error_details();
        Self::new(ErrorKind::from_code(status.code), status.message).edit(|inner| {
            if let Some(info) = details.error_info() {
                inner.reason = Some(info.reason.clone());
                inner.metadata = info.metadata.clone().into_iter().collect();
            }
            if let Some(request) = details.bad_request() {
                let violations = request.field_violations.iter();
                inner.field_violations = violations
                    .map(|violation| FieldViolation {
                        field: violation.field.clone(),
                        description: violation.description.clone(),
                    })
                    .collect();
            }
            inner.resource = details.resource_info().map(|resource| Resource {
                resource_type: resource.resource_type.clone(),
                resource_name: resource.resource_name.clone(),
            });
            inner.retry_delay = details.retry_info().and_then(|info| info.retry_delay);
        })
    }
}

#[cfg(test)]
mod tests {
    use contacts_proto::v1;

    use super::*;

    #[test]
    fn every_reason_of_the_contract_has_a_constant() {
        let source = include_str!("../error/reason.rs");
        let names: Vec<_> = (1..=1000)
            .filter_map(|number| v1::ErrorReason::try_from(number).ok())
            .map(|reason| reason.as_str_name().trim_start_matches("ERROR_REASON_"))
            .collect();
        for name in &names {
            assert!(source.contains(&format!("pub const {name}: &str = \"{name}\";")), "{name}");
        }
        assert_eq!(source.matches("pub const ").count(), names.len());
    }

    #[test]
    fn damaged_details_leave_code_and_message() {
        let damaged =
            rpc::Status { code: 5, message: "no such contact".to_owned(), details: Vec::new() };
        let error = Error::from_proto(damaged);
        assert!(error.is_not_found());
        assert_eq!(error.to_string(), "not found: no such contact");
        assert_eq!(error.reason(), None);
    }
}
