//! Accounts of the whole deployment, taken in blocks: what is in a block was counted already, so that a call is allowed
//! without a round trip, and what a process can give beyond the rate is at most the rest of one block.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::time::Instant;

use super::Account;
use super::local::LocalLimiter;
use super::rate::{Rate, Taken};

/// A block is what the rate brings in this part of a second, and no more than this part of a burst.
const BLOCKS_A_SECOND: u32 = 10;
const BLOCKS_A_BURST: u32 = 4;
/// What is left of a block is no longer given out after this time.
const KEPT: Duration = Duration::from_secs(1);
/// Accounts that are kept before those are forgotten that hold nothing.
const ACCOUNTS: usize = 10_000;

/// What the shared accounts gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// So many units, at least what was asked; so many are left there.
    Given {
        /// Units of the block.
        units: u32,
        /// Units that are left in the account.
        left: u32,
    },
    /// Nothing: it does not fit.
    Refused {
        /// When it would.
        retry_after: Duration,
    },
}

/// What the shared accounts say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// What they gave.
    pub block: Block,
    /// How many processes take of the account, this one among them.
    pub sharers: u32,
}

/// The shared accounts.
pub trait Blocks: Send + Sync {
    /// Takes the cost and, where they fit, up to so many units more. `None`: they cannot be asked.
    fn take(
        &self,
        account: &Account,
        rate: Rate,
        cost: u32,
        more: u32,
    ) -> impl Future<Output = Option<Answer>> + Send;
}

/// What this process holds of one account.
#[derive(Debug, Default)]
struct Held {
    units: u32,
    /// When the block was given.
    since: Option<Instant>,
    /// What did not fit when the shared account was asked last.
    refused: Option<TooMuch>,
    /// What was left in the shared account when it was asked last.
    left: u32,
    /// How many processes took of it then; 0: it was never asked.
    sharers: u32,
    /// When that was.
    asked: Option<Instant>,
    /// Whether this process has counted for itself since.
    is_alone: bool,
}

/// So many units, a burst at most, do not fit before this time.
#[derive(Debug, Clone, Copy)]
struct TooMuch {
    units: u32,
    until: Instant,
}

impl TooMuch {
    /// How long so many units do not fit either: they wait for their difference longer, or less long.
    fn wait(self, now: Instant, rate: Rate, cost: u32) -> Option<Duration> {
        let units = cost.min(rate.burst());
        let until = match units.checked_sub(self.units) {
            Some(more) => self.until.checked_add(rate.time_of(more)),
            None => self.until.checked_sub(rate.time_of(self.units - units)),
        };
        let wait = until?.saturating_duration_since(now);
        (!wait.is_zero()).then_some(wait)
    }
}

impl Held {
    fn units(&self, now: Instant) -> u32 {
        match self.since {
            Some(since) if now.duration_since(since) < KEPT => self.units,
            _ => 0,
        }
    }

    /// Takes from the block, if it is enough.
    fn take(&mut self, now: Instant, cost: u32) -> Option<Taken> {
        let units = self.units(now).checked_sub(cost)?;
        self.units = units;
        Some(Taken::Allowed {
            left: units.saturating_add(self.left),
        })
    }

    /// The same without asking anybody: what is known not to fit is refused, so that nobody asks in vain.
    fn at_once(&mut self, now: Instant, rate: Rate, cost: u32) -> Option<Taken> {
        let taken = self.take(now, cost);
        taken.or_else(|| {
            let retry_after = self.refused?.wait(now, rate, cost)?;
            Some(Taken::Refused { retry_after })
        })
    }
}

/// One at a time asks for the next block of an account; others wait for it.
type Place = Arc<(tokio::sync::Mutex<()>, Mutex<Held>)>;

/// Accounts of the deployment.
#[derive(Debug)]
pub struct SharedLimiter<B> {
    blocks: B,
    places: Mutex<FxHashMap<Account, Place>>,
    /// Counts while the shared accounts cannot be asked.
    alone: LocalLimiter,
    /// How many processes took of any account when one was asked last: of one that is first asked for while the shared
    /// accounts are gone nothing else is known.
    sharers: AtomicU32,
}

