//! The way to something that may be away: not asked for a moment after failures in a row, bounded in time by what the call
//! has left, and asked again only where it was not reached.

use std::fmt::Display;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::time::{Instant, timeout};
use tonic::{Code, Status};

use crate::breaker::Breaker;
use crate::deadline;
use crate::retry::Retry;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum Unanswered<E> {
    /// It is left alone for a moment: its last calls failed.
    #[error("it is left alone for a moment: its last calls failed")]
    LeftAlone,
    /// The call has no time left.
    #[error("no time is left to ask")]
    NoTime,
    /// It took too long.
    #[error("no answer within {0:?}")]
    Late(Duration),
    /// It answered with an error, or could not be reached.
    #[error("{0}")]
    Failed(E),
}

/// The guard of all calls to one thing. Clones share it.
#[derive(Debug, Clone)]
pub struct Guard(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: &'static str,
    breaker: Mutex<Breaker>,
    retry: Retry,
}

impl Guard {
    /// Of the thing of this name, which is left alone after so many failures in a row, and tried every so often from then
    /// on.
    #[must_use]
    pub fn new(name: &'static str, failures_to_trip: u32, probe_every: Duration) -> Self {
        Self(Arc::new(Inner {
            name,
            breaker: Mutex::new(Breaker::new(failures_to_trip, probe_every)),
            retry: Retry::default(),
        }))
    }

    /// Asks, for at most this long. `is_away` tells errors that say that the thing is away from those that are answers.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn call<T, E: Display>(
        &self,
        patience: Duration,
        is_away: impl FnOnce(&E) -> bool,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Unanswered<E>> {
        let time = deadline::within(patience).ok_or(Unanswered::NoTime)?;
        if !self.admits() {
            return Err(Unanswered::LeftAlone);
        }
        self.listen(time, patience, is_away, work).await
    }

    /// The same for what must be asked whatever happened before, such as for a filing; how it went is noted.
    ///
    /// # Errors
    /// There is no answer; never [`Unanswered::LeftAlone`].
    pub async fn call_in_any_case<T, E: Display>(
        &self,
        patience: Duration,
        is_away: impl FnOnce(&E) -> bool,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Unanswered<E>> {
        let time = deadline::within(patience).ok_or(Unanswered::NoTime)?;
        self.listen(time, patience, is_away, work).await
    }

    /// A call that may be made twice: where the service is not reached it is made again, within this guard's budget.
    ///
    /// # Errors
    /// As [`Retry::call`].
    pub async fn again<T, F>(&self, call: impl FnMut() -> F) -> Result<T, Status>
    where
        F: Future<Output = Result<T, Status>>,
    {
        self.0.retry.call(call).await
    }

    async fn listen<T, E: Display>(
        &self,
        time: Duration,
        patience: Duration,
        is_away: impl FnOnce(&E) -> bool,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Unanswered<E>> {
        match timeout(time, work).await {
            Ok(Ok(answer)) => {
                self.succeeded();
                Ok(answer)
            }
            Ok(Err(error)) => {
                if is_away(&error) {
                    self.failed(&error);
                } else {
                    self.succeeded();
                }
                Err(Unanswered::Failed(error))
            }
            Err(_) => {
                // Where it was the caller who had less time, nothing is known.
                if time == patience {
                    self.failed(&format_args!("no answer within {time:?}"));
                }
                Err(Unanswered::Late(time))
            }
        }
    }

    /// Whether a call may be made now: the first step of one whose success shows only later.
    #[must_use]
    pub fn admits(&self) -> bool {
        self.breaker().admits(Instant::now())
    }

    /// Notes an answer that was what it should be.
    pub fn succeeded(&self) {
        let mut breaker = self.breaker();
        if breaker.is_tripped() {
            tracing::info!(of = self.0.name, "it answers again and is asked again");
        }
        breaker.succeeded();
    }

    /// Notes a failure; true: from this one on the thing is left alone.
    pub fn failed(&self, why: &dyn Display) -> bool {
        let trips = self.breaker().failed(Instant::now());
        if trips {
            tracing::warn!(of = self.0.name, reason = %why, "it is left alone for a moment: its last calls failed");
        }
        trips
    }

    /// Whether it is left alone.
    #[must_use]
    pub fn is_tripped(&self) -> bool {
        self.breaker().is_tripped()
    }

    /// A panic elsewhere leaves a state that is still whole: every change of it is one assignment.
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.0.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a status says that the service is away, and not what it has to say. A status for want of time counts as away
/// here: whoever asked by [`Guard::call`] within the caller's time has noticed before.
#[must_use]
pub fn is_away(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::Unknown | Code::Internal | Code::DeadlineExceeded | Code::Cancelled
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    async fn ask(guard: &Guard, answer: Result<u8, Status>) -> Result<u8, Unanswered<Status>> {
        guard.call(PATIENCE, is_away, async { answer }).await
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_is_left_alone_and_found_again() {
        let guard = Guard::new("registry", 2, Duration::from_secs(5));
        assert!(matches!(ask(&guard, Ok(1)).await, Ok(1)));
        // An answer, if one that nobody likes.
        for _ in 0..3 {
            let refused = ask(&guard, Err(Status::not_found("no"))).await;
            assert!(matches!(refused, Err(Unanswered::Failed(_))));
        }
        assert!(!guard.is_tripped());
        let gone = ask(&guard, Err(Status::unavailable("gone"))).await;
        assert!(matches!(gone, Err(Unanswered::Failed(_))));
        let slow = guard.call(PATIENCE, is_away, std::future::pending::<Result<u8, Status>>());
        assert!(matches!(slow.await, Err(Unanswered::Late(PATIENCE))));
        assert!(guard.is_tripped());
        assert!(matches!(ask(&guard, Ok(1)).await, Err(Unanswered::LeftAlone)));
        let in_any_case = guard.call_in_any_case(PATIENCE, is_away, async { Ok::<_, Status>(2) });
        assert!(matches!(in_any_case.await, Ok(2)));
        assert!(!guard.is_tripped() && matches!(ask(&guard, Ok(1)).await, Ok(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_without_time_says_nothing_of_the_other_end() {
        let guard = Guard::new("registry", 1, PATIENCE);
        let hangs = || guard.call(PATIENCE, is_away, std::future::pending::<Result<u8, Status>>());
        let deadline = Some(Instant::now() + Duration::from_millis(500));
        let late = deadline::scope(deadline, hangs()).await;
        assert!(matches!(late, Err(Unanswered::Late(_))));
        assert!(matches!(
            deadline::scope(deadline, hangs()).await,
            Err(Unanswered::NoTime)
        ));
        assert!(!guard.is_tripped());
    }
}
