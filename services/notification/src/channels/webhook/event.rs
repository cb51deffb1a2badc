//! The body of a webhook: a CloudEvents 1.0 event in structured mode.

use chrono::{DateTime, SecondsFormat, Utc};
use nopic_domain::notice::Notice;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::channels::shorten::shortened;
use crate::channels::{Content, Message};

/// The media type of the body.
pub(super) const MEDIA_TYPE: &str = "application/cloudevents+json; charset=utf-8";
/// Standard Webhooks asks for bodies below 20 kB.
pub(super) const MAX_BYTES: usize = 20_000;
/// What an event needs beside its data: identifier, source, subject and names, and the count of a digest. Tenants and
/// subjects are shorter than their bounds in the store, with every character escaped.
const ENVELOPE_BYTES: usize = 4_000;
const MAX_DATA_BYTES: usize = MAX_BYTES - ENVELOPE_BYTES;
/// No notice of a digest takes the room of all others.
const MAX_BYTES_OF_MANY: usize = 4_000;

#[derive(Serialize)]
struct Event<'a, D> {
    specversion: &'static str,
    id: &'a str,
    source: String,
    r#type: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    data: D,
}

/// A notice, and whether parts of it were left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    #[serde(flatten)]
    notice: std::borrow::Cow<'a, Notice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shortened: Option<Shortened<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shortened<'a> {
    read_at: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Digest<'a> {
    count: usize,
    notices: Vec<Told<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<More<'a>>,
}

/// What a digest has no room for.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct More<'a> {
    count: usize,
    read_at: &'a str,
}

/// The body for a message: the same on every try. `read_at` is where people find what it has no room for.
pub(super) fn body(message: &Message, read_at: &str) -> Result<Vec<u8>, serde_json::Error> {
    match &message.content {
        Content::Notice(notice) => {
            let kind = notice.kind.as_str().to_ascii_lowercase();
            let kind = format!("nopic.notice.{kind}.v1");
            let told = told(notice, MAX_DATA_BYTES, read_at);
            serde_json::to_vec(&event(message, kind, notice.occurred_at, told))
        }
        Content::Digest(notices) => {
            let digest = digest(notices, read_at)?;
            let kind = "nopic.digest.v1".to_owned();
            serde_json::to_vec(&event(message, kind, message.made_at, digest))
        }
    }
}

fn event<D>(message: &Message, r#type: String, time: DateTime<Utc>, data: D) -> Event<'_, D> {
    Event {
        specversion: "1.0",
        id: message.id.as_str(),
        source: format!(
            "/nopic/{}",
            utf8_percent_encode(&message.tenant, NON_ALPHANUMERIC)
        ),
        r#type,
        subject: &message.subject,
        time: time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        datacontenttype: "application/json",
        data,
    }
}

fn told<'a>(notice: &'a Notice, most_bytes: usize, read_at: &'a str) -> Told<'a> {
    let fits = |notice: &Notice| {
        // What cannot be written fails where it is written in earnest.
        serde_json::to_vec(notice).is_ok_and(|written| written.len() <= most_bytes)
    };
    match shortened(notice, fits) {
        None => Told {
            notice: std::borrow::Cow::Borrowed(notice),
            shortened: None,
        },
        Some(notice) => Told {
            notice: std::borrow::Cow::Owned(notice),
            shortened: Some(Shortened { read_at }),
        },
    }
}

/// The first notices, as many as there is room for.
fn digest<'a>(notices: &'a [Notice], read_at: &'a str) -> Result<Digest<'a>, serde_json::Error> {
    let mut room = MAX_DATA_BYTES;
    let mut kept = Vec::new();
    // What matters most, where there is no room for all.
    let mut notices: Vec<&Notice> = notices.iter().collect();
    notices.sort_by_key(|notice| std::cmp::Reverse(notice.severity));
    for notice in notices.iter().copied() {
        let told = told(notice, MAX_BYTES_OF_MANY, read_at);
        // The comma behind it.
        let bytes = serde_json::to_vec(&told)?.len() + 1;
        if bytes > room {
            break;
        }
        room -= bytes;
        kept.push(told);
    }
    let left_out = notices.len() - kept.len();
    Ok(Digest {
        count: notices.len(),
        notices: kept,
        more: (left_out > 0).then_some(More {
            count: left_out,
            read_at,
        }),
    })
}
