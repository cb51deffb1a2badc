//! The methods that there are: a closed table, so that no caller can make up labels.

use std::collections::HashMap;
use std::sync::LazyLock;

use nopic_proto::DESCRIPTORS;
use prost::Message as _;
use prost_types::method_options::IdempotencyLevel;
use prost_types::{FileDescriptorSet, MethodOptions};

/// What is none of ours.
const OTHER: &str = "_OTHER";

/// What is known of a method.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// As `package.Service/Method`.
    name: &'static str,
    /// Whether the contract says that it may be called twice.
    is_idempotent: bool,
}

/// By `/package.Service/Method`.
static METHODS: LazyLock<HashMap<String, Known>> = LazyLock::new(|| {
    let sets = [
        DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    ];
    let mut methods = HashMap::new();
    // Descriptors that this build made can be read.
    for file in sets
        .iter()
        .filter_map(|set| FileDescriptorSet::decode(*set).ok())
        .flat_map(|set| set.file)
    {
        for service in &file.service {
            for method in &service.method {
                let name = format!("{}.{}/{}", file.package(), service.name(), method.name());
                let level = method.options.as_ref().map(MethodOptions::idempotency_level);
                let known = Known {
                    is_idempotent: matches!(
                        level,
                        Some(IdempotencyLevel::NoSideEffects | IdempotencyLevel::Idempotent)
                    ),
                    // Once for the life of the process.
                    name: name.clone().leak(),
                };
                methods.insert(format!("/{name}"), known);
            }
        }
    }
    methods
});

/// The method at a path.
pub(super) fn at(path: &str) -> &'static str {
    METHODS.get(path).map_or(OTHER, |method| method.name)
}

/// Whether the method at a path may be called twice: it changes nothing, or names its change by an id.
pub(super) fn is_idempotent(path: &str) -> bool {
    METHODS.get(path).is_some_and(|method| method.is_idempotent)
}

/// Whether a trace of its calls is worth anything: those who watch each other's health ask all the time, and its answer
/// is among the metrics.
pub(super) fn is_traced(method: &str) -> bool {
    !method.starts_with("grpc.health.v1.Health/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_those_of_the_contract() {
        assert_eq!(
            at("/nopic.registry.v1.RegistryService/GetStatusManifest"),
            "nopic.registry.v1.RegistryService/GetStatusManifest"
        );
        assert_eq!(at("/grpc.health.v1.Health/Check"), "grpc.health.v1.Health/Check");
        assert_eq!(at("/nopic.registry.v1.RegistryService/Invent"), OTHER);
        assert_eq!(at(""), OTHER);
    }

    #[test]
    fn the_contract_says_what_may_be_called_twice() {
        for (path, twice) in [
            (
                "/nopic.entry_validation.v1.EntryValidationService/ValidateEntry",
                true,
            ),
            ("/nopic.certificate.v1.LedgerService/SetDraws", true),
            ("/nopic.registry.v1.RegistryService/ReleaseSnapshot", false),
            // Its answer holds what is told once.
            ("/nopic.access.v1.AccessService/CreateKey", false),
            ("/nopic.registry.v1.RegistryService/Invent", false),
        ] {
            assert_eq!(is_idempotent(path), twice, "{path}");
        }
    }

    #[test]
    fn every_call_is_traced_but_those_that_ask_for_health() {
        assert!(is_traced(at(
            "/nopic.registry.v1.RegistryService/GetStatusManifest"
        )));
        assert!(is_traced(OTHER));
        assert!(
            !is_traced(at("/grpc.health.v1.Health/Check")) && !is_traced(at("/grpc.health.v1.Health/Watch"))
        );
    }
}
