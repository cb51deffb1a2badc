//! How long the sender of a message is waited for.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::task::AtomicWaker;
use tokio::time::{Instant, Sleep, sleep};
use tonic::Status;

use super::late;

/// The time that a sender has for the rest of a message. It runs while the sender is asked for more and nothing comes: while
/// nobody asks, or what came lies ready, somebody else is slow.
#[derive(Debug)]
pub(super) struct Patience {
    left: Duration,
    /// Since when the sender is waited for.
    since: Option<Instant>,
    /// Set while the sender is waited for.
    timer: Pin<Box<Sleep>>,
    answered: Arc<Answered>,
}

/// Hands on the news that something has come, and notes when that was: whoever asked may look much later.
#[derive(Debug, Default)]
struct Answered {
    at: Mutex<Option<Instant>>,
    waker: AtomicWaker,
}

impl Answered {
    fn take(&self) -> Option<Instant> {
        // A panic elsewhere leaves a time that is whole; so below.
        self.at.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Wake for Answered {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(Instant::now);
        self.waker.wake();
    }
}

impl Patience {
    pub(super) fn new(time: Duration) -> Self {
        Self {
            left: time,
            since: None,
            timer: Box::pin(sleep(time)),
            answered: Arc::default(),
        }
    }

    /// What the sender says when asked like this.
    ///
    /// # Errors
    /// Nothing yet, and it took too long.
    pub(super) fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        ask: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, Status>> {
        // From then on it was us whom it waited for.
        if let Some(at) = self.answered.take() {
            self.end_wait(at);
        }
        self.answered.waker.register(context.waker());
        let waker = Waker::from(Arc::clone(&self.answered));
        if let Poll::Ready(answer) = ask(&mut Context::from_waker(&waker)) {
            self.end_wait(Instant::now());
            return Poll::Ready(Ok(answer));
        }
        if self.since.is_none() {
            let now = Instant::now();
            self.since = Some(now);
            self.timer.as_mut().reset(now + self.left);
        }
        self.timer.as_mut().poll(context).map(|()| Err(late()))
    }

    fn end_wait(&mut self, at: Instant) {
        if let Some(since) = self.since.take() {
            self.left = self.left.saturating_sub(at.saturating_duration_since(since));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures::FutureExt as _;
    use tokio::sync::mpsc;
    use tonic::Code;

    use super::*;

    const TIME: Duration = Duration::from_secs(10);

    async fn next(patience: &mut Patience, sent: &mut mpsc::Receiver<u8>) -> Result<Option<u8>, Status> {
        poll_fn(|context| patience.poll(context, |context| sent.poll_recv(context))).await
    }

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_sends_little_by_little_has_the_time_once() {
        let (sender, mut sent) = mpsc::channel(1);
        let sending = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(3)).await;
                if sender.send(1).await.is_err() {
                    return;
                }
            }
        });
        let (mut patience, began) = (Patience::new(TIME), Instant::now());
        for _ in 0..3 {
            assert_eq!(next(&mut patience, &mut sent).await.unwrap(), Some(1));
        }
        let late = next(&mut patience, &mut sent).await.unwrap_err();
        assert_eq!((late.code(), began.elapsed()), (Code::DeadlineExceeded, TIME));
        sending.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn what_lies_ready_costs_its_sender_no_time() {
        let (sender, mut sent) = mpsc::channel(1);
        let mut patience = Patience::new(TIME);
        assert!(next(&mut patience, &mut sent).now_or_never().is_none());
        pass(4).await;
        sender.send(1).await.unwrap();
        // Nobody looks.
        pass(100).await;
        let there = next(&mut patience, &mut sent).now_or_never();
        assert_eq!(there.unwrap().unwrap(), Some(1));
        // Nobody asks.
        pass(100).await;
        assert!(next(&mut patience, &mut sent).now_or_never().is_none());
        pass(5).await;
        assert!(
            next(&mut patience, &mut sent).now_or_never().is_none(),
            "a second of the ten is left"
        );
        pass(1).await;
        assert!(next(&mut patience, &mut sent).now_or_never().unwrap().is_err());
    }
}
