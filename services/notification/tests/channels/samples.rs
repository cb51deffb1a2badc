//! Messages as the service makes them.

use chrono::{DateTime, NaiveDate, TimeZone as _, Utc};
use nopic_domain::identifier::{CertifierId, NopId};
use nopic_domain::notice::{Notice, NoticeKind, NoticeSeverity, Parties, ToDo};
use nopic_notification::channels::{Content, Message, MessageId};

pub(crate) fn moment() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 30, 14, 5, 0).unwrap()
}

fn day(day: u32) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(2026, 12, day)
}

fn to_do(who: &str, what: &str, by: Option<NaiveDate>) -> ToDo {
    ToDo {
        who: who.to_owned(),
        what: what.to_owned(),
        by,
    }
}

/// Something that somebody must do.
pub(crate) fn rejected() -> Notice {
    Notice {
        kind: NoticeKind::LinesRejected,
        severity: NoticeSeverity::Action,
        subject: "B76-0324527-8".to_owned(),
        parties: Parties {
            importers: NopId::from_number(5_561_000_127).into_iter().collect(),
            exporters: NopId::from_number(8_150_004_411).into_iter().collect(),
            certifiers: Vec::new(),
        },
        occurred_at: moment(),
        title: "2 lines of entry B76-0324527-8 cannot be filed as organic".to_owned(),
        sentences: vec![
            "Line 1 (0901.11.00.15, 1,200 kg) names certificate 3150000000000042, which ended on November 15, 2026."
                .to_owned(),
            "Line 3 asks for 18,000 kg, and 12,400 kg are left to draw from certificate 3150000000000057.".to_owned(),
        ],
        to_do: vec![
            to_do(
                "the broker",
                "Correct the lines and file the entry again, or file them without the organic claim.",
                day(4),
            ),
            to_do(
                "the importer",
                "Ask the exporter's certifier, \"Control & Cert <EU>\", for a new certificate.",
                None,
            ),
        ],
    }
}

pub(crate) fn expiring() -> Notice {
    Notice {
        kind: NoticeKind::CertificateExpiring,
        severity: NoticeSeverity::Warning,
        subject: "3150000000000057".to_owned(),
        parties: Parties {
            importers: Vec::new(),
            exporters: NopId::from_number(8_150_004_411).into_iter().collect(),
            certifiers: CertifierId::from_number(815).into_iter().collect(),
        },
        occurred_at: moment(),
        title: "Certificate 3150000000000057 ends on December 20, 2026".to_owned(),
        sentences: vec!["12,400 kg of green coffee are left to draw from it.".to_owned()],
        to_do: vec![to_do(
            "the exporter",
            "Ask the certifier for the next certificate before goods leave.",
            day(20),
        )],
    }
}

fn published() -> Notice {
    Notice {
        kind: NoticeKind::RevisionPublished,
        severity: NoticeSeverity::Information,
        subject: String::new(),
        parties: Parties::default(),
        occurred_at: moment(),
        title: "The registry has revision 41".to_owned(),
        sentences: vec!["It tells of 76,012 operations as of November 29, 2026; 214 changed.".to_owned()],
        to_do: Vec::new(),
    }
}

/// A message with one notice.
pub(crate) fn single(id: &str, notice: Notice) -> Message {
    Message {
        id: MessageId::parse(id).unwrap(),
        tenant: "harbor & sons".to_owned(),
        subject: notice.subject.clone(),
        content: Content::Notice(Box::new(notice)),
        made_at: moment(),
    }
}

/// A digest of these.
pub(crate) fn of_many(id: &str, notices: Vec<Notice>) -> Message {
    Message {
        id: MessageId::parse(id).unwrap(),
        tenant: "harbor & sons".to_owned(),
        subject: String::new(),
        content: Content::Digest(notices),
        made_at: moment(),
    }
}

/// A digest.
pub(crate) fn digest(id: &str) -> Message {
    of_many(id, vec![published(), expiring(), rejected()])
}
