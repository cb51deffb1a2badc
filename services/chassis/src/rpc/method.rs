//! The methods that there are: a closed table, so that no caller can make up labels.

use std::collections::HashMap;
use std::sync::LazyLock;

use nopic_proto::DESCRIPTORS;
use prost::Message as _;
use prost_types::FileDescriptorSet;

/// What is none of ours.
const OTHER: &str = "_OTHER";

/// From `/package.Service/Method` to `package.Service/Method`.
static METHODS: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
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
                // Once for the life of the process.
                methods.insert(format!("/{name}"), &*name.leak());
            }
        }
    }
    methods
});

/// The method at a path.
pub(super) fn at(path: &str) -> &'static str {
    METHODS.get(path).copied().unwrap_or(OTHER)
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