impl<B: Blocks> SharedLimiter<B> {
    /// Over these accounts.
    pub fn new(blocks: B) -> Self {
        Self {
            blocks,
            places: Mutex::default(),
            alone: LocalLimiter::default(),
            sharers: AtomicU32::new(1),
        }
    }

    /// Takes this of an account.
    pub async fn take(&self, account: &Account, rate: Rate, cost: u32) -> Taken {
        let place = self.place(account);
        let at_once = |place: &Place| lock(&place.1).at_once(Instant::now(), rate, cost);
        if let Some(taken) = at_once(&place) {
            return taken;
        }
        let _turn = place.0.lock().await;
        // Whoever was before may have brought enough.
        if let Some(taken) = at_once(&place) {
            return taken;
        }
        let block = (rate.per_second() / BLOCKS_A_SECOND).min(rate.burst() / BLOCKS_A_BURST);
        let Some(answer) = self.blocks.take(account, rate, cost, block).await else {
            return self.take_alone(&place, account, rate, cost);
        };
        let mut held = lock(&place.1);
        (held.sharers, held.asked, held.is_alone) = (answer.sharers, Some(Instant::now()), false);
        self.sharers.store(answer.sharers, Ordering::Relaxed);
        match answer.block {
            Block::Given { units, left } => {
                let now = Instant::now();
                let rest = held.units(now);
                held.units = rest.saturating_add(units).saturating_sub(cost);
                held.since = Some(now);
                held.left = left;
                held.refused = None;
                Taken::Allowed {
                    left: held.units.saturating_add(left),
                }
            }
            Block::Refused { retry_after } => {
                held.refused = Some(TooMuch {
                    units: cost.min(rate.burst()),
                    until: Instant::now() + retry_after,
                });
                held.left = 0;
                Taken::Refused { retry_after }
            }
        }
    }

    /// Takes without the shared account: of a share of it, which begins with the share of what was left there.
    fn take_alone(&self, place: &Place, account: &Account, rate: Rate, cost: u32) -> Taken {
        let share = self.share(place, rate);
        {
            let mut held = lock(&place.1);
            if let Some(asked) = held.asked.filter(|_| !held.is_alone) {
                held.is_alone = true;
                let left = rate.left_after(held.left, asked.elapsed());
                self.alone.begin(account, share, left / held.sharers.max(1));
            }
        }
        self.alone.take(account, share, cost)
    }

    /// What can be taken of an account now.
    pub async fn left(&self, account: &Account, rate: Rate) -> u32 {
        let place = self.place(account);
        let held = lock(&place.1).units(Instant::now());
        let answer = self.blocks.take(account, rate, 0, 0).await;
        match answer.map(|answer| answer.block) {
            Some(Block::Given { left, .. }) => left.saturating_add(held),
            Some(Block::Refused { .. }) => held,
            None => self.alone.left(account, self.share(&place, rate)),
        }
    }

    /// What this process gives of a rate by itself: all that take of the account give it together.
    fn share(&self, place: &Place, rate: Rate) -> Rate {
        let sharers = match lock(&place.1).sharers {
            0 => self.sharers.load(Ordering::Relaxed),
            known => known,
        };
        rate.share(sharers)
    }

    fn place(&self, account: &Account) -> Place {
        let mut places = lock(&self.places);
        if let Some(place) = places.get(account) {
            return Arc::clone(place);
        }
        if places.len() >= ACCOUNTS {
            let now = Instant::now();
            // One that somebody is at is not forgotten under his hands.
            places.retain(|_, place| Arc::strong_count(place) > 1 || lock(&place.1).units(now) > 0);
        }
        let place = Place::default();
        places.insert(account.clone(), Arc::clone(&place));
        place
    }
}

