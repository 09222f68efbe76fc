//! The methods of this server, from their descriptors.

use std::collections::HashMap;

use prost::{DecodeError, Message};
use prost_types::{FileDescriptorProto, FileDescriptorSet};

/// The descriptors of the services, without reflection.
pub(super) const DESCRIPTORS: [&[u8]; 2] =
    [contacts_proto::FILE_DESCRIPTOR_SET, tonic_health::pb::FILE_DESCRIPTOR_SET];

/// A method of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Method {
    /// Whether the client or the server sends a stream of messages.
    pub(super) is_stream: bool,
}

/// Methods by path.
#[derive(Debug)]
pub(super) struct Methods(HashMap<String, Method>);

impl Methods {
    /// The methods of the API, health and reflection.
    pub(super) fn of_this_server() -> Result<Self, DecodeError> {
        let reflection = [
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let mut methods = HashMap::new();
        for set in DESCRIPTORS.into_iter().chain(reflection) {
            for file in FileDescriptorSet::decode(set)?.file {
                methods.extend(methods_of(&file));
            }
        }
        Ok(Self(methods))
    }

    /// The method of a path, and the path as a known one, which unlike the
    /// caller's can be logged. None if there is no such method.
    pub(super) fn find(&self, path: &str) -> Option<(&str, Method)> {
        self.0.get_key_value(path).map(|(path, method)| (path.as_str(), *method))
    }
}

fn methods_of(file: &FileDescriptorProto) -> impl Iterator<Item = (String, Method)> {
    file.service.iter().flat_map(|service| {
        service.method.iter().map(|method| {
            let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
            (path, Method { is_stream: method.client_streaming() || method.server_streaming() })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_with_streams_are_recognised() {
        let methods = Methods::of_this_server().expect("descriptors");
        let is_stream = |path: &str| methods.find(path).map(|(_, method)| method.is_stream);
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
}
