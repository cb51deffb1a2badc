//! Search by name: every name of the operations of one revision, in memory.
//!
//! Names that share runs of letters with the query are found first ([`trigrams`]); the most alike of them are then
//! compared word by word ([`rank`]). Accents, case, punctuation, word order and legal forms do not matter or matter
//! little ([`words`]); nor does it matter whether an apostrophe, a dash, a full stop, a space or nothing stands between
//! the parts of a word.

mod filter;
mod rank;
mod trigrams;
mod words;

use nopic_domain::date::Date;
use nopic_domain::identifier::NopId;
use nopic_domain::registry::{Scope, Status, StatusOnDate, Timeline};
use rustc_hash::FxHashMap;

use crate::store::Heading;
pub(crate) use filter::{Filter, Product};
use rank::{Query, Weigh};
use trigrams::Trigrams;
use words::{fold, is_weak, without_single_letters};

/// Names that are compared word by word.
const COMPARED: usize = 300;
/// Names that share less with the query are not compared; two of a hundred letters' runs.
const LEAST_LIKENESS: f32 = 0.08;
/// A name that scores less is no answer.
const LEAST_SCORE: f32 = 450.0;
/// Counters of words, by hash.
const WORD_COUNTERS: usize = 1 << 16;

/// The names of the operations that were ever listed, as known at one revision.
#[derive(Debug)]
pub(crate) struct SearchIndex {
    revision: u32,
    operations: Vec<Operation>,
    names: Names,
    trigrams: Trigrams,
    word_counts: Vec<u32>,
    statuses: Table,
    certifiers: Table,
    countries: Table,
    /// Operations by folded name.
    by_name: Vec<u32>,
}

#[derive(Debug)]
struct Operation {
    nop_id: NopId,
    /// The first of its names; the others follow.
    first_name: u32,
    status: u16,
    certifier: u16,
    country: u16,
    /// Bit by scope: certified for it.
    scopes: u8,
}

/// Names one behind the other, as they stand and folded.
#[derive(Debug, Default)]
struct Names {
    text: String,
    text_ends: Vec<u32>,
    folded: String,
    folded_ends: Vec<u32>,
    operation: Vec<u32>,
}

/// One hit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hit<'a> {
    pub(crate) nop_id: NopId,
    pub(crate) name: &'a str,
    pub(crate) other_names: Vec<&'a str>,
    pub(crate) certifier: &'a str,
    pub(crate) country: &'a str,
    /// Empty: unknown.
    pub(crate) status: &'a str,
    pub(crate) matched_name: &'a str,
    /// 0 to 1,000.
    pub(crate) score: u32,
}

/// The answers to a query, best first.
#[derive(Debug)]
pub(crate) struct Found {
    /// Number of the operation, of the name that matched, and score.
    ranked: Vec<(u32, u32, u32)>,
    /// Whether more names than were compared may answer.
    pub(crate) is_cut: bool,
}

impl Found {
    pub(crate) fn len(&self) -> usize {
        self.ranked.len()
    }
}

impl SearchIndex {
    /// An index of a revision; statuses are those of this day.
    pub(crate) fn builder(revision: u32, today: Date) -> SearchIndexBuilder {
        SearchIndexBuilder {
            revision,
            today,
            operations: Vec::new(),
            names: Names::default(),
            statuses: TableBuilder::default(),
            certifiers: TableBuilder::default(),
            countries: TableBuilder::default(),
        }
    }

    /// The revision whose names these are.
    pub(crate) fn revision(&self) -> u32 {
        self.revision
    }

