//! Rows of the ledger: certificates as they are held for a change, draws, and what is written.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use nopic_domain::certificate::{CertificateKind, DrawnBy};
use nopic_domain::identifier::{CertificateNumber, EntryNumber};
use nopic_domain::ledger::{Account, Ask, EntryDecision, EntryDraws, LineOutcome, OwnDraw};
use nopic_domain::weight::Weight;
use nopic_sql::Error;
use nopic_sql::audit::Rows;
use nopic_sql::outbox::NewMessage;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use super::row::{corrupt, entry_number, leave_ledger, not_before, number_of};
use super::{DrawsChange, events};

/// Who drew, beside the entries of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rest {
    /// The least and the greatest entry number.
    pub(super) ends: Option<(EntryNumber, EntryNumber)>,
    /// The tenant that drew; absent where several did.
    pub(super) tenant: Option<String>,
}

impl Rest {
    /// Whether the ends may be others without these entries.
    pub(super) fn may_lack(&self, without: impl Fn(&EntryNumber) -> bool) -> bool {
        self.ends
            .is_some_and(|(first, last)| without(&first) || without(&last))
    }

    /// An entry of another tenant is another one, even where the number is that of an entry of the change: it is
    /// said to be one of several.
    fn drawn_by(&self, tenant: &str) -> DrawnBy {
        match self.ends {
            None => DrawnBy::None,
            Some((first, last)) if first == last && self.tenant.as_deref() == Some(tenant) => {
                DrawnBy::One(first)
            }
            Some(_) => DrawnBy::Several,
        }
    }
}

/// A certificate that is held for a change.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) number: CertificateNumber,
    pub(super) version: u32,
    pub(super) total: Weight,
    pub(super) limit: Weight,
    pub(super) draw_count: u32,
    /// Who drew beside the entries of the change.
    pub(super) rest: Rest,
    single_shipment: bool,
    drawn: Weight,
    marked: Weight,
    /// What is written, to see whether anything is to be.
    stored: StoredLedger,
    /// When the certificate last changed.
    changed_micros: i64,
}

impl Held {
    /// As the decision on entries of this tenant takes it.
    pub(super) fn account(&self, tenant: &str) -> Account {
        Account::new(
            self.limit,
            self.drawn,
            self.marked,
            self.single_shipment,
            self.rest.drawn_by(tenant),
        )
    }
}

/// What the statements pack of a certificate.
#[derive(Deserialize)]
struct PackedHeld<'a>(
    /// Key and version.
    i64,
    u32,
    /// Kind and total of the content.
    &'a str,
    &'a str,
    /// Limit, drawn, excess, marked.
    i64,
    i64,
    i64,
    i64,
    /// Number of draws.
    u32,
    /// Least and greatest entry number that drew, and the tenant that did.
    Option<&'a str>,
    Option<&'a str>,
    #[serde(borrow)] Option<Cow<'a, str>>,
    /// When it last changed.
    i64,
);

impl PackedHeld<'_> {
    fn into_held(self) -> Result<Held, Error> {
        let Self(
            key,
            version,
            kind,
            total,
            limit,
            drawn,
            excess,
            marked,
            draw_count,
            first,
            last,
            tenant,
            changed_micros,
        ) = self;
        let first = first.map(entry_number).transpose()?;
        let last = last.map(entry_number).transpose()?;
        let tenant = tenant.map(Cow::into_owned);
        let kind = CertificateKind::parse(kind).ok_or_else(|| corrupt("certificate.content", kind))?;
        Ok(Held {
            number: number_of(key)?,
            version,
            total: total.parse().map_err(|_| corrupt("certificate.content", total))?,
            limit: Weight::from_units(limit),
            draw_count,
            rest: Rest {
                ends: first.zip(last),
                tenant: tenant.clone(),
            },
            single_shipment: kind == CertificateKind::SingleShipment,
            drawn: Weight::from_units(drawn),
            marked: Weight::from_units(marked),
            stored: StoredLedger(
                key,
                limit,
                drawn,
                excess,
                marked,
                draw_count,
                first,
                last,
                tenant,
                changed_micros,
            ),
            changed_micros,
        })
    }
}

