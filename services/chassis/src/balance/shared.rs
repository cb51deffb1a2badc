//! What the calls, the connections and the addresses of one target know of each other.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tower::retry::budget::{Budget as _, TpsBudget};

use super::connection::Link;
use super::members::{Down, Id, Members, States, Ticket};
use super::outcome::Outcome;
use super::random::Random;
use crate::metrics::Count;

/// Calls that are made again are at most this share of those of the last ten seconds, and this many a second where there
/// are few: they must not multiply the load on a service in trouble.
const SHARE: f32 = 0.2;
const A_SECOND: u32 = 10;
const COUNTED_FOR: Duration = Duration::from_secs(10);

/// What is counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Endpoints that were put out.
    pub(super) ejections: Count,
    /// Calls that were made again: because they were not taken; because they may be made twice.
    pub(super) not_taken: Count,
    pub(super) idempotent: Count,
    /// Calls that were not made again for want of budget.
    pub(super) unaffordable: Count,
}

/// Of one target.
#[derive(Debug)]
pub(super) struct Shared {
    table: Mutex<Table>,
    /// Said when a call that found no way may find one, or may learn that there is none.
    changed: watch::Sender<()>,
    /// Said when a call waits for addresses.
    pub(super) look: Notify,
    budget: TpsBudget,
    pub(super) counts: Counts,
}

#[derive(Debug)]
struct Table {
    members: Members<Link>,
    /// Wakes those who keep the connections.
    keepers: HashMap<Id, Arc<Notify>>,
    /// That there are no addresses, and why.
    lost: Option<Down>,
}

