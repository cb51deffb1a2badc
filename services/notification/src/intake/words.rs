//! Words and ids that what people are told is made of.

use chrono::{DateTime, Utc};
use nopic_domain::date::Date;
use nopic_domain::hts::HtsCode;
use nopic_domain::identifier::{CertificateNumber, NopId};
use nopic_domain::notice::ToDo;
use nopic_proto::events::Event;

use crate::store::{Dealing, DealingKind};

pub(super) fn to_do(who: &str, what: impl Into<String>) -> ToDo {
    ToDo {
        who: who.to_owned(),
        what: what.into(),
        by: None,
    }
}

/// A moment as services tell it.
pub(super) fn moment(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text)
        .map(|moment| moment.to_utc())
        .unwrap_or_default()
}

pub(super) fn nop_ids<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<NopId> {
    let mut ids: Vec<NopId> = texts.into_iter().filter_map(|text| text.parse().ok()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Names an event: a database that was set back tells others under the same numbers.
pub(super) fn cause(event: &Event) -> String {
    format!("{}@{}", event.id, event.recorded_at)
}

/// `1 line`, `3 lines`.
pub(super) fn counted(count: u32, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}

pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// That a tenant deals with something since a day: of what somebody wrote only what is one, in the one form that it has.
pub(super) fn dealing(kind: DealingKind, text: &str, tenant: &str, on: Date) -> Option<Dealing> {
    let subject = match kind {
        DealingKind::Operation => text.parse::<NopId>().ok()?.to_string(),
        DealingKind::TariffCode => text.parse::<HtsCode>().ok()?.as_str().to_owned(),
        DealingKind::Certificate => text.parse::<CertificateNumber>().ok()?.to_string(),
    };
    Some(Dealing {
        kind,
        subject,
        tenant: tenant.to_owned(),
        on,
    })
}
