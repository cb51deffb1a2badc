//! Every method of the contract: whose data it is about, and how a stranger asks for those of another tenant.

use serde_json::{Value, json};

use super::tenant::Names;

/// What a method is to tenants.
pub(super) enum Method {
    /// It is about a tenant's data: asked with the names of another one it answers as for names of nothing.
    Tenants(fn(&Names, &str) -> Value),
    /// It is about what all share, for the reason given. Asked with another one's names it tells nothing of that one.
    Shared(&'static str, fn(&Names) -> Value),
    /// For operators, whatever it is about: everybody else is refused.
    Operators(fn(&Names) -> Value),
    /// A stream, which is not tried here, for the reason given.
    Stream(&'static str),
}

use Method::{Operators, Shared, Stream, Tenants};

fn requested(of: &Names) -> Value {
    json!({
        "exporterNopId": of.nop_id, "importerNopId": "0620000002", "product": "almonds", "htsCode": "0802120015", "totalWeightKg": "1",
        "kind": "TIME_FRAME", "validFrom": "2099-03-01", "validTo": "2099-09-30",
    })
}

/// A line of another one's entry, without a certificate: it draws nothing.
fn line(of: &Names) -> Value {
    json!({
        "entryNumber": of.entry, "lineNumber": 1, "htsCode": "0802120015", "entryDate": "2025-11-03",
        "importerOfRecord": of.importer_of_record,
    })
}

/// By their names, in the order of the contract. The second argument is an id that no request had before.
pub(super) const METHODS: &[(&str, Method)] = &[
    (
        "nopic.access.v1.AccessService/CreateTenant",
        Operators(|of| {
            json!({
                "requestId": "x", "tenant": { "tenant": of.tenant, "allFilerCodes": true },
            })
        }),
    ),
    (
        "nopic.access.v1.AccessService/ListTenants",
        Operators(|_| json!({})),
    ),
    (
        "nopic.access.v1.AccessService/SuspendTenant",
        Operators(|of| json!({ "requestId": "x", "tenant": of.tenant })),
    ),
    (
        "nopic.access.v1.AccessService/ResumeTenant",
        Operators(|of| json!({ "requestId": "x", "tenant": of.tenant })),
    ),
    (
        "nopic.access.v1.AccessService/AddPerson",
        Operators(|of| {
            json!({
                "requestId": "x", "person": { "name": "mallory", "tenant": of.tenant, "role": "BROKER" },
            })
        }),
    ),
    (
        "nopic.access.v1.AccessService/ListPeople",
        Operators(|of| json!({ "tenant": of.tenant })),
    ),
    (
        "nopic.access.v1.AccessService/RemovePerson",
        Operators(|of| {
            json!({
                "requestId": "x", "tenant": of.tenant, "name": of.person,
            })
        }),
    ),
    (
        "nopic.access.v1.AccessService/CreateKey",
        Operators(|of| {
            json!({
                "requestId": "x", "tenant": of.tenant, "person": of.person,
            })
        }),
    ),
    (
        "nopic.access.v1.AccessService/ListKeys",
        Operators(|of| json!({ "tenant": of.tenant })),
    ),
    (
        "nopic.access.v1.AccessService/RevokeKey",
        Operators(|of| json!({ "requestId": "x", "prefix": of.key_prefix })),
    ),
    (
        "nopic.access.v1.AccessService/RotateKey",
        Operators(|of| json!({ "requestId": "x", "prefix": of.key_prefix })),
    ),
    ("nopic.access.v1.AccessService/WhoAmI", Tenants(|_, _| json!({}))),
    (
        "nopic.access.v1.AccessService/GetQuota",
        Shared("numbers of the caller's own tenant, which move", |_| json!({})),
    ),
    (
        "nopic.audit.v1.AuditService/VerifyLogs",
        Shared(
            "whether the logs of the deployment are whole, for those who review it; names stand only where a log is damaged",
            |_| json!({}),
        ),
    ),
    (
        "nopic.audit.v1.AuditService/ListHeads",
        Shared("signed heads of the deployment's logs", |_| json!({})),
    ),
    (
        "nopic.certificate.v1.CertificateService/ImportCertificates",
        Stream("for operators"),
    ),
    (
        "nopic.certificate.v1.CertificateService/GetCertificate",
        Shared(
            "a certificate, and what is left of it, is everybody's; draws are not",
            |of| json!({ "number": of.certificate, "withDraws": true }),
        ),
    ),
    (
        "nopic.certificate.v1.CertificateService/BatchGetCertificates",
        Shared("as GetCertificate", |of| {
            json!({
                "numbers": [of.certificate],
            })
        }),
    ),
    (
        "nopic.certificate.v1.CertificateService/ListCertificates",
        Shared("as GetCertificate", |_| json!({})),
    ),
    (
        "nopic.certificate.v1.CertificateService/BatchGetForValidation",
        Shared("as GetCertificate", |of| {
            json!({
                "numbers": [of.certificate.replace('-', "")],
                "ownDraws": [{ "number": of.certificate.replace('-', ""), "entryNumber": of.entry }],
            })
        }),
    ),
    (
        "nopic.certificate.v1.LedgerService/SetDraws",
        Tenants(|of, id| {
            json!({
                "requestId": id, "entries": [{ "entryNumber": of.entry, "entryVersion": 9 }],
            })
        }),
    ),
    (
        "nopic.certificate.v1.LedgerService/GetBalance",
        Shared("as GetCertificate", |of| json!({ "number": of.certificate })),
    ),
    (
        "nopic.certificate.v1.LedgerService/ListDraws",
        Shared("a certificate's draws, of the caller's tenant", |of| {
            json!({
                "number": of.certificate,
            })
        }),
    ),
    (
        "nopic.certificate.v1.CertificateLifeService/RequestCertificate",
        Tenants(|of, id| {
            json!({
                "requestId": id, "requested": requested(of),
            })
        }),
    ),
    (
        "nopic.certificate.v1.CertificateLifeService/AnswerQuestion",
        Tenants(|of, id| {
            json!({
                "requestId": id, "request": of.asked, "answer": "yes",
            })
        }),
    ),
    (
        "nopic.certificate.v1.CertificateLifeService/StartReview",
        Tenants(|of, id| {
            json!({
                "requestId": id, "request": of.asked,
            })
        }),
    ),
    (
        "nopic.certificate.v1.CertificateLifeService/AskForMore",
        Tenants(|of, id| {
            json!({
                "requestId": id, "request": of.asked, "question": "which?",
            })
        }),
    ),
    (
        "nopic.certificate.v1.CertificateLifeService/ApproveCertificate",
        Tenants(|of, id| {
            json!({
                "requestId": id, "request": of.asked,
            })
        }),
    ),
    (
        "nopic.certificate.v1.CertificateLifeService/EnterIssuedNumber",
        Tenants(|of, id| {
            json!({
                "requestId": id, "request": of.asked, "number": "901-9010000001-000001",
            })
        }),
    ),
    (
        "nopic.certificate.v1.CertificateLifeService/RejectCertificate",
        Tenants(|of, id| {
            json!({
                "requestId": id, "request": of.asked, "reasons": "no",
            })
        }),
    ),
    (
        "nopic.certificate.v1.CertificateLifeService/VoidCertificate",
        Shared(
            "only the certifier of a certificate may, and is refused like everybody else here",
            |of| json!({ "requestId": "x", "number": of.certificate, "reason": "no" }),
        ),
    ),
    (
        "nopic.certificate.v1.CertificateLifeService/AmendCertificate",
        Shared(
            "as VoidCertificate",
            |of| json!({ "requestId": "x", "number": of.certificate, "reason": "no" }),
        ),
    ),
    (
        "nopic.certificate.v1.CertificateLifeService/GetRequest",
        Tenants(|of, _| json!({ "request": of.asked })),
    ),
    (
        "nopic.certificate.v1.CertificateLifeService/ListRequests",
        Tenants(|_, _| json!({})),
    ),
    (
        "nopic.certificate.v1.CertificateLifeService/GetHistory",
        Shared("the versions of a certificate are everybody's", |of| {
            json!({
                "number": of.certificate,
            })
        }),
    ),
    (
        "nopic.entry_validation.v1.EntryValidationService/ValidateEntry",
        Tenants(|of, _| json!({ "line": line(of) })),
    ),
    (
        "nopic.entry_validation.v1.EntryValidationService/ValidateEntries",
        Tenants(|of, _| json!({ "lines": [line(of)] })),
    ),
    (
        "nopic.entry_validation.v1.EntryValidationService/ValidateStream",
        Stream("as ValidateEntries"),
    ),
    (
        "nopic.entry_validation.v1.EntryValidationService/ValidateDocument",
        Stream("as ValidateEntries"),
    ),
    (
        "nopic.entry_validation.v1.EntryValidationService/ExplainPolicy",
        Shared("the policy", |_| json!({ "on": "2025-11-03" })),
    ),
    (
        "nopic.entry_validation.v1.EntryValidationService/LinkImporter",
        Tenants(|of, _| {
            json!({
                "importerOfRecord": of.importer_of_record, "nopId": "0620000002",
            })
        }),
    ),
    (
        "nopic.entry_validation.v1.EntryValidationService/UnlinkImporter",
        Tenants(|of, _| {
            json!({
                "importerOfRecord": of.importer_of_record,
            })
        }),
    ),
    (
        "nopic.entry_validation.v1.EntryValidationService/ListImporterLinks",
        Tenants(|_, _| json!({})),
    ),
    (
        "nopic.entry_validation.v1.EntryValidationService/ImportFlags",
        Stream("for operators"),
    ),
    (
        "nopic.entry_validation.v1.EntryValidationService/GetFlag",
        Shared("the tariff's flags", |_| {
            json!({
                "htsCode": "0802120015", "on": "2025-11-03",
            })
        }),
    ),
    (
        "nopic.entry_validation.v1.EntryValidationService/ListFlagChanges",
        Shared("the tariff's flags", |_| {
            json!({
                "from": "2025-11-01", "to": "2025-11-30",
            })
        }),
    ),
    (
        "nopic.entry_validation.v1.EntryValidationService/GetLimits",
        Shared("bounds of the program", |_| json!({})),
    ),
    (
        "nopic.entry_validation.v1.EntryRecordService/FileEntries",
        Tenants(|of, id| {
            json!({
                "requestId": id, "lines": [line(of)],
            })
        }),
    ),
    (
        "nopic.entry_validation.v1.EntryRecordService/FileStream",
        Stream("it files in parts, each as FileEntries does"),
    ),
    (
        "nopic.entry_validation.v1.EntryRecordService/FileDocument",
        Stream("it files in parts, each as FileEntries does"),
    ),
    (
        "nopic.entry_validation.v1.EntryRecordService/AmendEntry",
        Tenants(|of, id| {
            json!({
                "requestId": id, "entryNumber": of.entry, "currentVersion": 1, "lines": [line(of)], "reason": "mine now",
            })
        }),
    ),
    (
        "nopic.entry_validation.v1.EntryRecordService/CancelEntry",
        Tenants(|of, id| {
            json!({
                "requestId": id, "entryNumber": of.entry, "currentVersion": 1, "reason": "not yours",
            })
        }),
    ),
    (
        "nopic.entry_validation.v1.EntryRecordService/GetEntry",
        Tenants(|of, _| json!({ "entryNumber": of.entry })),
    ),
    (
        "nopic.entry_validation.v1.EntryRecordService/GetDecision",
        Tenants(|of, _| json!({ "decisionId": of.decision })),
    ),
    (
        "nopic.entry_validation.v1.EntryRecordService/ListDecisions",
        Tenants(|of, _| {
            json!({
                "entryNumber": of.entry, "withEnded": true,
            })
        }),
    ),
    (
        "nopic.entry_validation.v1.EntryRecordService/ExplainDecision",
        Tenants(|of, _| json!({ "decisionId": of.decision })),
    ),
    (
        "nopic.entry_validation.v1.EntryRecordService/GetStatistics",
        Tenants(|_, _| json!({ "group": "IMPORTER" })),
    ),
    (
        "nopic.entry_validation.v1.EntryRecordService/ListSetAsideFilings",
        Tenants(|_, _| json!({})),
    ),
    (
        "nopic.entry_validation.v1.EntryTrailService/RecordTrail",
        Tenants(|of, id| {
            json!({
                "requestId": id, "entryNumber": of.entry,
                "items": [{ "step": { "role": "CARRIER", "party": { "name": "mallory" } } }],
            })
        }),
    ),
    (
        "nopic.entry_validation.v1.EntryTrailService/GetTrail",
        Tenants(|of, _| json!({ "entryNumber": of.entry })),
    ),
    (
        "nopic.registry.v1.RegistryService/ImportSnapshot",
        Stream("for operators"),
    ),
    (
        "nopic.registry.v1.RegistryService/ReleaseSnapshot",
        Operators(|_| json!({})),
    ),
    (
        "nopic.registry.v1.RegistryService/DiscardSnapshot",
        Operators(|_| json!({})),
    ),
    (
        "nopic.events.v1.EventService/ReadEvents",
        Shared(
            "the caller's own events and everybody's",
            |_| json!({ "limit": 1_000 }),
        ),
    ),
    (
        "nopic.events.v1.EventService/WatchEvents",
        Stream("the caller's own events and everybody's"),
    ),
    (
        "nopic.events.v1.EventService/ReadAllEvents",
        Operators(|_| json!({})),
    ),
    (
        "nopic.notification.v1.CaseService/ListCases",
        Shared("the caller's own", |of| json!({ "importerNopId": of.nop_id })),
    ),
    (
        "nopic.notification.v1.CaseService/GetCase",
        Tenants(|of, _| json!({ "importerNopId": of.nop_id })),
    ),
    (
        "nopic.notification.v1.CaseService/GetLetter",
        Tenants(|of, _| json!({ "importerNopId": of.nop_id, "step": "FIRST_WARNING_LETTER" })),
    ),
    (
        "nopic.notification.v1.CaseService/SendLetter",
        Tenants(|of, id| {
            json!({
                "requestId": id, "importerNopId": of.nop_id, "step": "FIRST_WARNING_LETTER",
            })
        }),
    ),
    (
        "nopic.notification.v1.CaseService/GetCaseStatistics",
        Shared("the caller's own", |_| json!({})),
    ),
    (
        "nopic.notification.v1.NotificationService/ListNotices",
        Shared("the caller's own", |of| json!({ "subject": of.entry })),
    ),
    (
        "nopic.notification.v1.NotificationService/GetNotice",
        Shared(
            "numbers are of all tenants; one's own are told",
            |_| json!({ "notice": "1" }),
        ),
    ),
    (
        "nopic.notification.v1.NotificationService/WatchNotices",
        Stream("the caller's own"),
    ),
    (
        "nopic.notification.v1.NotificationService/CreateReceiver",
        Shared("makes one of the caller's own", |_| {
            json!({
                "requestId": "probe",
                "receiver": { "name": "own", "channel": "email", "settings": "{\"addresses\": [\"a@example.com\"]}" },
            })
        }),
    ),
    (
        "nopic.notification.v1.NotificationService/ListReceivers",
        Shared("the caller's own", |_| json!({})),
    ),
    (
        "nopic.notification.v1.NotificationService/PauseReceiver",
        Tenants(|of, id| json!({ "requestId": id, "name": of.tenant })),
    ),
    (
        "nopic.notification.v1.NotificationService/ResumeReceiver",
        Tenants(|of, id| json!({ "requestId": id, "name": of.tenant })),
    ),
    (
        "nopic.notification.v1.NotificationService/RotateSecret",
        Tenants(|of, id| json!({ "requestId": id, "name": of.tenant })),
    ),
    (
        "nopic.notification.v1.NotificationService/TestReceiver",
        Tenants(|of, id| json!({ "requestId": id, "name": of.tenant })),
    ),
    (
        "nopic.notification.v1.NotificationService/RemoveReceiver",
        Tenants(|of, id| json!({ "requestId": id, "name": of.tenant })),
    ),
    (
        "nopic.notification.v1.NotificationService/SetSubscription",
        Tenants(|of, id| {
            json!({
                "requestId": id, "subscription": { "name": "probe", "receiver": of.tenant },
            })
        }),
    ),
    (
        "nopic.notification.v1.NotificationService/ListSubscriptions",
        Shared("the caller's own", |_| json!({})),
    ),
    (
        "nopic.notification.v1.NotificationService/RemoveSubscription",
        Tenants(|of, id| json!({ "requestId": id, "name": of.tenant })),
    ),
    (
        "nopic.notification.v1.NotificationService/ListDeliveries",
        Shared("the caller's own", |of| json!({ "receiver": of.tenant })),
    ),
    (
        "nopic.notification.v1.NotificationService/Redeliver",
        Tenants(|of, id| json!({ "requestId": id, "receiver": of.tenant })),
    ),
    (
        "nopic.registry.v1.RegistryService/ListSnapshots",
        Shared("the registry", |_| json!({})),
    ),
    (
        "nopic.registry.v1.RegistryService/GetCurrentRevision",
        Shared("the registry", |_| json!({})),
    ),
    (
        "nopic.registry.v1.RegistryService/GetOperation",
        Shared("the registry", |_| json!({ "nopId": "0620000002" })),
    ),
    (
        "nopic.registry.v1.RegistryService/BatchGetStatus",
        Shared("the registry", |_| {
            json!({
                "questions": [{ "nopId": "0620000002", "on": "2025-11-03" }],
            })
        }),
    ),
    (
        "nopic.registry.v1.RegistryService/SearchOperations",
        Shared("the registry", |_| json!({ "query": "farm" })),
    ),
    (
        "nopic.registry.v1.RegistryService/WatchChanges",
        Stream("the registry"),
    ),
    (
        "nopic.registry.v1.RegistryService/GetStatusManifest",
        Shared("the registry", |_| json!({})),
    ),
    (
        "nopic.registry.v1.RegistryService/GetStatusShards",
        Shared("the registry", |_| json!({ "revision": 1, "shards": [0] })),
    ),
];
