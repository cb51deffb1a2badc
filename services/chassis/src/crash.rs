//! Named points at which a test may kill the process.
//!
//! Only builds with the feature `crash-points` have them; in others [`crash_point`] is nothing.

/// Names the environment variable that chooses a point: `NAME` or `NAME#N` for the N-th time that it is reached, from 1.
pub const CRASH_POINT: &str = "NOPIC_CRASH_POINT";

/// Names the environment variable with the file that is made when the point is reached: then the process stands still
/// and waits for its end.
pub const CRASH_FILE: &str = "NOPIC_CRASH_FILE";

/// Stands still here where a test chose this point.
#[cfg(feature = "crash-points")]
pub async fn crash_point(name: &'static str) {
    use std::sync::atomic::{AtomicU32, Ordering};
    static PASSED: AtomicU32 = AtomicU32::new(0);
    let Ok(chosen) = std::env::var(CRASH_POINT) else {
        return;
    };
    let (chosen, number) = chosen.split_once('#').unwrap_or((&chosen, "1"));
    if chosen != name || PASSED.fetch_add(1, Ordering::SeqCst) + 1 != number.parse().unwrap_or(1) {
        return;
    }
    if let Ok(file) = std::env::var(CRASH_FILE)
        && let Err(error) = std::fs::write(&file, name)
    {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "the crash file was not made"
        );
    }
    std::future::pending().await
}

/// Nothing, in this build.
#[cfg(not(feature = "crash-points"))]
pub async fn crash_point(_: &'static str) {}
