//! The headers of Standard Webhooks 1.0.0.

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};

use crate::channels::{MessageId, Secret};

/// The three headers by which a receiver knows that a message is ours, that it is new, and whether it has it already.
/// Every secret signs: while one takes the place of another, a receiver may know either.
pub(super) fn headers(
    id: &MessageId,
    now: DateTime<Utc>,
    body: &[u8],
    secrets: &[Secret],
) -> Result<HeaderMap, InvalidHeaderValue> {
    let timestamp = now.timestamp().to_string();
    let parts: [&[u8]; 5] = [id.as_str().as_bytes(), b".", timestamp.as_bytes(), b".", body];
    let signatures: Vec<String> = secrets
        .iter()
        .map(|secret| format!("v1,{}", secret.sign(&parts)))
        .collect();
    [
        ("webhook-id", id.as_str()),
        ("webhook-timestamp", &timestamp),
        ("webhook-signature", &signatures.join(" ")),
    ]
    .into_iter()
    .map(|(name, value)| Ok((HeaderName::from_static(name), HeaderValue::from_str(value)?)))
    .collect()
}