/// A panic elsewhere leaves a state that is still whole.
fn lock<T>(state: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::limiter::rate::EvenAt;

    /// Shared accounts in memory, which can be gone.
    #[derive(Debug)]
    struct Memory {
        began: Instant,
        account: Mutex<EvenAt>,
        asked: AtomicU32,
        is_gone: AtomicBool,
    }

    fn memory() -> Arc<Memory> {
        Arc::new(Memory {
            began: Instant::now(),
            account: Mutex::default(),
            asked: AtomicU32::new(0),
            is_gone: AtomicBool::new(false),
        })
    }

    impl Blocks for Arc<Memory> {
        async fn take(&self, _: &Account, rate: Rate, cost: u32, more: u32) -> Option<Answer> {
            tokio::task::yield_now().await;
            if self.is_gone.load(Ordering::Relaxed) {
                return None;
            }
            self.asked.fetch_add(1, Ordering::Relaxed);
            let now = self.began.elapsed();
            let mut account = self.account.lock().unwrap();
            let block = match rate.take(&mut account, now, cost) {
                Taken::Refused { retry_after } => Block::Refused { retry_after },
                Taken::Allowed { left } => {
                    let more = more.min(left);
                    rate.take(&mut account, now, more);
                    Block::Given {
                        units: cost + more,
                        left: left - more,
                    }
                }
            };
            Some(Answer { block, sharers: 2 })
        }
    }

    fn account() -> Account {
        Account::new("requests", "a")
    }

    async fn allowed(limiter: &SharedLimiter<Arc<Memory>>, rate: Rate, times: u32) -> u32 {
        let mut allowed = 0;
        for _ in 0..times {
            if matches!(limiter.take(&account(), rate, 1).await, Taken::Allowed { .. }) {
                allowed += 1;
            }
        }
        allowed
    }

    #[tokio::test(start_paused = true)]
    async fn calls_come_out_of_blocks_and_no_more_is_given_than_the_rate() {
        let memory = memory();
        let rate = Rate::new(1_000, 400).unwrap();
        let limiters = [
            SharedLimiter::new(Arc::clone(&memory)),
            SharedLimiter::new(Arc::clone(&memory)),
        ];
        let mut given = 0;
        for limiter in limiters.iter().cycle().take(20) {
            given += allowed(limiter, rate, 50).await;
        }
        assert_eq!(given, 400);
        let asked = memory.asked.load(Ordering::Relaxed);
        assert!(asked <= 8, "it was asked {asked} times for 1,000 calls");
        tokio::time::advance(Duration::from_millis(100)).await;
        let given = allowed(&limiters[0], rate, 150).await + allowed(&limiters[1], rate, 150).await;
        assert_eq!(given, 100);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_too_much_refuses_only_what_does_not_fit_either() {
        let memory = memory();
        let rate = Rate::new(10, 100).unwrap();
        let limiter = SharedLimiter::new(Arc::clone(&memory));
        let refused = |seconds| Taken::Refused {
            retry_after: Duration::from_secs(seconds),
        };
        let take = async |cost| limiter.take(&account(), rate, cost).await;
        assert_eq!(take(79).await, Taken::Allowed { left: 21 });
        assert_eq!(memory.asked.swap(0, Ordering::Relaxed), 1);
        // All of a burst; one unit of it is held here, 20 are left there.
        assert_eq!(take(1_000).await, refused(8));
        assert_eq!(take(1).await, Taken::Allowed { left: 0 }, "it is held here");
        assert_eq!((take(100).await, take(30).await), (refused(8), refused(1)));
        assert_eq!(memory.asked.swap(0, Ordering::Relaxed), 1, "only the first asked");
        assert!(matches!(take(20).await, Taken::Allowed { .. }));
        assert_eq!(memory.asked.swap(0, Ordering::Relaxed), 1);
        // What is refused for little says nothing wrong of much.
        let little = take(5).await;
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(
            (little, take(95).await),
            (
                Taken::Refused {
                    retry_after: Duration::from_millis(500)
                },
                refused(9)
            )
        );
    }

    #[tokio::test(start_paused = true)]
    async fn without_the_shared_accounts_those_who_took_of_them_give_the_rate_together() {
        let memory = memory();
        let rate = Rate::new(100, 100).unwrap();
        let limiter = SharedLimiter::new(Arc::clone(&memory));
        memory.is_gone.store(true, Ordering::Relaxed);
        assert_eq!(
            allowed(&limiter, rate, 500).await,
            100,
            "none but itself is known of"
        );
        memory.is_gone.store(false, Ordering::Relaxed);
        assert_eq!(allowed(&limiter, rate, 500).await, 100);
        memory.is_gone.store(true, Ordering::Relaxed);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(allowed(&limiter, rate, 500).await, 50, "it shares with one other");
        let fresh = Account::new("requests", "came meanwhile");
        assert_eq!(limiter.left(&fresh, rate).await, 50);
    }
}
