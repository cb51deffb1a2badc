//! Who may call the gateway's own methods.

use nopic_chassis::roles::Row;
use nopic_domain::principal::Role;

/// Who lets others in.
const OPERATOR: &[Role] = &[Role::Operator];

/// The gateway's rows of the table of roles.
pub const ROLES: &[Row] = &[
    Row::roles("nopic.access.v1.AccessService/CreateTenant", OPERATOR),
    Row::roles("nopic.access.v1.AccessService/ListTenants", OPERATOR),
    Row::roles("nopic.access.v1.AccessService/SuspendTenant", OPERATOR),
    Row::roles("nopic.access.v1.AccessService/ResumeTenant", OPERATOR),
    Row::roles("nopic.access.v1.AccessService/AddPerson", OPERATOR),
    Row::roles("nopic.access.v1.AccessService/ListPeople", OPERATOR),
    Row::roles("nopic.access.v1.AccessService/RemovePerson", OPERATOR),
    Row::roles("nopic.access.v1.AccessService/CreateKey", OPERATOR),
    Row::roles("nopic.access.v1.AccessService/ListKeys", OPERATOR),
    Row::roles("nopic.access.v1.AccessService/RevokeKey", OPERATOR),
    Row::roles("nopic.access.v1.AccessService/RotateKey", OPERATOR),
    Row::any_role("nopic.access.v1.AccessService/WhoAmI"),
    Row::any_role("nopic.access.v1.AccessService/GetQuota"),
];