    /// The operations that answer a query, best first; an empty query: all that pass, by name.
    pub(crate) fn find(&self, query: &str, filter: &Filter) -> Found {
        let passes = filter.prepare(self);
        let folded = fold(query);
        if folded.is_empty() {
            let ranked = self
                .by_name
                .iter()
                .filter(|operation| passes.passes(&self.operations[**operation as usize]))
                .map(|operation| (*operation, self.operations[*operation as usize].first_name, 0))
                .collect();
            return Found {
                ranked,
                is_cut: false,
            };
        }
        // `O Brien` is read as `OBrien`, too.
        let joined = without_single_letters(&folded);
        let mut likeness = Vec::new();
        self.trigrams.likeness(&strong(&folded), &mut likeness);
        if let Some(joined) = &joined {
            let mut other = Vec::new();
            self.trigrams.likeness(&strong(joined), &mut other);
            for (likeness, other) in likeness.iter_mut().zip(other) {
                *likeness = likeness.max(other);
            }
        }
        let mut candidates: Vec<(f32, u32)> = (0u32..)
            .zip(&likeness)
            .filter(|(name, likeness)| {
                **likeness > LEAST_LIKENESS
                    && passes.passes(&self.operations[self.names.operation[*name as usize] as usize])
            })
            .map(|(name, likeness)| (*likeness, name))
            .collect();
        let is_cut = candidates.len() > COMPARED;
        if is_cut {
            candidates.select_nth_unstable_by(COMPARED - 1, |left, right| {
                right.0.total_cmp(&left.0).then(left.1.cmp(&right.1))
            });
            candidates.truncate(COMPARED);
        }
        let query = Query::new(&folded, self);
        let joined = joined.as_deref().map(|joined| Query::new(joined, self));
        let mut best: FxHashMap<u32, (u32, u32)> = FxHashMap::default();
        let mut compared_all_that_count = true;
        let mut least = f32::MAX;
        for (_, name) in candidates {
            let folded = self.names.folded(name);
            let mut score = query.score(folded, self);
            if let Some(joined) = &joined {
                score = score.max(joined.score(folded, self));
            }
            least = least.min(score);
            if score < LEAST_SCORE {
                compared_all_that_count = false;
                continue;
            }
            // Below 1,000.5, so it fits.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and 1,000"
            )]
            let score = score.round() as u32;
            let operation = self.names.operation[name as usize];
            let known = best.entry(operation).or_insert((name, score));
            if score > known.1 {
                *known = (name, score);
            }
        }
        let mut ranked: Vec<_> = best
            .into_iter()
            .map(|(operation, (name, score))| (operation, name, score))
            .collect();
        ranked.sort_unstable_by(|left, right| {
            let name = |operation: u32| self.names.folded(self.operations[operation as usize].first_name);
            right
                .2
                .cmp(&left.2)
                .then_with(|| name(left.0).cmp(name(right.0)))
                .then_with(|| left.0.cmp(&right.0))
        });
        // Where names fell below the mark before the candidates ended, those left out would have fallen too.
        Found {
            is_cut: is_cut && compared_all_that_count,
            ranked,
        }
    }

    /// Some of the hits.
    pub(crate) fn hits<'a>(&'a self, found: &Found, skip: usize, take: usize) -> Vec<Hit<'a>> {
        found
            .ranked
            .iter()
            .skip(skip)
            .take(take)
            .map(|(operation, name, score)| {
                let number = *operation as usize;
                let operation = &self.operations[number];
                let end = self
                    .operations
                    .get(number + 1)
                    .map_or(self.names.operation.len() as u64, |next| {
                        u64::from(next.first_name)
                    });
                Hit {
                    nop_id: operation.nop_id,
                    name: self.names.text(operation.first_name),
                    other_names: (operation.first_name + 1..u32::try_from(end).unwrap_or_default())
                        .map(|name| self.names.text(name))
                        .collect(),
                    certifier: self.certifiers.text(operation.certifier),
                    country: self.countries.text(operation.country),
                    status: self.statuses.text(operation.status),
                    matched_name: self.names.text(*name),
                    score: *score,
                }
            })
            .collect()
    }
}

impl Weigh for SearchIndex {
    fn weight(&self, word: &str) -> f32 {
        let count = self.word_counts[counter_of(word)];
        (1.0 + self.names.operation.len() as f32 / (1.0 + count as f32))
            .ln()
            .max(1.0)
    }
}

/// The words that tell operations apart; all of them where there are none.
fn strong(folded: &str) -> String {
    let strong: Vec<&str> = folded.split(' ').filter(|word| !is_weak(word)).collect();
    if strong.is_empty() {
        folded.to_owned()
    } else {
        strong.join(" ")
    }
}

fn counter_of(word: &str) -> usize {
    let hash = word.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The upper half is spread well; below the number of counters, so it fits.
    usize::try_from((hash >> 32) % WORD_COUNTERS as u64).unwrap_or_default()
}

impl Names {
    fn push(&mut self, operation: u32, name: &str) {
        self.text.push_str(name);
        self.folded.push_str(&fold(name));
        // Four billion bytes of names are out of reach: an upload is bounded.
        self.text_ends
            .push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
        self.folded_ends
            .push(u32::try_from(self.folded.len()).unwrap_or(u32::MAX));
        self.operation.push(operation);
    }

    fn text(&self, name: u32) -> &str {
        piece(&self.text, &self.text_ends, name as usize)
    }

