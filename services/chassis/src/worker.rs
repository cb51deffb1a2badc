//! Work that is done again and again beside the calls, until the process stops.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use crate::retry::Backoff;

/// A task that is repeated, by its name in the log.
#[derive(Debug, Clone, Copy)]
pub struct Worker {
    task: &'static str,
    every: Duration,
    after_failure: Option<Backoff>,
}

impl Worker {
    /// Repeated after this pause, with up to a tenth more or less of it, so that replicas do not work in step.
    #[must_use]
    pub const fn new(task: &'static str, every: Duration) -> Self {
        Self {
            task,
            every,
            after_failure: None,
        }
    }

    /// After failures in a row the pauses are these.
    #[must_use]
    pub const fn after_failure(mut self, backoff: Backoff) -> Self {
        self.after_failure = Some(backoff);
        self
    }

    /// Works at once and after each pause, until the future of it is dropped. `woken` ends a pause before its time.
    pub async fn run<F, E, W>(self, mut work: impl FnMut() -> F, mut woken: impl FnMut() -> W)
    where
        F: Future<Output = Result<(), E>>,
        E: Error + 'static,
        W: Future<Output = ()>,
    {
        let mut failures = Failures::default();
        loop {
            let pause = match work().await {
                Ok(()) => {
                    failures.recovered(self.task);
                    self.every.mul_f64(0.9 + 0.2 * crate::retry::chance())
                }
                Err(error) => {
                    failures.failed(self.task, &error);
                    self.after_failure
                        .map_or(self.every, |backoff| backoff.pause(failures.in_a_row))
                }
            };
            tokio::select! {
                () = woken() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// The same without anything that wakes it.
    pub async fn run_alone<F, E>(self, work: impl FnMut() -> F)
    where
        F: Future<Output = Result<(), E>>,
        E: Error + 'static,
    {
        self.run(work, std::future::pending).await;
    }
}

/// Logs a failure once, until it becomes another one or is over.
#[derive(Debug, Default)]
struct Failures {
    in_a_row: u32,
    last: String,
}

impl Failures {
    fn failed(&mut self, task: &str, error: &(dyn Error + 'static)) {
        self.in_a_row = self.in_a_row.saturating_add(1);
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(source) = cause {
            text.push_str(": ");
            text.push_str(&source.to_string());
            cause = source.source();
        }
        if self.last == text {
            tracing::debug!(task, error, "it failed again");
        } else {
            tracing::warn!(task, error, "it failed and is tried again");
            self.last = text;
        }
    }

    fn recovered(&mut self, task: &str) {
        if std::mem::take(&mut self.in_a_row) > 0 {
            tracing::info!(task, "it succeeds again");
            self.last.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::Notify;
    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_works_again_after_a_pause_longer_after_failures_and_at_once_when_woken() {
        let (began, times, woken) = (Instant::now(), Mutex::new(Vec::new()), Notify::new());
        let backoff = Backoff::new(Duration::from_secs(100), Duration::from_secs(150));
        let worker = Worker::new("test", Duration::from_secs(10)).after_failure(backoff);
        let work = || async {
            let mut times = times.lock().unwrap();
            times.push(began.elapsed().as_secs());
            match times.len() {
                1 => Ok(()),
                2 | 3 => Err(std::io::Error::other("gone")),
                4 => {
                    woken.notify_one();
                    Ok(())
                }
                _ => Ok(()),
            }
        };
        let run = worker.run(work, || woken.notified());
        timeout(Duration::from_secs(400), run).await.unwrap_err();
        let times = times.into_inner().unwrap();
        let pauses: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!((9..=11).contains(&pauses[0]), "{pauses:?}");
        assert!((50..=100).contains(&pauses[1]), "{pauses:?}");
        assert!((75..=150).contains(&pauses[2]), "{pauses:?}");
        assert_eq!(pauses[3], 0);
        assert!((8..=11).contains(&pauses[4]), "{pauses:?}");
    }
}
