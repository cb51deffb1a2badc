//! Words and ids that what people are told is made of.

use chrono::{DateTime, Utc};
use nopic_domain::date::Date;
use nopic_domain::identifier::NopId;
use nopic_domain::notice::ToDo;

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

/// That a tenant deals with something since a day.
pub(super) fn dealing(kind: DealingKind, subject: &str, tenant: &str, on: Date) -> Option<Dealing> {
    (!subject.is_empty()).then(|| Dealing {
        kind,
        subject: subject.to_owned(),
        tenant: tenant.to_owned(),
        on,
    })
}
