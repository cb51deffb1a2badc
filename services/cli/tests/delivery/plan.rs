//! What is told to whom, how receivers behave, and when processes are killed: all of it by a seed.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use nopic_sql::testing::Engine;
use tokio::time::Instant;

/// Numbers that look random and are the same for a seed: SplitMix64.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }
}

/// The seed of this run.
pub(crate) fn seed() -> u64 {
    std::env::var("NOPIC_DELIVERY_SEED").map_or_else(
        |_| getrandom::u64().unwrap() % 1_000_000,
        |seed| seed.parse().unwrap(),
    )
}

/// How a receiver behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It takes everything.
    Steady,
    /// It fails so many times, and takes everything then.
    Fails(Failing, usize),
    /// Some notices it refuses for ever.
    Refuses,
    /// Once it has taken so many it is gone for ever.
    Leaves(usize),
}

/// In which way a receiver fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failing {
    /// 500.
    Error,
    /// 429 with a `Retry-After`.
    TooMany,
    /// The connection ends without an answer.
    Closes,
    /// It answers late.
    Slow,
    /// It does not answer while anybody waits.
    Hangs,
}

/// Kinds of receivers that fail, in turn.
fn failing(turn: usize, chance: &mut Chance) -> Manner {
    // No more than are tried at a time: it recovers when it is tried next.
    let times = 1 + chance.below(4);
    match turn % 7 {
        0 => Manner::Refuses,
        1 => Manner::Leaves(chance.below(10)),
        2 => Manner::Fails(Failing::Error, times),
        3 => Manner::Fails(Failing::Hangs, times),
        4 => Manner::Fails(Failing::TooMany, times),
        5 => Manner::Fails(Failing::Closes, times),
        _ => Manner::Fails(Failing::Slow, times),
    }
}

/// A run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) notices: usize,
    /// Of one tenant each.
    pub(crate) receivers: usize,
    pub(crate) processes: usize,
    /// When processes are killed, after the first event could be read.
    pub(crate) kills: Vec<Duration>,
    /// How long it takes until all events can be read: half of them from the start.
    pub(crate) told_within: Duration,
    /// By when all must be over, after the last kill.
    pub(crate) patience: Duration,
    /// Memory of a process.
    pub(crate) most_kib: u64,
    pub(crate) manners: Vec<Manner>,
    /// The receiver of each notice.
    pub(crate) of_notice: Vec<usize>,
}

impl Plan {
    pub(crate) fn of(engine: Engine, seed: u64) -> Self {
        let is_full = std::env::var_os("NOPIC_TESTS_FULL").is_some();
        let (notices, receivers, kills, seconds) = if is_full {
            (100_000, 500, 30, 120)
        } else {
            (2_000, 70, 4, 8)
        };
        let mut chance = Chance::new(seed);
        let mut moments: Vec<Duration> = (0..kills)
            .map(|_| Duration::from_millis(200 + chance.next() % (seconds * 1_000)))
            .collect();
        moments.sort_unstable();
        let mut manners = vec![Manner::Steady; receivers];
        for turn in 0..receivers / 10 {
            let free = loop {
                let place = chance.below(receivers);
                if manners[place] == Manner::Steady {
                    break place;
                }
            };
            manners[free] = failing(turn, &mut chance);
        }
        Self {
            of_notice: (0..notices).map(|_| chance.below(receivers)).collect(),
            notices,
            receivers,
            processes: match engine {
                Engine::Postgres => 3,
                Engine::Sqlite => 1,
            },
            kills: moments,
            told_within: Duration::from_secs(seconds),
            patience: Duration::from_secs(if is_full { 1_200 } else { 240 }),
            most_kib: 160 << 10,
            manners,
        }
    }

    /// Whether a receiver that refuses some notices refuses this one.
    pub(crate) const fn is_refused(notice: usize) -> bool {
        notice.is_multiple_of(3)
    }
}

/// Half of all events can be read from the start, the others as time goes.
#[derive(Debug)]
pub(crate) struct Telling {
    began: OnceLock<Instant>,
    all: usize,
    within: Duration,
}

impl Telling {
    pub(crate) fn of(plan: &Plan) -> Self {
        Self {
            began: OnceLock::new(),
            all: plan.notices,
            within: plan.told_within,
        }
    }

    /// From now on events can be read.
    pub(crate) fn begin(&self) {
        self.began.set(Instant::now()).unwrap();
    }

    /// Events that can be read by now.
    pub(crate) fn count(&self) -> usize {
        let Some(began) = self.began.get() else {
            return 0;
        };
        let (passed, within) = (began.elapsed().as_millis(), self.within.as_millis());
        if passed >= within {
            return self.all;
        }
        let half = self.all / 2;
        half + half * usize::try_from(passed).unwrap() / usize::try_from(within).unwrap()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failing = self.manners.iter().filter(|manner| **manner != Manner::Steady);
        write!(
            f,
            "{} notices to {} receivers, {} of them failing, by {} processes, {} kills",
            self.notices,
            self.receivers,
            failing.count(),
            self.processes,
            self.kills.len()
        )
    }
}
