//! What the descriptors say of the methods this server has.

use std::collections::HashMap;

use prost::{DecodeError, Message};
use prost_types::{FileDescriptorProto, FileDescriptorSet};

/// The descriptors of the services beside reflection itself.
pub const DESCRIPTORS: [&[u8]; 2] =
    [contacts_proto::FILE_DESCRIPTOR_SET, tonic_health::pb::FILE_DESCRIPTOR_SET];

/// One method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// Whether requests or responses are a stream.
    pub is_stream: bool,
}

/// All methods, by path.
#[derive(Debug)]
pub struct Methods(HashMap<String, Method>);

impl Methods {
    /// Those of the API, of health and of reflection.
    pub fn of_this_server() -> Result<Self, DecodeError> {
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

    /// The method at a path and the path itself, which unlike the caller's is
    /// fit for a log. None if there is no such method.
    pub fn find(&self, path: &str) -> Option<(&str, Method)> {
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
    fn streams_are_told_from_unary_calls() {
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
