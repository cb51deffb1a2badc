//! Who may call which method.

use nopic_chassis::roles::Row;
use nopic_domain::principal::Role;

const OPERATOR: &[Role] = &[Role::Operator];

/// The registry's rows of the table of roles.
pub const ROLES: &[Row] = &[
    Row::roles("nopic.registry.v1.RegistryService/ImportSnapshot", OPERATOR),
    Row::roles("nopic.registry.v1.RegistryService/ReleaseSnapshot", OPERATOR),
    Row::roles("nopic.registry.v1.RegistryService/DiscardSnapshot", OPERATOR),
    Row::any_role("nopic.registry.v1.RegistryService/ListSnapshots"),
    Row::any_role("nopic.registry.v1.RegistryService/GetCurrentRevision"),
    Row::any_role("nopic.registry.v1.RegistryService/GetOperation"),
    Row::any_role("nopic.registry.v1.RegistryService/BatchGetStatus"),
    Row::any_role("nopic.registry.v1.RegistryService/SearchOperations"),
    Row::any_role("nopic.registry.v1.RegistryService/WatchChanges"),
    Row::any_role("nopic.registry.v1.RegistryService/GetStatusManifest"),
    Row::any_role("nopic.registry.v1.RegistryService/GetStatusShards"),
];