    fn folded(&self, name: u32) -> &str {
        piece(&self.folded, &self.folded_ends, name as usize)
    }
}

fn piece<'a>(text: &'a str, ends: &[u32], index: usize) -> &'a str {
    let start = index.checked_sub(1).map_or(0, |before| ends[before]);
    &text[start as usize..ends[index] as usize]
}

/// Few texts that many operations share.
#[derive(Debug)]
struct Table {
    texts: Vec<Box<str>>,
    folded: Vec<Box<str>>,
}

impl Table {
    fn text(&self, number: u16) -> &str {
        &self.texts[usize::from(number)]
    }
}

#[derive(Debug, Default)]
struct TableBuilder {
    texts: Vec<Box<str>>,
    numbers: FxHashMap<Box<str>, u16>,
}

impl TableBuilder {
    fn number(&mut self, text: &str) -> u16 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        // Some hundred are known; beyond 65,535 all share the last.
        let number = u16::try_from(self.texts.len()).unwrap_or(u16::MAX);
        if self.texts.len() <= usize::from(u16::MAX) {
            self.texts.push(text.into());
        }
        self.numbers.insert(text.into(), number);
        number
    }

    fn finish(self) -> Table {
        Table {
            folded: self.texts.iter().map(|text| fold(text).into()).collect(),
            texts: self.texts,
        }
    }
}

/// Gathers operations.
#[derive(Debug)]
pub(crate) struct SearchIndexBuilder {
    revision: u32,
    today: Date,
    operations: Vec<Operation>,
    names: Names,
    statuses: TableBuilder,
    certifiers: TableBuilder,
    countries: TableBuilder,
}

impl SearchIndexBuilder {
    /// Adds an operation.
    pub(crate) fn push(&mut self, nop_id: NopId, heading: &Heading, timeline: &Timeline) {
        let number = u32::try_from(self.operations.len()).unwrap_or(u32::MAX);
        let first_name = u32::try_from(self.names.operation.len()).unwrap_or(u32::MAX);
        self.names.push(number, &heading.name);
        for name in &heading.other_names {
            self.names.push(number, name);
        }
        let status = match timeline.status_on(self.today) {
            StatusOnDate::Known(status) => status.as_str(),
            StatusOnDate::Unknown => "",
        };
        let scopes = Scope::ALL.into_iter().fold(0, |bits, scope| {
            let certified = timeline.scope_on(scope, self.today) == Some(&Status::Certified);
            bits | u8::from(certified) << scope as u8
        });
        self.operations.push(Operation {
            nop_id,
            first_name,
            status: self.statuses.number(status),
            certifier: self.certifiers.number(&heading.certifier),
            country: self.countries.number(&heading.country),
            scopes,
        });
    }

    /// The index.
    pub(crate) fn finish(mut self) -> SearchIndex {
        self.names.text.shrink_to_fit();
        self.names.folded.shrink_to_fit();
        let count = u32::try_from(self.names.operation.len()).unwrap_or(u32::MAX);
        let operations = self.operations;
        let names = self.names;
        let folded = (0..count).map(|name| names.folded(name));
        // Both look at every name and neither needs the other: an import waits for the slower one only.
        let (trigrams, (word_counts, by_name)) = std::thread::scope(|scope| {
            let rest = scope.spawn(|| (count_words(folded.clone()), sorted_by_name(&operations, &names)));
            let trigrams = Trigrams::new(folded.clone());
            let rest = rest
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (trigrams, rest)
        });
        SearchIndex {
            revision: self.revision,
            operations,
            names,
            trigrams,
            word_counts,
            statuses: self.statuses.finish(),
            certifiers: self.certifiers.finish(),
            countries: self.countries.finish(),
            by_name,
        }
    }
}

/// How many names have a word of each counter.
fn count_words<'a>(names: impl Iterator<Item = &'a str>) -> Vec<u32> {
    let mut counts = vec![0u32; WORD_COUNTERS];
    for word in names.flat_map(|name| name.split(' ')) {
        counts[counter_of(word)] += 1;
    }
    counts
}

/// Numbers of the operations by the first of their names.
fn sorted_by_name(operations: &[Operation], names: &Names) -> Vec<u32> {
    let mut sorted: Vec<u32> = (0u32..).take(operations.len()).collect();
    sorted.sort_unstable_by(|left, right| {
        let name = |number: u32| names.folded(operations[number as usize].first_name);
        name(*left).cmp(name(*right)).then(left.cmp(right))
    });
    sorted
}

#[cfg(test)]
mod tests;
