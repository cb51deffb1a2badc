//! What a receiver's answer means.
//!
//! Standard Webhooks leaves it at "2xx is success, all else is tried again". We tell three more kinds apart, so that
//! nobody waits three days for what is certain at once:
//!
//! * What is said about this message (400, 405, 413, 415, 422 and their like) will be said again of the same bytes: it
//!   is refused for good. So is a redirect: it would take the message where nobody has checked the address.
//! * What is said about the receiver's set-up (401, 402, 403, 404, 407, 409, 421, 423, 451) is mended by its owner while
//!   the message stays as it is: a secret that is being changed, a route that is gone during a roll-out. It is tried
//!   again, and who is not mended for long is paused as a whole, instead of losing its messages one by one.
//! * What is said about load (408, 425, 429, 502, 503, 504, 529) slows down all that goes there.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};

use crate::channels::Outcome;
use crate::channels::words::{SHOWN, shown};

/// The longest pause that a receiver may wish for.
const MAX_PAUSE: Duration = Duration::from_secs(24 * 3_600);
/// How much of an answer is read. A connection whose answer was read to its end serves the next message.
const MAX_BYTES: usize = 64 << 10;
/// How long is waited for the body of an answer whose head has said it all.
const PATIENCE: Duration = Duration::from_secs(2);
/// Four bytes are the longest character.
const KEPT_BYTES: usize = 4 * SHOWN;

/// What the answer of a host means; nothing of its body is kept but what is told of it.
pub(super) async fn outcome(host: &str, answer: Response, now: DateTime<Utc>) -> Outcome {
    let status = answer.status();
    let headers = answer.headers().clone();
    // The message was taken (or not) with the head: a body that never ends changes nothing.
    let said = said(answer).await;
    if status.is_success() {
        return Outcome::Delivered;
    }
    let number = status.as_u16();
    let name = status.canonical_reason().map(|reason| format!(" ({reason})"));
    let mut why = format!("{host} answered {number}{}", name.unwrap_or_default());
    if said.is_empty() {
        why.push('.');
    } else {
        why = format!("{why}: \"{said}\".");
    }
    match kind(status) {
        Kind::Redirect => Outcome::refused(redirected(host, number, &headers)),
        Kind::Gone => Outcome::Gone {
            why: format!("{why} It wants no notices any more."),
        },
        Kind::Message => Outcome::refused(format!(
            "{why} It would say the same of this notice again, so it is not tried again."
        )),
        Kind::SetUp => passing(
            format!("{why} Its owner should look at its address and its secrets."),
            &headers,
            now,
            false,
        ),
        Kind::Load => passing(why, &headers, now, true),
        Kind::Fault => passing(why, &headers, now, false),
    }
}

enum Kind {
    Redirect,
    Gone,
    Message,
    SetUp,
    Load,
    Fault,
}

/// What a status that is no success speaks of.
fn kind(status: StatusCode) -> Kind {
    match status.as_u16() {
        300..=399 => Kind::Redirect,
        410 => Kind::Gone,
        408 | 425 | 429 | 502 | 503 | 504 | 529 => Kind::Load,
        401 | 402 | 403 | 404 | 407 | 409 | 421 | 423 | 451 => Kind::SetUp,
        400..=499 => Kind::Message,
        _ => Kind::Fault,
    }
}

fn passing(why: String, headers: &HeaderMap, now: DateTime<Utc>, slow_down: bool) -> Outcome {
    let wish = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    Outcome::Passing {
        why,
        retry_after: wish.and_then(|wish| retry_after(wish, now)),
        slow_down,
    }
}

/// How long a receiver wants to be left alone: seconds or a date, which may be over.
fn retry_after(wish: &str, now: DateTime<Utc>) -> Option<Duration> {
    let wish = wish.trim();
    let pause = if !wish.is_empty() && wish.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number has are a long time, too.
        wish.parse().map_or(MAX_PAUSE, Duration::from_secs)
    } else {
        let date = DateTime::<Utc>::from(httpdate::parse_http_date(wish).ok()?);
        (date - now).to_std().ok()?
    };
    (!pause.is_zero()).then(|| pause.min(MAX_PAUSE))
}

/// The words for a redirect. Of where it leads only the host is told: the rest may be secret.
fn redirected(host: &str, number: u16, headers: &HeaderMap) -> String {
    let to = headers
        .get(LOCATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|location| Url::parse(location).ok())
        .and_then(|url| url.host_str().map(|to| format!(" to {}", shown(to))));
    format!(
        "{host} answered {number}, a redirect{}. Redirects are not followed: give the receiver the address itself.",
        to.unwrap_or_default()
    )
}

/// The beginning of what an answer says, as far as it comes soon.
async fn said(mut answer: Response) -> String {
    let mut kept = Vec::with_capacity(KEPT_BYTES);
    let mut read = 0;
    // Ends in any way: what came until then is what is told.
    let _ = tokio::time::timeout(PATIENCE, async {
        while let Ok(Some(chunk)) = answer.chunk().await {
            let room = KEPT_BYTES - kept.len();
            kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
            read += chunk.len();
            if read >= MAX_BYTES {
                break;
            }
        }
    })
    .await;
    shown(&String::from_utf8_lossy(&kept))
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;

    #[test]
    fn a_wish_is_seconds_or_a_date_and_a_day_at_most() {
        let now = Utc.with_ymd_and_hms(2026, 11, 30, 12, 0, 0).unwrap();
        let seconds = |wish| retry_after(wish, now).map(|pause| pause.as_secs());
        for (wish, pause) in [
            ("120", Some(120)),
            (" 5 ", Some(5)),
            ("0", None),
            ("86401", Some(86_400)),
            ("99999999999999999999999999", Some(86_400)),
            ("Mon, 30 Nov 2026 12:01:30 GMT", Some(90)),
            ("Monday, 30-Nov-26 12:01:30 GMT", Some(90)),
            ("Mon Nov 30 12:01:30 2026", Some(90)),
            ("Wed, 30 Dec 2026 12:01:30 GMT", Some(86_400)),
            ("Mon, 30 Nov 2026 11:59:00 GMT", None),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(seconds(wish), pause, "{wish:?}");
        }
    }
}