/// Certificates of one value; NULL is none.
pub(super) fn unpack_held(rows: Option<&str>) -> Result<FxHashMap<CertificateNumber, Held>, Error> {
    let Some(rows) = rows else {
        return Ok(FxHashMap::default());
    };
    serde_json::from_str::<Vec<PackedHeld<'_>>>(rows)
        .map_err(|error| corrupt("certificate", error))?
        .into_iter()
        .map(|packed| packed.into_held().map(|held| (held.number, held)))
        .collect()
}

/// A draw that an entry of the change has in force.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drawn {
    pub(super) id: i64,
    pub(super) entry_number: EntryNumber,
    pub(super) draw: OwnDraw,
}

/// Draws of one value, NULL is none; in the order of certificates and lines.
pub(super) fn unpack_drawn(rows: Option<&str>) -> Result<Vec<Drawn>, Error> {
    let Some(rows) = rows else {
        return Ok(Vec::new());
    };
    let mut drawn = serde_json::from_str::<Vec<(i64, i64, &str, u32, u32, i64, i64)>>(rows)
        .map_err(|error| corrupt("draw", error))?
        .into_iter()
        .map(|(id, key, entry, line_number, pga_line_number, units, excess)| {
            Ok(Drawn {
                id,
                entry_number: entry_number(entry)?,
                draw: OwnDraw {
                    number: number_of(key)?,
                    line_number,
                    pga_line_number,
                    weight: Weight::from_units(units),
                    excess: Weight::from_units(excess),
                },
            })
        })
        .collect::<Result<Vec<_>, Error>>()?;
    drawn.sort_unstable_by_key(|drawn| {
        let draw = &drawn.draw;
        (draw.number, draw.line_number, draw.pga_line_number, drawn.id)
    });
    Ok(drawn)
}

/// The columns of a ledger: key, limit, drawn, excess, marked, number of draws, first and last drawer, tenant, and when
/// it changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct StoredLedger(
    i64,
    i64,
    i64,
    i64,
    i64,
    u32,
    Option<EntryNumber>,
    Option<EntryNumber>,
    Option<String>,
    i64,
);

impl StoredLedger {
    /// The limit, and what is left of it, where that is less than a tenth and was not before.
    fn left_little_of(&self, before: &Self) -> Option<(Weight, Weight)> {
        let left = |ledger: &Self| ledger.1.saturating_sub(ledger.2);
        let is_little = |ledger: &Self| left(ledger) < ledger.1 / 10;
        (is_little(self) && !is_little(before))
            .then(|| (Weight::from_units(left(self).max(0)), Weight::from_units(self.1)))
    }

    /// Adds it to what a change leaves.
    pub(super) fn leave(&self, rows: &mut Rows) {
        let Self(key, limit, drawn, excess, marked, draw_count, first, last, tenant, _) = self;
        leave_ledger(
            rows,
            *key,
            [*limit, *drawn, *excess, *marked, i64::from(*draw_count)],
            [first, last],
            tenant.as_deref(),
        );
    }
}

/// Certificate, entry number, line, PGA line, weight, excess and version of the entry.
pub(super) type NewDraw = (i64, EntryNumber, u32, u32, i64, i64, u32);

/// The rows of a change, by statement; those of draws by moment: nearly always there is one, and none of a certificate is
/// before its last change.
#[derive(Default)]
pub(super) struct Writes<'a> {
    pub(super) ended: BTreeMap<DateTime<Utc>, Vec<[i64; 1]>>,
    pub(super) draws: BTreeMap<DateTime<Utc>, Vec<NewDraw>>,
    pub(super) ledgers: Vec<StoredLedger>,
    /// Of certificates of which little is left now.
    pub(super) messages: Vec<NewMessage>,
    /// For the audit record: entry and version.
    pub(super) entries: Vec<(&'a EntryNumber, u32)>,
}

