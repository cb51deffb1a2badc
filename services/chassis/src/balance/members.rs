//! The endpoints of one target, and which of them a call goes to: decisions alone, with time and chance from outside.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::health::Health;
use super::load::{Load, NO_ANSWER};
use super::outcome::Outcome;
use super::random::Random;

/// Who gives up so soon has learnt nothing about who was asked.
const TOO_SOON: Duration = Duration::from_millis(100);

/// Names an endpoint for as long as the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id(u64);

/// A way to an endpoint.
pub(super) trait Way: Clone {
    /// Whether calls can be made there.
    fn is_open(&self) -> bool;
}

/// A call that was given to an endpoint.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    pub(super) member: Id,
    pub(super) began: Instant,
    /// Whether it tries out an endpoint that was put out.
    pub(super) is_trial: bool,
}

/// Why an endpoint cannot be called, by the last try to connect.
#[derive(Debug, Clone)]
pub(super) struct Down {
    /// When the try began.
    pub(super) began: Instant,
    pub(super) why: Arc<str>,
}

#[derive(Debug)]
struct Member<W> {
    id: Id,
    address: SocketAddr,
    way: Option<W>,
    down: Option<Down>,
    health: Health,
    load: Load,
    answered: Option<Instant>,
}

impl<W: Way> Member<W> {
    fn is_open(&self) -> bool {
        self.way.as_ref().is_some_and(Way::is_open)
    }
}

/// How many endpoints there are by their state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct States {
    pub(super) connected: i64,
    pub(super) connecting: i64,
    pub(super) ejected: i64,
}

/// All endpoints.
#[derive(Debug)]
pub(super) struct Members<W> {
    members: Vec<Member<W>>,
    random: Random,
    last: u64,
    /// Kept between choices for its memory.
    candidates: Vec<usize>,
}

impl<W: Way> Members<W> {
    pub(super) fn new(random: Random) -> Self {
        Self {
            members: Vec::new(),
            random,
            last: 0,
            candidates: Vec::new(),
        }
    }

    /// One more.
    pub(super) fn insert(&mut self, address: SocketAddr) -> Id {
        self.last += 1;
        let id = Id(self.last);
        self.members.push(Member {
            id,
            address,
            way: None,
            down: None,
            health: Health::NEW,
            load: Load::default(),
            answered: None,
        });
        id
    }

    /// One less; with it others may have to come back, so that at most half are out.
    pub(super) fn remove(&mut self, id: Id) {
        self.members.retain(|member| member.id != id);
        while !Self::may_be_out(self.out(), self.members.len()) {
            let first = self
                .members
                .iter_mut()
                .filter(|member| !member.health.is_in())
                .min_by_key(|member| member.health.is_asked_at());
            let Some(first) = first else { return };
            first.health = Health::NEW;
        }
    }

    const fn may_be_out(out: usize, all: usize) -> bool {
        out * 2 <= all
    }

    fn out(&self) -> usize {
        self.members
            .iter()
            .filter(|member| !member.health.is_in())
            .count()
    }

    fn member(&mut self, id: Id) -> Option<&mut Member<W>> {
        self.members.iter_mut().find(|member| member.id == id)
    }

    /// There is a way to it now.
    pub(super) fn connected(&mut self, id: Id, way: W) {
        if let Some(member) = self.member(id) {
            (member.way, member.down) = (Some(way), None);
        }
    }

    /// The way has ended.
    pub(super) fn disconnected(&mut self, id: Id) {
        if let Some(member) = self.member(id) {
            member.way = None;
        }
    }

    /// A try to connect failed; a way that was there before stays.
    pub(super) fn unreachable(&mut self, id: Id, down: Down) {
        if let Some(member) = self.member(id) {
            member.down = Some(down);
        }
    }

    /// Whether one of these can be called.
    pub(super) fn is_any_open(&self, is_meant: impl Fn(SocketAddr) -> bool) -> bool {
        self.members
            .iter()
            .any(|member| is_meant(member.address) && member.is_open())
    }

