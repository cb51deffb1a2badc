//! Until when a call is worth working on: it comes in `grpc-timeout`, and what the call asks of others gets what is left
//! of it, less the time that each hop keeps for its own reply.

use std::future::Future;
use std::time::Duration;

use opentelemetry::trace::FutureExt as _;
use tokio::time::Instant;
use tonic::codegen::http::HeaderMap;
use tracing::Instrument as _;

/// What a hop keeps for its reply.
pub const KEPT: Duration = Duration::from_millis(20);

tokio::task_local! {
    static DEADLINE: Option<Instant>;
}

/// Until when the answer of the call that this task works for must have been sent; `None`: it has time.
#[must_use]
pub fn current() -> Option<Instant> {
    DEADLINE.try_with(|deadline| *deadline).ok().flatten()
}

/// How long something that the call needs may take: at most `patience`, and so that [`KEPT`] is left for the reply.
/// `None`: it cannot finish any more.
#[must_use]
pub fn within(patience: Duration) -> Option<Duration> {
    let Some(deadline) = current() else {
        return Some(patience);
    };
    let left = deadline
        .saturating_duration_since(Instant::now())
        .checked_sub(KEPT)
        .filter(|left| !left.is_zero())?;
    Some(left.min(patience))
}

/// There was no time for it, or it took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not in time")]
pub struct Late;

/// Waits for something that the call needs, as long as [`within`] says.
///
/// # Errors
/// It did not end in time, or no time was left to begin.
pub async fn timeout<F: Future>(patience: Duration, work: F) -> Result<F::Output, Late> {
    let time = within(patience).ok_or(Late)?;
    tokio::time::timeout(time, work).await.map_err(|_| Late)
}

/// Waits for something that the call needs and that ends by itself, as long as the call has time.
///
/// # Errors
/// It did not end in time, or no time was left to begin.
pub async fn in_time<F: Future>(work: F) -> Result<F::Output, Late> {
    timeout(Duration::MAX, work).await
}

/// Works for a call that has this deadline.
pub async fn scope<F: Future>(deadline: Option<Instant>, work: F) -> F::Output {
    DEADLINE.scope(deadline, work).await
}

/// Works on in a task of its own for the call of this task: with its deadline and in its trace.
pub fn spawn<F>(work: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(scope(current(), work).in_current_span().with_current_context())
}

/// The metadata key of the time that a caller gives.
pub(crate) const TIMEOUT: &str = "grpc-timeout";

/// The time that a caller gives; `None`: none, or one that cannot be read.
#[must_use]
pub fn of(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(TIMEOUT)?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if number.is_empty() || number.len() > 8 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// As it travels: whole milliseconds, or microseconds where it is short; at most eight digits.
pub(crate) fn text(time: Duration) -> String {
    match time.as_millis() {
        millis @ 1_000..=99_999_999 => format!("{millis}m"),
        0..1_000 => format!("{}u", time.as_micros().max(1)),
        _ => format!("{}S", time.as_secs().min(99_999_999)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_travels_unchanged() {
        for time in [
            Duration::from_micros(1),
            Duration::from_micros(999_999),
            Duration::from_secs(1),
            Duration::from_millis(12_345),
            Duration::from_secs(100_000),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(TIMEOUT, text(time).parse().unwrap());
            assert_eq!(of(&headers), Some(time), "{}", text(time));
        }
        for none in ["", "1", "S", "123456789S", "1x", "-1S", "1.5S", "ä"] {
            let mut headers = HeaderMap::new();
            headers.insert(
                TIMEOUT,
                tonic::codegen::http::HeaderValue::from_bytes(none.as_bytes()).unwrap(),
            );
            assert_eq!(of(&headers), None, "{none:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_hop_keeps_its_share() {
        assert_eq!(within(Duration::from_secs(3)), Some(Duration::from_secs(3)));
        let deadline = Instant::now() + Duration::from_millis(100);
        scope(Some(deadline), async {
            assert_eq!(within(Duration::from_secs(3)), Some(Duration::from_millis(80)));
            assert_eq!(within(Duration::from_millis(5)), Some(Duration::from_millis(5)));
            let elsewhere = spawn(async { within(Duration::from_secs(3)) }).await.unwrap();
            assert_eq!(elsewhere, Some(Duration::from_millis(80)));
            tokio::time::sleep(Duration::from_millis(80)).await;
            assert_eq!(within(Duration::from_secs(3)), None);
        })
        .await;
    }
}
