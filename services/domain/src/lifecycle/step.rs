//! Steps, and where they lead.

use serde::{Deserialize, Serialize};

use crate::certificate::CertificateStatus;

words! {
    /// What is done to a request or a certificate.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    pub enum Step {
        /// The exporter asks for a certificate.
        Request = "REQUEST",
        /// The certifier begins to review.
        StartReview = "START_REVIEW",
        /// The certifier asks the exporter something.
        AskForMore = "ASK_FOR_MORE",
        /// The exporter answers.
        AnswerQuestion = "ANSWER_QUESTION",
        /// The certifier approves: the certificate is issued, or waits for its number.
        Approve = "APPROVE",
        /// The certifier enters the number that the Organic INTEGRITY Database gave.
        EnterNumber = "ENTER_NUMBER",
        /// The certifier refuses.
        Reject = "REJECT",
        /// The certifier withdraws an issued certificate.
        Void = "VOID",
        /// The certifier replaces an issued certificate by a successor.
        Amend = "AMEND",
    }
}

words! {
    /// Where a request stands.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    pub enum Stage {
        /// No certifier has begun.
        Requested = "REQUESTED",
        /// The certifier is reviewing.
        UnderReview = "UNDER_REVIEW",
        /// Under review; the exporter owes an answer.
        AnswerAwaited = "ANSWER_AWAITED",
        /// Approved; the certifier owes the number.
        NumberAwaited = "NUMBER_AWAITED",
        /// The certificate is issued, and lives on by itself.
        Issued = "ISSUED",
        /// Refused.
        Rejected = "REJECTED",
    }
}

impl Stage {
    /// The status of the certificate that is asked for.
    #[must_use]
    pub const fn status(self) -> CertificateStatus {
        match self {
            Self::Requested => CertificateStatus::Requested,
            Self::UnderReview | Self::AnswerAwaited | Self::NumberAwaited => CertificateStatus::UnderReview,
            Self::Issued => CertificateStatus::Issued,
            Self::Rejected => CertificateStatus::Rejected,
        }
    }

    /// The steps that a request may take from here.
    #[must_use]
    pub const fn possible(self) -> &'static [Step] {
        match self {
            Self::Requested => &[Step::StartReview],
            Self::UnderReview => &[Step::AskForMore, Step::Approve, Step::Reject],
            Self::AnswerAwaited => &[Step::AnswerQuestion, Step::Reject],
            Self::NumberAwaited => &[Step::EnterNumber, Step::Reject],
            Self::Issued | Self::Rejected => &[],
        }
    }

    /// Whether nothing follows.
    #[must_use]
    pub const fn is_final(self) -> bool {
        self.possible().is_empty()
    }
}

/// The steps that a certificate of this status may take.
#[must_use]
pub const fn possible_for(status: CertificateStatus) -> &'static [Step] {
    match status {
        CertificateStatus::Issued => &[Step::Void, Step::Amend],
        CertificateStatus::Draft
        | CertificateStatus::Requested
        | CertificateStatus::UnderReview
        | CertificateStatus::Rejected
        | CertificateStatus::Voided
        | CertificateStatus::Superseded => &[],
    }
}