impl Shared {
    pub(super) fn new(random: Random) -> Self {
        Self {
            table: Mutex::new(Table {
                members: Members::new(random),
                keepers: HashMap::new(),
                lost: None,
            }),
            changed: watch::Sender::new(()),
            look: Notify::new(),
            budget: TpsBudget::new(COUNTED_FOR, A_SECOND, SHARE),
            counts: Counts::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nobody panics who holds it; and if so, what it holds is whole.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn insert(&self, address: SocketAddr) -> (Id, Arc<Notify>) {
        let mut table = self.lock();
        let id = table.members.insert(address);
        let wake = Arc::<Notify>::default();
        table.keepers.insert(id, Arc::clone(&wake));
        (id, wake)
    }

    pub(super) fn remove(&self, id: Id) {
        let mut table = self.lock();
        table.members.remove(id);
        table.keepers.remove(&id);
    }

    pub(super) fn connected(&self, id: Id, link: Link) {
        self.lock().members.connected(id, link);
        self.changed.send_replace(());
    }

    pub(super) fn disconnected(&self, id: Id) {
        self.lock().members.disconnected(id);
        self.changed.send_replace(());
    }

    pub(super) fn unreachable(&self, id: Id, down: Down) {
        self.lock().members.unreachable(id, down);
        self.changed.send_replace(());
    }

    /// There are no addresses.
    pub(super) fn lost(&self, down: Down) {
        self.lock().lost = Some(down);
        self.changed.send_replace(());
    }

    pub(super) fn lives(&self, id: Id) {
        self.lock().members.lives(id, Instant::now());
    }

    pub(super) fn is_silent(&self, id: Id) {
        self.judge(id, |members| members.is_silent(id, Instant::now()));
    }

    pub(super) fn is_asked_at(&self, id: Id) -> Option<Instant> {
        self.lock().members.is_asked_at(id)
    }

    pub(super) fn states(&self) -> States {
        self.lock().members.states()
    }

    /// Judges an endpoint; true from `judged`: it was put out by it.
    fn judge(&self, id: Id, judged: impl FnOnce(&mut Members<Link>) -> bool) {
        let mut table = self.lock();
        let is_out = judged(&mut table.members);
        // Put out, or tried out in vain: whoever keeps it asks later whether it lives.
        if table.members.is_asked_at(id).is_some()
            && let Some(keeper) = table.keepers.get(&id)
        {
            keeper.notify_one();
        }
        drop(table);
        if is_out {
            self.counts.ejections.add();
            tracing::warn!(endpoint = ?id, "an endpoint is left alone for failures in a row");
        }
    }

    /// Hears of connections.
    #[cfg(test)]
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Waits until one of these can be called.
    pub(super) async fn any_open(&self, is_meant: impl Fn(SocketAddr) -> bool) {
        let mut changed = self.changed.subscribe();
        while !self.lock().members.is_any_open(&is_meant) {
            // The sender is here.
            let _ = changed.changed().await;
        }
    }

    /// The endpoint for a call, as soon as one can be called.
    ///
    /// # Errors
    /// None can be: each was tried since the call wanted it.
    pub(super) async fn choose(
        self: &Arc<Self>,
        tried: &[Id],
        may_be_made_twice: bool,
    ) -> Result<(Given, Link), Down> {
        if let Some(chosen) = self.choose_now(tried, may_be_made_twice, &mut self.lock()) {
            return Ok(chosen);
        }
        let began = Instant::now();
        let mut changed = self.changed.subscribe();
        self.look.notify_one();
        self.lock()
            .keepers
            .values()
            .for_each(|keeper| keeper.notify_one());
        loop {
            {
                let mut table = self.lock();
                if let Some(chosen) = self.choose_now(tried, may_be_made_twice, &mut table) {
                    return Ok(chosen);
                }
                let down = if table.members.is_empty() {
                    table.lost.clone().filter(|down| down.began >= began)
                } else {
                    table.members.unreachable_since(began)
                };
                if let Some(down) = down {
                    return Err(down);
                }
            }
            // The sender is here.
            let _ = changed.changed().await;
        }
    }

    fn choose_now(
        self: &Arc<Self>,
        tried: &[Id],
        may_be_made_twice: bool,
        table: &mut Table,
    ) -> Option<(Given, Link)> {
        let (ticket, link) = table.members.choose(tried, may_be_made_twice, Instant::now())?;
        let given = Given {
            shared: Arc::clone(self),
            ticket,
            has_answered: false,
            is_over: false,
        };
        Some((given, link))
    }

    /// Notes that a call is made.
    pub(super) fn pay_in(&self) {
        self.budget.deposit();
    }

    /// Whether a call may be made again.
    pub(super) fn affords(&self, reason: &Count) -> bool {
        let affords = self.budget.withdraw();
        if affords {
            reason.add();
        } else {
            self.counts.unaffordable.add();
        }
        affords
    }
}

/// A call that was given to an endpoint, until its end is told. Dropped before, it was given up.
#[derive(Debug)]
pub(super) struct Given {
    shared: Arc<Shared>,
    ticket: Ticket,
    has_answered: bool,
    is_over: bool,
}

impl Given {
    pub(super) const fn member(&self) -> Id {
        self.ticket.member
    }

    /// Whether the call tries out an endpoint that was put out.
    pub(super) const fn is_trial(&self) -> bool {
        self.ticket.is_trial
    }

    /// Notes that the answer has begun; its request was over then, if it was.
    pub(super) fn answered(&mut self, request_over: Option<Instant>) {
        let now = Instant::now();
        let since = request_over.unwrap_or(self.ticket.began).max(self.ticket.began);
        let took = now.saturating_duration_since(since);
        self.has_answered = true;
        self.shared.lock().members.answered(self.ticket, took, now);
    }

    /// Notes how it ended.
    pub(super) fn ended(&mut self, outcome: Outcome) {
        if !std::mem::replace(&mut self.is_over, true) {
            let ticket = self.ticket;
            self.shared.judge(ticket.member, |members| {
                members.ended(ticket, outcome, Instant::now())
            });
        }
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        if self.has_answered {
            self.ended(Outcome::Unknown);
        } else if !std::mem::replace(&mut self.is_over, true) {
            let ticket = self.ticket;
            self.shared
                .judge(ticket.member, |members| members.given_up(ticket, Instant::now()));
        }
    }
}
