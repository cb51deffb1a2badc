//! Cuts a stream of lines into entries and judges them, so that the size of batches changes nothing.

use nopic_domain::entry::NormalisedLine;
use nopic_domain::rules::{EntryRun, Judgement, judge_entry};
use nopic_proto::convert::verdicts::{Detail, VerdictWriter, Verdicts};
use rustc_hash::FxHashSet;
use tokio::task::yield_now;

use crate::engine::Engine;
use crate::error::Error;
use crate::inquiry::{Inquiry, Purpose};
use crate::knowledge::Known;

/// Lines that are judged in a row; then other calls have their turn, so that nobody waits for a long batch of another.
const SLICE: usize = 256;

/// The entry whose lines may still go on in the next batch.
struct OpenRun {
    entry_number: String,
    run: EntryRun,
    /// Lines of it whose verdict was given.
    answered: u64,
}

/// Judges the lines of one request, batch by batch: what [`crate::scope::EntryScope`] takes of them.
pub(crate) struct Runs {
    /// How much is said of a finding.
    detail: Detail,
    open: Option<OpenRun>,
    /// Announced lines of the open run whose verdict may still depend on lines to come; at most a run's.
    waiting: Vec<NormalisedLine>,
    /// Lines of the request whose verdict was given.
    answered: u64,
    /// Entries that the request takes back: what they have on record does not count for the lines that come.
    deleted: FxHashSet<String>,
}

impl Runs {
    pub(crate) fn new(detail: Detail) -> Self {
        Self {
            detail,
            open: None,
            waiting: Vec::new(),
            answered: 0,
            deleted: FxHashSet::default(),
        }
    }

    /// An entry is taken back before the lines that come. The lines before were judged with their end.
    pub(crate) fn delete(&mut self, entry_number: String) {
        self.deleted.insert(entry_number);
    }

    /// Judges a batch. Verdicts come in the order of the lines; those that may depend on later lines of their entry
    /// come with a later batch, the last ones with `end`.
    pub(crate) async fn judge(
        &mut self,
        engine: &Engine,
        inquiry: &Inquiry,
        lines: Vec<NormalisedLine>,
        end: bool,
    ) -> Result<Verdicts, Error> {
        if !end && lines.is_empty() {
            // Nothing is known of the open entry that was not known before.
            return Ok(Verdicts::default());
        }
        if !end && !self.waiting.is_empty() && self.only_continues(&lines) {
            // An entry that waits, waits to its end: nothing is loaded again for each batch of it.
            if let Some(open) = &mut self.open {
                open.run.announce(&lines);
            }
            self.waiting.extend(lines);
            return Ok(Verdicts::default());
        }
        let announced = self.waiting.len();
        let mut all = std::mem::take(&mut self.waiting);
        if all.is_empty() {
            all = lines;
        } else {
            all.extend(lines);
        }
        let known = engine.know(inquiry, &all).await?;
        let mut judgements = Vec::with_capacity(all.len());
        let mut start = 0;
        let mut open = self.open.take();
        while start < all.len() {
            // The first group may continue the open run; what waited belongs to it.
            let continues = open.as_ref().is_some_and(|open| {
                start == 0 && (announced > 0 || open.entry_number == all[0].entry_number)
            });
            let already_announced = if continues { announced } else { 0 };
            let group_end = end_of_group(&all, start);
            let group = &all[start..group_end];
            let is_last = group_end == all.len();
            if !continues {
                open = None;
            }
            if is_last && !end {
                let mut unfinished = open.take().unwrap_or_else(|| OpenRun {
                    entry_number: group[0].entry_number.clone(),
                    run: self.begin(&group[0].entry_number),
                    answered: 0,
                });
                unfinished.run.announce(&group[already_announced..]);
                let must_wait = group.iter().any(|line| unfinished.run.must_wait(line, &known));
                if !must_wait {
                    judge_group(&mut unfinished.run, group, &known, &mut judgements).await;
                    unfinished.answered += group.len() as u64;
                }
                self.open = Some(unfinished);
            } else if let Some(mut open) = open.take() {
                open.run.announce(&group[already_announced..]);
                judge_group(&mut open.run, group, &known, &mut judgements).await;
            } else if self.deleted.contains(&group[0].entry_number) {
                let mut run = EntryRun::anew();
                run.announce(group);
                judge_group(&mut run, group, &known, &mut judgements).await;
            } else if group.len() > SLICE {
                let mut run = EntryRun::default();
                run.announce(group);
                judge_group(&mut run, group, &known, &mut judgements).await;
            } else {
                judge_entry(group, &known.policy, &known.flags, &known, &mut judgements);
            }
            if group_end / SLICE > start / SLICE {
                yield_now().await;
            }
            start = group_end;
        }
        known.links.check()?;
        for judgement in &judgements {
            let codes = judgement.findings.iter().map(|finding| finding.code);
            engine.verdicts.count(Purpose::PreCheck, judgement.outcome, codes);
        }
        self.waiting = all.split_off(judgements.len());
        self.answered += judgements.len() as u64;
        let mut verdicts = VerdictWriter::new(self.detail, &known.policy, &known.evidence, all.len());
        for (lines, judgements) in all.chunks(SLICE).zip(judgements.chunks(SLICE)) {
            for (line, judgement) in lines.iter().zip(judgements) {
                verdicts.write(line, judgement);
            }
            if lines.len() == SLICE {
                yield_now().await;
            }
        }
        Ok(verdicts.finish())
    }

    fn begin(&self, entry_number: &str) -> EntryRun {
        if self.deleted.contains(entry_number) {
            EntryRun::anew()
        } else {
            EntryRun::default()
        }
    }

    /// How many lines are answered up to the end of the last complete entry: there a request can be resumed by another.
    pub(crate) fn answered_entries(&self) -> u64 {
        self.answered - self.open.as_ref().map_or(0, |open| open.answered)
    }

    /// Whether a verdict was given on a line of an entry that may still go on.
    pub(crate) fn is_inside_an_entry(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.answered > 0)
    }

    /// How many of these lines still belong to the open entry, if the first that does not is among them.
    pub(crate) fn end_of_entry(&self, lines: &[NormalisedLine]) -> Option<usize> {
        let open = self.open.as_ref()?;
        lines
            .iter()
            .position(|line| line.entry_number != open.entry_number)
    }

    /// Whether these lines all belong to the open run.
    fn only_continues(&self, lines: &[NormalisedLine]) -> bool {
        self.open
            .as_ref()
            .is_some_and(|open| lines.iter().all(|line| line.entry_number == open.entry_number))
    }
}

async fn judge_group(
    run: &mut EntryRun,
    group: &[NormalisedLine],
    known: &Known,
    judgements: &mut Vec<Judgement>,
) {
    for lines in group.chunks(SLICE) {
        run.judge(lines, &known.policy, &known.flags, known, judgements);
        if lines.len() == SLICE {
            yield_now().await;
        }
    }
}

/// Where the run of lines with one entry number ends that begins at `start`.
fn end_of_group(lines: &[NormalisedLine], start: usize) -> usize {
    let entry_number = &lines[start].entry_number;
    lines[start..]
        .iter()
        .position(|line| line.entry_number != *entry_number)
        .map_or(lines.len(), |length| start + length)
}
