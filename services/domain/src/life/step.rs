//! Steps, and where they lead.

use serde::{Deserialize, Serialize};

use crate::certificate::CertificateStatus;

macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $type {
            /// Every one, in the order of a life.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word on the wire and in the store.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }

            /// The one of that word.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == text)
            }
        }
    };
}
pub(super) use words;

/// What is done to a request or a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Step {
    /// The exporter asks for a certificate.
    Request,
    /// The certifier begins to review.
    StartReview,
    /// The certifier asks the exporter something.
    AskForMore,
    /// The exporter answers.
    AnswerQuestion,
    /// The certifier approves: the certificate is issued, or waits for its number.
    Approve,
    /// The certifier enters the number that the Organic INTEGRITY Database gave.
    EnterNumber,
    /// The certifier refuses.
    Reject,
    /// The certifier withdraws an issued certificate.
    Void,
    /// The certifier replaces an issued certificate by a successor.
    Amend,
}

words!(Step {
    Request = "REQUEST",
    StartReview = "START_REVIEW",
    AskForMore = "ASK_FOR_MORE",
    AnswerQuestion = "ANSWER_QUESTION",
    Approve = "APPROVE",
    EnterNumber = "ENTER_NUMBER",
    Reject = "REJECT",
    Void = "VOID",
    Amend = "AMEND",
});

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Stage {
    /// No certifier has begun.
    Requested,
    /// The certifier is reviewing.
    UnderReview,
    /// Under review; the exporter owes an answer.
    AnswerAwaited,
    /// Approved; the certifier owes the number.
    NumberAwaited,
    /// The certificate is issued, and lives on by itself.
    Issued,
    /// Refused.
    Rejected,
}

words!(Stage {
    Requested = "REQUESTED",
    UnderReview = "UNDER_REVIEW",
    AnswerAwaited = "ANSWER_AWAITED",
    NumberAwaited = "NUMBER_AWAITED",
    Issued = "ISSUED",
    Rejected = "REJECTED",
});

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
