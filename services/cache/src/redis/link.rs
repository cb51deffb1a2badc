//! Calls to Redis: bounded in time, behind the breaker, over a connection that is made anew after a failure.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::redis::{Arg, Cmd, RedisError, Value};
use thiserror::Error;
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;

use super::open::{Connection, Opener};
use super::options::{Options, OptionsError};
use crate::breaker::Breaker;
use crate::stats::Stats;

/// Why a call gave no answer.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// It was not made.
    #[error("Redis is left alone for a moment, its last calls failed")]
    Tripped,
    /// It took too long.
    #[error("Redis did not answer within {0:?}")]
    Slow(Duration),
    /// No connection, or the server refused.
    #[error("Redis failed: {0}")]
    Failed(String),
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What Redis is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// What the registry says.
    Reading,
    /// The same, to be written.
    Publishing,
    /// Accounts of the limiter.
    Counting,
    /// Whether it is there.
    Probing,
}

impl Purpose {
    /// What happens while it is left alone.
    const fn meanwhile(self) -> &'static str {
        match self {
            Self::Reading => "the registry answers in its place",
            Self::Publishing => "new revisions are published later",
            Self::Counting => "this process counts its share of every account by itself",
            Self::Probing => "it counts as gone",
        }
    }
}

/// The way to Redis.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) options: Options,
    pub(super) stats: Arc<Stats>,
    pub(super) opener: Opener,
    purpose: Purpose,
    breaker: Mutex<Breaker>,
    connected: Mutex<Connected>,
    /// Held while a connection is made, so that one is made at a time.
    connecting: tokio::sync::Mutex<()>,
}

/// The connection in use and its number: a failure of an earlier one must not take a later one away.
#[derive(Default)]
struct Connected {
    number: u64,
    connection: Option<Connection>,
}

impl std::fmt::Debug for Connected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "connection {}", self.number)
    }
}

impl Link {
    /// # Errors
    /// The options cannot be meant. No connection is made yet.
    pub(super) fn new(
        options: Options,
        stats: Arc<Stats>,
        purpose: Purpose,
    ) -> Result<Arc<Self>, OptionsError> {
        let opener = Opener::new(&options)?;
        let breaker = Breaker::new(options.failures_to_trip, options.probe_every);
        Ok(Arc::new(Self {
            options,
            stats,
            opener,
            purpose,
            breaker: Mutex::new(breaker),
            connected: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        }))
    }

    /// The answers to these commands within this time. Whether they are worth something the caller reports
    /// with [`Link::sound`] or [`Link::unsound`].
    pub(super) async fn ask(
        self: &Arc<Self>,
        commands: &[Cmd],
        limit: Duration,
    ) -> Result<Vec<Value>, Failure> {
        if !lock(&self.breaker).admits(Instant::now()) {
            self.stats.refused.add(1);
            return Err(Failure::Tripped);
        }
        let mut number = None;
        let attempt = async {
            let (made, mut connection) = self.connection().await?;
            number = Some(made);
            Ok(connection.ask(commands).await?)
        };
        let answer = timeout(limit, attempt)
            .instrument(span(commands))
            .await
            .unwrap_or(Err(Failure::Slow(limit)));
        if let Err(failure) = &answer {
            if let Some(number) = number {
                self.forget(number);
            }
            self.stats.failures.add(1);
            self.unsound(failure);
        }
        answer
    }

    /// An answer was what it should be.
    pub(super) fn sound(&self) {
        let mut breaker = lock(&self.breaker);
        let was_tripped = breaker.is_tripped();
        breaker.succeeded();
        self.stats.tripped.store(false, Ordering::Relaxed);
        if was_tripped {
            tracing::info!("Redis answers again and is asked again");
        }
    }

    /// A call failed, or its answer was damaged: a server that lies is left alone like one that is gone.
    pub(super) fn unsound(&self, why: &dyn std::fmt::Display) {
        let mut breaker = lock(&self.breaker);
        if breaker.failed(Instant::now()) {
            self.stats.trips.add(1);
            let meanwhile = self.purpose.meanwhile();
            tracing::warn!(reason = %why, "Redis is left alone for a moment, {meanwhile}");
        }
        self.stats.tripped.store(breaker.is_tripped(), Ordering::Relaxed);
    }

    fn known(&self) -> Option<(u64, Connection)> {
        let connected = lock(&self.connected);
        Some((connected.number, connected.connection.clone()?))
    }

    fn forget(&self, number: u64) {
        let mut connected = lock(&self.connected);
        if connected.number == number {
            connected.connection = None;
        }
    }

    async fn connection(self: &Arc<Self>) -> Result<(u64, Connection), Failure> {
        if let Some(known) = self.known() {
            return Ok(known);
        }
        // A task of its own: a caller's limit is shorter than what connecting may take, and the next one profits.
        let link = Arc::clone(self);
        tokio::spawn(async move { link.connect().await })
            .await
            .map_err(|error| Failure::Failed(error.to_string()))?
    }

    async fn connect(&self) -> Result<(u64, Connection), Failure> {
        let Ok(_turn) = self.connecting.try_lock() else {
            // Wait for the one that is being made, and take what came of it.
            drop(self.connecting.lock().await);
            return self
                .known()
                .ok_or_else(|| Failure::Failed("no connection could be made".to_owned()));
        };
        if let Some(known) = self.known() {
            return Ok(known);
        }
        let limit = self.options.connect_timeout;
        let made = timeout(limit, self.opener.connection(&self.options))
            .await
            .map_err(|_| Failure::Slow(limit))??;
        let mut connected = lock(&self.connected);
        connected.number += 1;
        connected.connection = Some(made.clone());
        Ok((connected.number, made))
    }
}

/// As OpenTelemetry names calls to Redis: by the command, and without its arguments.
fn span(commands: &[Cmd]) -> tracing::Span {
    let name = commands
        .first()
        .and_then(|command| match command.args_iter().next() {
            Some(Arg::Simple(name)) => std::str::from_utf8(name).ok(),
            _ => None,
        });
    let name = name.unwrap_or("PIPELINE");
    tracing::info_span!(
        target: "nopic::redis",
        "redis",
        otel.name = name,
        otel.kind = "client",
        db.system.name = "redis",
        db.operation.name = name,
        db.operation.batch.size = commands.len(),
    )
}

/// A panic elsewhere leaves a state that is still whole: every change of it is one assignment.
fn lock<T>(state: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(super) mod tests {
    use std::io;

    use super::super::options::Mode;
    use super::*;

    /// Options by which a first failure is one too many.
    pub(in super::super) fn options() -> Options {
        let url = "redis://127.0.0.1:1".to_owned();
        Options {
            failures_to_trip: 1,
            ..Options::new(Mode::Single { url }, "test")
        }
    }

    /// What is logged when a link fails.
    pub(in super::super) fn logged(link: &Link) -> String {
        let log = Arc::<Mutex<Vec<u8>>>::default();
        let writer = Arc::clone(&log);
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || Written(Arc::clone(&writer)))
            .with_ansi(false)
            .finish();
        tracing::subscriber::with_default(subscriber, || link.unsound(&"no answer"));
        String::from_utf8(lock(&log).clone()).unwrap()
    }

    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            lock(&self.0).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_says_who_answers_in_its_place() {
        let link = Link::new(options(), Arc::default(), Purpose::Reading).unwrap();
        let logged = logged(&link);
        assert!(
            logged.contains("Redis is left alone for a moment, the registry answers in its place"),
            "{logged}"
        );
    }
}
