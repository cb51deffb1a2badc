//! Keeps the connection to one address: makes it, notices its end, and asks who was left alone whether it lives.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::connection::{Link, Wiring, connect};
use super::members::{Down, Id};
use super::shared::Shared;
use crate::retry::Backoff;

/// Between tries to connect, while other endpoints are called.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
/// The same while calls wait for it.
const WANTED: Duration = Duration::from_millis(20);
/// A connection that lived so long is followed by another at once.
const STEADY: Duration = Duration::from_secs(1);

/// An address, and who keeps the connection to it.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) shared: Arc<Shared>,
    pub(super) id: Id,
    pub(super) address: SocketAddr,
    pub(super) wake: Arc<Notify>,
    pub(super) wiring: watch::Receiver<Wiring>,
}

/// What happened to a connection.
enum End {
    Over,
    /// It is to be replaced by one that is made otherwise, and serves until then.
    Rewired,
}

impl Keeper {
    /// Works until it is dropped.
    pub(super) async fn keep(mut self) {
        let mut failures = 0_u32;
        loop {
            let began = Instant::now();
            let wiring = self.wiring.borrow_and_update().clone();
            match connect(&wiring, self.address).await {
                Ok((link, connection)) => {
                    let connected = Instant::now();
                    self.shared.connected(self.id, link.clone());
                    match self.tend(link, connection).await {
                        End::Rewired => continue,
                        End::Over => self.shared.disconnected(self.id),
                    }
                    if connected.elapsed() >= STEADY {
                        failures = 0;
                        continue;
                    }
                }
                Err(error) => {
                    let address = self.address;
                    let down = Down {
                        began,
                        why: format!("{address}: {error}").into(),
                    };
                    tracing::debug!(%address, error = &error as &dyn std::error::Error, "no connection");
                    self.shared.unreachable(self.id, down);
                }
            }
            failures = failures.saturating_add(1);
            tokio::select! {
                () = tokio::time::sleep(PAUSES.pause(failures)) => {}
                () = wanted(&self.wake) => {}
            }
        }
    }

    /// Asks a connection that has just begun, and one whose endpoint was left alone for a while, whether a server lives
    /// there: the system of one that is frozen takes connections all the same.
    async fn tend(&mut self, mut link: Link, mut connection: JoinHandle<()>) -> End {
        let mut asked_at = Some(Instant::now());
        loop {
            tokio::select! {
                // Also if it panicked.
                _ = &mut connection => return End::Over,
                Ok(()) = self.wiring.changed() => return End::Rewired,
                () = self.wake.notified() => {}
                () = due(asked_at) => match link.lives().await {
                    Some(true) => self.shared.lives(self.id),
                    Some(false) => self.shared.is_silent(self.id),
                    None => {}
                },
            }
            asked_at = self.shared.is_asked_at(self.id);
        }
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Ends when a call waits, yet not at once: it would try again and again what cannot be.
async fn wanted(wake: &Notify) {
    tokio::time::sleep(WANTED).await;
    wake.notified().await;
}
