//! Every method of the contract says whether it may be called twice: clients and gateways go by that when a call breaks off.

use prost_reflect::{DescriptorPool, MethodDescriptor, Value};

/// What has another effect or another answer the second time.
const ONCE: [&str; 11] = [
    // The key is told once.
    "nopic.access.v1.AccessService/CreateKey",
    "nopic.access.v1.AccessService/RotateKey",
    // So is the secret of a webhook.
    "nopic.notification.v1.NotificationService/CreateReceiver",
    "nopic.notification.v1.NotificationService/RotateSecret",
    "nopic.certificate.v1.CertificateService/ImportCertificates",
    // The second answer tells of no link that was replaced.
    "nopic.entry_validation.v1.EntryValidationService/LinkImporter",
    "nopic.entry_validation.v1.EntryValidationService/UnlinkImporter",
    "nopic.entry_validation.v1.EntryValidationService/ImportFlags",
    "nopic.registry.v1.RegistryService/ImportSnapshot",
    "nopic.registry.v1.RegistryService/ReleaseSnapshot",
    "nopic.registry.v1.RegistryService/DiscardSnapshot",
];
/// Filings in parts name their change in their options.
const BY_OPTIONS: [&str; 2] = [
    "nopic.entry_validation.v1.EntryRecordService/FileStream",
    "nopic.entry_validation.v1.EntryRecordService/FileDocument",
];

fn level(method: &MethodDescriptor) -> &'static str {
    let options = method.options();
    match options.get_field_by_name("idempotency_level").as_deref() {
        Some(Value::EnumNumber(1)) => "NO_SIDE_EFFECTS",
        Some(Value::EnumNumber(2)) => "IDEMPOTENT",
        _ => "IDEMPOTENCY_UNKNOWN",
    }
}

#[test]
fn what_names_its_change_may_be_called_twice_and_what_changes_nothing() {
    let pool = DescriptorPool::decode(nopic_proto::DESCRIPTORS).expect("the contract can be read");
    let mut methods = 0;
    for service in pool.services() {
        for method in service.methods() {
            methods += 1;
            let name = format!("{}/{}", service.full_name(), method.name());
            let names_its_change = method.input().get_field_by_name("request_id").is_some()
                || BY_OPTIONS.contains(&name.as_str());
            let expected = if ONCE.contains(&name.as_str()) {
                "IDEMPOTENCY_UNKNOWN"
            } else if names_its_change {
                "IDEMPOTENT"
            } else {
                "NO_SIDE_EFFECTS"
            };
            assert_eq!(level(&method), expected, "{name}");
        }
    }
    assert!(methods > 60, "{methods}");
}
