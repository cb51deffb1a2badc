//! What versions of entries draw: entry by entry, line by line, with the running weights of RULES, rule 5.

use rustc_hash::{FxHashMap, FxHashSet};
use thiserror::Error;

use super::{MAX_DRAWN, past};
use crate::certificate::DrawnBy;
use crate::identifier::{CertificateNumber, EntryNumber};
use crate::weight::Weight;

/// A certificate's ledger, as far as a decision needs it and changes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The certificate's total and what the policy permits on top of it.
    pub limit: Weight,
    /// Sum of all draws in force.
    pub drawn: Weight,
    /// Sum of the excess marked on them.
    pub marked: Weight,
    /// Whether only one entry may draw.
    pub single_shipment: bool,
    /// Which entries drew, those that are decided on left out.
    pub others: DrawnBy,
    /// How many draws in force each entry has that is decided on; filled in by [`decide`].
    here: FxHashMap<EntryNumber, u32>,
}

impl Account {
    /// The ledger before entries are decided on.
    #[must_use]
    pub fn new(limit: Weight, drawn: Weight, marked: Weight, single_shipment: bool, others: DrawnBy) -> Self {
        Self {
            limit,
            drawn,
            marked,
            single_shipment,
            others,
            here: FxHashMap::default(),
        }
    }

    /// What may be drawn past the limit: what is marked on draws, and what is past the limit on no draw's account,
    /// because the limit was lowered.
    #[must_use]
    pub fn excess(&self) -> Weight {
        self.marked.max(past(self.limit, self.drawn))
    }

    /// Which entries drew.
    #[must_use]
    pub fn drawn_by(&self) -> DrawnBy {
        // Two are as good as many.
        self.here
            .keys()
            .take(2)
            .fold(self.others, |drawn_by, entry| drawn_by.with(*entry))
    }

    /// Which of the entries decided on have draws in force, in no order.
    pub fn drawn_by_here(&self) -> impl Iterator<Item = EntryNumber> + '_ {
        self.here.keys().copied()
    }

    fn add(&mut self, entry: EntryNumber, weight: Weight, excess: Weight) {
        self.drawn = self.drawn.saturating_add(weight);
        self.marked = self.marked.saturating_add(excess);
        *self.here.entry(entry).or_default() += 1;
    }

    fn give_back(&mut self, entry: EntryNumber, draw: &OwnDraw) {
        self.drawn = self.drawn.saturating_sub(draw.weight);
        self.marked = self.marked.saturating_sub(draw.excess);
        if let Some(count) = self.here.get_mut(&entry) {
            *count -= 1;
            if *count == 0 {
                self.here.remove(&entry);
            }
        }
    }
}

/// What one version of an entry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryDraws {
    /// The entry; each once in a decision.
    pub entry_number: EntryNumber,
    /// Whether lines that are not named keep what they drew.
    pub keep_other_lines: bool,
    /// In their order; each line once.
    pub lines: Vec<LineDraw>,
    /// What the entry has drawn before, from whichever certificate.
    pub own: Vec<OwnDraw>,
}

/// What a line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineDraw {
    /// Line of the entry.
    pub line_number: u32,
    /// PGA line of it.
    pub pga_line_number: u32,
    /// What it asks for.
    pub ask: Ask,
}

/// What a line asks of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// To draw nothing, from the certificate that it names, if it does.
    Nothing(Option<CertificateNumber>),
    /// To draw nothing, but to be counted for later lines of the entry where its weight is left.
    Count(Take),
    /// To draw its weight where that is left.
    Draw(Take),
}

impl Ask {
    /// The certificate that is named.
    #[must_use]
    pub const fn number(&self) -> Option<CertificateNumber> {
        match self {
            Self::Nothing(number) => *number,
            Self::Count(take) | Self::Draw(take) => Some(take.number),
        }
    }
}

/// A weight to be taken from a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Take {
    /// The certificate.
    pub number: CertificateNumber,
    /// How much; zero is use as well.
    pub weight: Weight,
    /// Whether it may pass what is left.
    pub may_exceed: bool,
    /// Whether a single-shipment certificate may be used that another entry used.
    pub may_reuse: bool,
    /// Whether it must fit beside what the entry's lines drew that are not named, although that is given back.
    pub beside_replaced: bool,
}

/// A draw that an entry has on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnDraw {
    /// The certificate drawn on.
    pub number: CertificateNumber,
    /// Line of the entry.
    pub line_number: u32,
    /// PGA line of it.
    pub pga_line_number: u32,
    /// How much.
    pub weight: Weight,
    /// The part of it past the limit.
    pub excess: Weight,
}

/// What was decided on an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryDecision {
    /// One for each line, in order.
    pub lines: Vec<LineOutcome>,
    /// The certificates that its lines name, each once in the order of the lines, as they stood before it.
    pub states: Vec<AccountState>,
    /// For each of the entry's own draws, in order, whether it ends.
    pub ended: Vec<bool>,
}

/// What becomes of a line's draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineOutcome {
    /// Nothing was asked for.
    Nothing,
    /// It drew.
    Drawn {
        /// The part of its weight past the limit.
        excess: Weight,
    },
    /// More than was left: it drew nothing.
    Exceeded,
    /// A single-shipment certificate that another entry used: it drew nothing.
    AlreadyUsed,
}

/// A certificate's ledger before an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountState {
    /// The certificate.
    pub number: CertificateNumber,
    /// Sum of all draws in force, the entry's own included.
    pub drawn: Weight,
    /// Which entries drew, this one included.
    pub drawn_by: DrawnBy,
}

