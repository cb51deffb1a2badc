//! Listens for the publisher's message. It may get lost, so it only makes a reader ask earlier than it would.

use std::sync::Arc;
use std::time::Duration;

use ::redis::{RedisError, RedisResult, Value};
use futures::StreamExt as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use super::link::Link;

/// Pauses between attempts to subscribe, each shortened by chance to no less than half of it: the processes that lose
/// a server at once must not come back at once.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A connection that was cut without a word is noticed by this.
const PING_EVERY: Duration = Duration::from_secs(5);

/// The task that listens; it ends with this.
#[derive(Debug)]
pub(super) struct Subscriber {
    wakes: watch::Sender<u64>,
    task: JoinHandle<()>,
}

impl Subscriber {
    pub(super) fn new(link: Arc<Link>, channel: String) -> Self {
        let wakes = watch::Sender::new(0);
        let task = tokio::spawn(listen(link, channel, wakes.clone()));
        Self { wakes, task }
    }

    pub(super) fn wakes(&self) -> watch::Receiver<u64> {
        self.wakes.subscribe()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(link: Arc<Link>, channel: String, wakes: watch::Sender<u64>) {
    let mut pause = FIRST_PAUSE;
    for turn in 0.. {
        let before = *wakes.borrow();
        if let Err(error) = follow(&link, &channel, &wakes, turn).await {
            tracing::debug!(reason = %error, "no subscription to Redis: readers learn of new revisions by asking");
        }
        if *wakes.borrow() > before {
            pause = FIRST_PAUSE;
        }
        sleep(shortened(pause)).await;
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
}

/// Between half of a pause and all of it.
fn shortened(pause: Duration) -> Duration {
    // Without chance the pause is only as long as it may be.
    let part = getrandom::u32().unwrap_or(u32::MAX);
    pause / 2 + (pause / 2).mul_f64(f64::from(part) / f64::from(u32::MAX))
}

/// Subscribes and counts messages until the connection ends.
async fn follow(link: &Link, channel: &str, wakes: &watch::Sender<u64>, turn: usize) -> RedisResult<()> {
    let limit = link.options.connect_timeout;
    let mut pubsub = timeout(limit, link.opener.pubsub(turn)).await.map_err(slow)??;
    timeout(limit, pubsub.subscribe(channel)).await.map_err(slow)??;
    let wake = || {
        link.stats.wakes.add(1);
        wakes.send_modify(|wakes| *wakes += 1);
    };
    // What was published while nobody listened: ask for it now.
    wake();
    let (mut sink, mut messages) = pubsub.split();
    // It has just answered.
    let mut pings = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Some(_) => wake(),
                None => return Ok(()),
            },
            _ = pings.tick() => {
                timeout(limit, sink.ping::<Value>()).await.map_err(slow)??;
            }
        }
    }
}

fn slow(_: tokio::time::error::Elapsed) -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_differ_and_stay_within_bounds() {
        let pauses: Vec<_> = (0..100).map(|_| shortened(LONGEST_PAUSE)).collect();
        assert!(
            pauses
                .iter()
                .all(|pause| (LONGEST_PAUSE / 2..=LONGEST_PAUSE).contains(pause))
        );
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
    }
}