impl<'a> Writes<'a> {
    /// What follows from decisions: `ids` are those of the entries' own draws.
    pub(super) fn of(
        change: &'a DrawsChange,
        asked: &[EntryDraws],
        ids: &[Vec<i64>],
        decisions: &[EntryDecision],
        held: &FxHashMap<CertificateNumber, Held>,
        accounts: &FxHashMap<CertificateNumber, Account>,
    ) -> Self {
        let mut writes = Self {
            entries: change
                .entries
                .iter()
                .map(|entry| (&entry.draws.entry_number, entry.version))
                .collect(),
            ..Self::default()
        };
        let moment = |number: &CertificateNumber| {
            held.get(number)
                .map_or(change.at, |held| not_before(change.at, held.changed_micros))
        };
        let mut touched: FxHashSet<CertificateNumber> = FxHashSet::default();
        let mut counts: FxHashMap<CertificateNumber, u32> = held
            .iter()
            .map(|(number, held)| (*number, held.draw_count))
            .collect();
        for (((entry, asked), ids), decision) in change.entries.iter().zip(asked).zip(ids).zip(decisions) {
            for ((draw, id), ended) in asked.own.iter().zip(ids).zip(&decision.ended) {
                if *ended {
                    writes.ended.entry(moment(&draw.number)).or_default().push([*id]);
                    touched.insert(draw.number);
                    counts
                        .entry(draw.number)
                        .and_modify(|count| *count = count.saturating_sub(1));
                }
            }
            for (line, outcome) in asked.lines.iter().zip(&decision.lines) {
                let (Ask::Draw(take), LineOutcome::Drawn { excess }) = (line.ask, outcome) else {
                    continue;
                };
                *counts.entry(take.number).or_default() += 1;
                touched.insert(take.number);
                writes.draws.entry(moment(&take.number)).or_default().push((
                    take.number.key(),
                    asked.entry_number,
                    line.line_number,
                    line.pga_line_number,
                    take.weight.units(),
                    excess.units(),
                    entry.version,
                ));
            }
        }
        for (number, account) in accounts {
            let Some(held) = held.get(number) else { continue };
            let count = counts.get(number).copied().unwrap_or_default();
            let mut ledger = ledger(held, account, count, &change.visibility.tenant);
            // Draws may have changed and their sums not.
            if touched.contains(number) || ledger != held.stored {
                ledger.9 = moment(number).timestamp_micros();
                // One shipment takes what there is: that nothing is left is no news.
                if let Some((left, limit)) = ledger.left_little_of(&held.stored)
                    && !held.single_shipment
                {
                    let tenant = &change.visibility.tenant;
                    writes
                        .messages
                        .push(events::running_out(tenant, *number, left, limit));
                }
                writes.ledgers.push(ledger);
            }
        }
        writes
    }
}

/// The ledger after a change, whose entries are all of one tenant.
fn ledger(held: &Held, account: &Account, count: u32, tenant: &str) -> StoredLedger {
    let here = || account.drawn_by_here();
    let (first, last) = held.rest.ends.unzip();
    let tenant = match (here().next(), first) {
        (None, _) => held.rest.tenant.clone(),
        (Some(_), None) => Some(tenant.to_owned()),
        // Absent where several drew.
        (Some(_), Some(_)) => held.rest.tenant.clone().filter(|other| other == tenant),
    };
    StoredLedger(
        held.number.key(),
        account.limit.units(),
        account.drawn.units(),
        account.excess().units(),
        account.marked.units(),
        count,
        here().chain(first).min(),
        here().chain(last).max(),
        tenant,
        held.changed_micros,
    )
}