/// A certificate was named that is none of the accounts: the caller must load each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("certificate {0} is none of the accounts")]
pub struct UnknownAccount(pub CertificateNumber);

/// Decides what entries draw, in order, and changes the accounts accordingly.
///
/// An entry first gives back what the named lines drew, and all that it drew where other lines do not stay. Then each
/// line is held against what is left, less what earlier lines of the entry took from it: what they drew, and what
/// those would have drawn that are only counted; and, where the line does not replace others itself, less what those
/// drew that are replaced.
///
/// # Errors
/// An entry names a certificate, or has drawn on one, that is none of the accounts: these are then not to be used.
pub fn decide(
    accounts: &mut FxHashMap<CertificateNumber, Account>,
    entries: &[EntryDraws],
) -> Result<Vec<EntryDecision>, UnknownAccount> {
    for entry in entries {
        for draw in &entry.own {
            let account = account(accounts, draw.number)?;
            *account.here.entry(entry.entry_number).or_default() += 1;
        }
    }
    entries
        .iter()
        .map(|entry| decide_entry(accounts, entry))
        .collect()
}

fn account(
    accounts: &mut FxHashMap<CertificateNumber, Account>,
    number: CertificateNumber,
) -> Result<&mut Account, UnknownAccount> {
    accounts.get_mut(&number).ok_or(UnknownAccount(number))
}

/// A certificate while one entry draws on it.
struct Running {
    /// The account before the entry.
    state: AccountState,
    /// Whether another entry drew.
    used_by_another: bool,
    /// What lines that are only counted took.
    counted: Weight,
    /// What the entry's lines drew that it no longer has.
    replaced: Weight,
}

fn decide_entry(
    accounts: &mut FxHashMap<CertificateNumber, Account>,
    entry: &EntryDraws,
) -> Result<EntryDecision, UnknownAccount> {
    let mut running = Vec::new();
    let mut places = FxHashMap::default();
    for number in entry.lines.iter().filter_map(|line| line.ask.number()) {
        if places.contains_key(&number) {
            continue;
        }
        let account = account(accounts, number)?;
        let drawn_by = account.drawn_by();
        places.insert(number, running.len());
        running.push(Running {
            state: AccountState {
                number,
                drawn: account.drawn,
                drawn_by,
            },
            used_by_another: drawn_by.include_other_than(&entry.entry_number),
            counted: Weight::ZERO,
            replaced: Weight::ZERO,
        });
    }

    let ended = give_back(accounts, entry, |draw| {
        if let Some(running) = places.get(&draw.number).and_then(|place| running.get_mut(*place)) {
            running.replaced = running.replaced.saturating_add(draw.weight);
        }
    })?;

    let mut lines = Vec::with_capacity(entry.lines.len());
    for line in &entry.lines {
        let (take, draws) = match line.ask {
            Ask::Nothing(_) => {
                lines.push(LineOutcome::Nothing);
                continue;
            }
            Ask::Count(take) => (take, false),
            Ask::Draw(take) => (take, true),
        };
        let account = account(accounts, take.number)?;
        let running = places
            .get(&take.number)
            .and_then(|place| running.get_mut(*place))
            .ok_or(UnknownAccount(take.number))?;
        let outcome = take_from(account, running, &take);
        lines.push(match outcome {
            LineOutcome::Drawn { excess } if draws => {
                account.add(entry.entry_number, take.weight, excess);
                outcome
            }
            LineOutcome::Drawn { .. } => {
                running.counted = running.counted.saturating_add(take.weight);
                LineOutcome::Nothing
            }
            _ if draws => outcome,
            _ => LineOutcome::Nothing,
        });
    }
    Ok(EntryDecision {
        lines,
        states: running.into_iter().map(|running| running.state).collect(),
        ended,
    })
}

fn give_back(
    accounts: &mut FxHashMap<CertificateNumber, Account>,
    entry: &EntryDraws,
    mut replaced: impl FnMut(&OwnDraw),
) -> Result<Vec<bool>, UnknownAccount> {
    if entry.own.is_empty() {
        return Ok(Vec::new());
    }
    let named: FxHashSet<_> = entry
        .lines
        .iter()
        .map(|line| (line.line_number, line.pga_line_number))
        .collect();
    entry
        .own
        .iter()
        .map(|draw| {
            let is_named = named.contains(&(draw.line_number, draw.pga_line_number));
            let ends = is_named || !entry.keep_other_lines;
            if ends {
                account(accounts, draw.number)?.give_back(entry.entry_number, draw);
            }
            if ends && !is_named {
                replaced(draw);
            }
            Ok(ends)
        })
        .collect()
}

/// What becomes of a weight that is to be drawn, or counted as if it were.
fn take_from(account: &Account, running: &Running, take: &Take) -> LineOutcome {
    if account.single_shipment && running.used_by_another && !take.may_reuse {
        return LineOutcome::AlreadyUsed;
    }
    let beside = if take.beside_replaced {
        running.replaced
    } else {
        Weight::ZERO
    };
    let left = account
        .limit
        .saturating_sub(account.drawn)
        .saturating_sub(running.counted)
        .saturating_sub(beside);
    let drawn = account.drawn.saturating_add(take.weight);
    // No sum may come near the end of 64 bits, whatever the policy permits.
    if (take.weight > left && !take.may_exceed) || drawn > MAX_DRAWN {
        return LineOutcome::Exceeded;
    }
    LineOutcome::Drawn {
        excess: past(account.limit, drawn).saturating_sub(past(account.limit, account.drawn)),
    }
}