    /// Why no endpoint can be reached, where each has been tried since then.
    pub(super) fn unreachable_since(&self, began: Instant) -> Option<Down> {
        let tried = |member: &Member<W>| member.down.clone().filter(|down| down.began >= began);
        let downs: Vec<Down> = self.members.iter().map_while(tried).collect();
        (downs.len() == self.members.len()).then_some(downs)?.pop()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The endpoint for a call: one that is to be tried out, by a call that may be made twice, for that is not told its
    /// failure, and by any other only where none such has come for a while; else the one with less to do of two by chance among those that
    /// are in and, if there are any, were not asked for this call before. Where none of these can be called, those that
    /// are out are as good as any. `None`: none can be called.
    pub(super) fn choose(
        &mut self,
        tried: &[Id],
        may_be_made_twice: bool,
        now: Instant,
    ) -> Option<(Ticket, W)> {
        let is_new = |member: &Member<W>| !tried.contains(&member.id);
        let is_to_be_tried = |member: &Member<W>| member.health.is_to_be_tried(may_be_made_twice, now);
        let on_trial = self
            .members
            .iter()
            .position(|member| is_new(member) && is_to_be_tried(member) && member.is_open());
        let chosen = on_trial
            .or_else(|| self.choose_among(now, |member| is_new(member) && member.health.is_in()))
            .or_else(|| self.choose_among(now, |member| member.health.is_in()))
            .or_else(|| self.choose_among(now, is_new))
            .or_else(|| self.choose_among(now, |_| true))?;
        let member = &mut self.members[chosen];
        member.health.is_tried(now);
        member.load.in_flight += 1;
        let ticket = Ticket {
            member: member.id,
            began: now,
            is_trial: on_trial.is_some(),
        };
        Some((ticket, member.way.clone()?))
    }

    fn choose_among(&mut self, now: Instant, is_meant: impl Fn(&Member<W>) -> bool) -> Option<usize> {
        self.candidates.clear();
        let meant = self
            .members
            .iter()
            .enumerate()
            .filter(|(_, member)| is_meant(member) && member.is_open());
        self.candidates.extend(meant.map(|(place, _)| place));
        match *self.candidates {
            [] => None,
            [only] => Some(only),
            ref candidates => {
                let first = self.random.below(candidates.len());
                let second = (first + 1 + self.random.below(candidates.len() - 1)) % candidates.len();
                let (first, second) = (candidates[first], candidates[second]);
                let order = self.members[first].load.compare(&self.members[second].load, now);
                Some(if order.is_gt() { second } else { first })
            }
        }
    }

    /// An answer has begun, so long after its request was over.
    pub(super) fn answered(&mut self, ticket: Ticket, took: Duration, now: Instant) {
        if let Some(member) = self.member(ticket.member) {
            member.load.took(took, now);
            member.answered = Some(now);
        }
    }

    /// A call is over. True: its endpoint was put out by it.
    pub(super) fn ended(&mut self, ticket: Ticket, outcome: Outcome, now: Instant) -> bool {
        if let Some(member) = self.member(ticket.member) {
            member.load.in_flight = member.load.in_flight.saturating_sub(1);
        }
        self.judge(ticket.member, ticket.began, outcome, now)
    }

    /// A call was given up before its answer began. Where the endpoint has answered nobody meanwhile, it may be frozen.
    pub(super) fn given_up(&mut self, ticket: Ticket, now: Instant) -> bool {
        let is_telling = self
            .member(ticket.member)
            .is_some_and(|member| member.answered.is_none_or(|answered| answered < ticket.began));
        let outcome = if is_telling {
            Outcome::Late
        } else {
            Outcome::Unknown
        };
        self.ended(ticket, outcome, now)
    }

    /// It does not answer the question whether it lives. True: it was put out by it.
    pub(super) fn is_silent(&mut self, id: Id, now: Instant) -> bool {
        self.judge(id, now, Outcome::Silent, now)
    }

    fn judge(&mut self, id: Id, began: Instant, outcome: Outcome, now: Instant) -> bool {
        let may_go_out = Self::may_be_out(self.out() + 1, self.members.len());
        let chance = self.random.share();
        let Some(member) = self.member(id) else {
            return false;
        };
        if outcome == Outcome::Late && now.saturating_duration_since(began) < TOO_SOON {
            return false;
        }
        let was_in = member.health.is_in();
        let is_out = match outcome {
            Outcome::Answered | Outcome::Refused => {
                member.health.succeeded(began, now);
                false
            }
            Outcome::Failed | Outcome::Late => member.health.failed(began, now, may_go_out, chance),
            Outcome::Silent => member.health.was_silent(now, may_go_out, chance),
            Outcome::Unknown => false,
        };
        if !was_in && member.health.is_in() {
            member.load.forget();
        }
        // Who may go out is put out soon if it goes on so; who may not must not draw load by failing fast.
        let is_failure = matches!(outcome, Outcome::Failed | Outcome::Late | Outcome::Silent);
        if outcome == Outcome::Refused || (is_failure && !may_go_out) {
            member.load.took(NO_ANSWER, now);
        }
        is_out
    }

    /// It has answered the question whether it lives.
    pub(super) fn lives(&mut self, id: Id, now: Instant) {
        if let Some(member) = self.member(id) {
            member.health.lives(now);
        }
    }

    /// When it is to be asked whether it lives; `None`: it need not be.
    pub(super) fn is_asked_at(&mut self, id: Id) -> Option<Instant> {
        self.member(id)?.health.is_asked_at()
    }

    pub(super) fn states(&self) -> States {
        let mut states = States::default();
        for member in &self.members {
            *match (member.health.is_in(), member.is_open()) {
                (false, _) => &mut states.ejected,
                (true, true) => &mut states.connected,
                (true, false) => &mut states.connecting,
            } += 1;
        }
        states
    }
}

#[cfg(test)]
#[path = "tests/members.rs"]
mod tests;
