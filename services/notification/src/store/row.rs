//! Values of rows.

use chrono::{DateTime, SecondsFormat, Utc};
use nopic_domain::notice::Notice;
use nopic_sql::Error;
use serde::de::DeserializeOwned;

use super::{DeliveryState, KeptSecret, ReceiverState, StoredNotice};

/// A moment in a JSON text, as both engines compare it with those that are bound.
pub(super) fn moment(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::AutoSi, false)
}

/// A value of a column that only this program writes.
pub(super) fn read<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::corrupt(what, error))
}

pub(super) fn secrets(text: &str) -> Result<Vec<KeptSecret>, Error> {
    read("receiver.secrets", text)
}

pub(super) fn receiver_state(word: &str) -> Result<ReceiverState, Error> {
    ReceiverState::parse(word).ok_or_else(|| Error::corrupt("receiver.state", word))
}

pub(super) fn delivery_state(word: &str) -> Result<DeliveryState, Error> {
    DeliveryState::parse(word).ok_or_else(|| Error::corrupt("delivery.state", word))
}

pub(super) fn notice(text: &str) -> Result<Notice, Error> {
    read("notice.content", text)
}

/// Number, content and moment.
pub(super) type NoticeRow = (i64, String, DateTime<Utc>);

pub(super) fn stored_notice((id, content, created_at): NoticeRow) -> Result<StoredNotice, Error> {
    Ok(StoredNotice {
        id,
        notice: notice(&content)?,
        created_at,
    })
}

pub(super) fn count(what: &'static str, number: i64) -> Result<u64, Error> {
    u64::try_from(number).map_err(|_| Error::corrupt(what, number))
}
