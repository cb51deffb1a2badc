//! Who may call which method. Whose entry it is, the handlers check.

use nopic_chassis::roles::Row;
use nopic_domain::principal::Role;

const OPERATOR: &[Role] = &[Role::Operator];
/// Who files entries, for itself or for others.
const FILERS: &[Role] = &[Role::Broker, Role::Compliance, Role::Operator];

/// Entry validation's rows of the table of roles.
pub const ROLES: &[Row] = &[
    Row::any_role("nopic.entry_validation.v1.EntryValidationService/ValidateEntry"),
    Row::any_role("nopic.entry_validation.v1.EntryValidationService/ValidateEntries"),
    Row::any_role("nopic.entry_validation.v1.EntryValidationService/ValidateStream"),
    Row::any_role("nopic.entry_validation.v1.EntryValidationService/ValidateDocument"),
    Row::any_role("nopic.entry_validation.v1.EntryValidationService/ExplainPolicy"),
    Row::roles(
        "nopic.entry_validation.v1.EntryValidationService/LinkImporter",
        FILERS,
    ),
    Row::roles(
        "nopic.entry_validation.v1.EntryValidationService/UnlinkImporter",
        FILERS,
    ),
    Row::any_role("nopic.entry_validation.v1.EntryValidationService/ListImporterLinks"),
    Row::roles(
        "nopic.entry_validation.v1.EntryValidationService/ImportFlags",
        OPERATOR,
    ),
    Row::any_role("nopic.entry_validation.v1.EntryValidationService/GetFlag"),
    Row::any_role("nopic.entry_validation.v1.EntryValidationService/ListFlagChanges"),
    Row::any_role("nopic.entry_validation.v1.EntryValidationService/GetLimits"),
    Row::roles("nopic.entry_validation.v1.EntryRecordService/FileEntries", FILERS),
    Row::roles("nopic.entry_validation.v1.EntryRecordService/FileStream", FILERS),
    Row::roles(
        "nopic.entry_validation.v1.EntryRecordService/FileDocument",
        FILERS,
    ),
    Row::roles("nopic.entry_validation.v1.EntryRecordService/AmendEntry", FILERS),
    Row::roles("nopic.entry_validation.v1.EntryRecordService/CancelEntry", FILERS),
    Row::any_role("nopic.entry_validation.v1.EntryRecordService/GetEntry"),
    Row::any_role("nopic.entry_validation.v1.EntryRecordService/GetDecision"),
    Row::any_role("nopic.entry_validation.v1.EntryRecordService/ListDecisions"),
    Row::any_role("nopic.entry_validation.v1.EntryRecordService/ExplainDecision"),
    Row::any_role("nopic.entry_validation.v1.EntryRecordService/GetStatistics"),
    Row::any_role("nopic.entry_validation.v1.EntryRecordService/ListSetAsideFilings"),
    Row::roles("nopic.entry_validation.v1.EntryTrailService/RecordTrail", FILERS),
    Row::any_role("nopic.entry_validation.v1.EntryTrailService/GetTrail"),
];
