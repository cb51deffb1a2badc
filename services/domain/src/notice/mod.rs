//! What people are told: a notice, whatever channel carries it.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

mod subscription;

use crate::identifier::{CertifierId, NopId};
pub use subscription::{QuietHours, Rhythm, Subscription};

words! {
    /// What a notice is about.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    pub enum NoticeKind {
        /// Lines of an entry cannot be filed as organic.
        LinesRejected = "LINES_REJECTED",
        /// Lines of an entry could not be judged.
        LinesIndeterminate = "LINES_INDETERMINATE",
        /// Lines of an entry were filed with warnings.
        LinesWarned = "LINES_WARNED",
        /// An entry was put in the place of an earlier version.
        EntryAmended = "ENTRY_AMENDED",
        /// An entry was cancelled.
        EntryCancelled = "ENTRY_CANCELLED",
        /// An order to treat, return or destroy goods is on record: the importer must tell its certifier.
        EmergencyActionNotice = "EMERGENCY_ACTION_NOTICE",
        /// Somebody asks for a certificate.
        CertificateRequested = "CERTIFICATE_REQUESTED",
        /// A certificate was issued.
        CertificateIssued = "CERTIFICATE_ISSUED",
        /// A wish for a certificate was refused.
        CertificateRejected = "CERTIFICATE_REJECTED",
        /// A certificate does not hold any more.
        CertificateVoided = "CERTIFICATE_VOIDED",
        /// Another certificate stands in the place of one.
        CertificateSuperseded = "CERTIFICATE_SUPERSEDED",
        /// A certificate comes to its last day.
        CertificateExpiring = "CERTIFICATE_EXPIRING",
        /// Little is left to draw from a certificate.
        CertificateRunningOut = "CERTIFICATE_RUNNING_OUT",
        /// A request for a certificate is to be answered soon.
        ReviewDue = "REVIEW_DUE",
        /// The status of an operation changed.
        OperationStatusChanged = "OPERATION_STATUS_CHANGED",
        /// The registry has a new revision.
        RevisionPublished = "REVISION_PUBLISHED",
        /// A snapshot waits for a person: too much of it differs from the one before.
        SnapshotQuarantined = "SNAPSHOT_QUARANTINED",
        /// The registry's newest snapshot is old.
        RegistryStale = "REGISTRY_STALE",
        /// CBP's flags of tariff codes are others now.
        FlagsChanged = "FLAGS_CHANGED",
        /// CBP's flag of a code that was used changes soon.
        FlagChangesSoon = "FLAG_CHANGES_SOON",
        /// A case against an importer came a step further.
        CaseStep = "CASE_STEP",
        /// Nothing has reached a receiver for long.
        ReceiverFailing = "RECEIVER_FAILING",
        /// A receiver is not tried any more until its owner says so.
        ReceiverPaused = "RECEIVER_PAUSED",
        /// Whether a receiver can be reached was asked for.
        Test = "TEST",
    }
}

words! {
    /// How much a notice matters; in rising order.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    pub enum NoticeSeverity {
        /// Good to know.
        Information = "INFORMATION",
        /// Something may go wrong.
        Warning = "WARNING",
        /// Somebody must act.
        Action = "ACTION",
    }
}

/// What somebody is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToDo {
    /// Who: `the broker`, `the importer`.
    pub who: String,
    /// A sentence.
    pub what: String,
    /// The last day for it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<NaiveDate>,
}

/// Whom a notice concerns, by which it is subscribed to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Parties {
    /// Importers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub importers: Vec<NopId>,
    /// Exporters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exporters: Vec<NopId>,
    /// Certifiers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certifiers: Vec<CertifierId>,
}

/// A notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// What it is about.
    pub kind: NoticeKind,
    /// How much it matters.
    pub severity: NoticeSeverity,
    /// To what it happened: an entry number, a certificate number, a NOP operation ID, a tariff code.
    pub subject: String,
    /// Whom it concerns.
    pub parties: Parties,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// What happened, in a sentence without a full stop: the subject of a mail.
    pub title: String,
    /// More of it: whole sentences.
    pub sentences: Vec<String>,
    /// Who must do what.
    pub to_do: Vec<ToDo>,
}
