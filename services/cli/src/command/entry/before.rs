//! Entries of a file that were on record before the command began: what came since, and how they are filed anew.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use nopic_proto::entry_validation::{Cancellation, Decision, EntryVersion, GetEntryRequest};

use crate::connection::Services;
use crate::output::Terminal;
use crate::output::listing::printable;
use crate::output::words::counted;

/// So many are told with what came since.
const TOLD: usize = 10;

/// An entry as an answer shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filed {
    entry_number: String,
    version: u32,
    recorded_at: String,
    stands: Stands,
}

/// Whether what was decided on the lines of an entry is still what holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    Whole,
    /// Some of its lines were filed again.
    InPart,
    No,
    /// All that was decided is that its lines are taken back: whether it was filed again must be asked.
    LinesTakenBack,
    /// It was taken back as a whole.
    TakenBack,
}

impl Filed {
    /// The entries of decisions, which keep the lines of one together.
    pub(super) fn of(decisions: &[Decision]) -> Vec<Self> {
        decisions
            .chunk_by(|one, next| entry_of(one) == entry_of(next))
            .filter_map(|decisions| {
                let first = decisions.first()?;
                let ended = decisions
                    .iter()
                    // A line that takes itself back, or repeats another, ends as it is recorded.
                    .filter(|decision| {
                        !decision.ended_at.is_empty() && decision.ended_at != decision.recorded_at
                    })
                    .count();
                let takes_back = |decision: &Decision| {
                    let verdict = decision.verdict.as_ref();
                    verdict.is_some_and(|verdict| verdict.takes_back)
                };
                Some(Self {
                    stands: match ended {
                        0 if decisions.iter().all(takes_back) => Stands::LinesTakenBack,
                        0 => Stands::Whole,
                        _ if ended == decisions.len() => Stands::No,
                        _ => Stands::InPart,
                    },
                    entry_number: entry_of(first).to_owned(),
                    version: first.entry_version,
                    recorded_at: first.recorded_at.clone(),
                })
            })
            .collect()
    }
}

fn entry_of(decision: &Decision) -> &str {
    decision
        .verdict
        .as_ref()
        .map_or("", |verdict| verdict.entry_number.as_str())
}

/// What was on record before.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// What was recorded earlier is not of this command; absent: nothing is kept.
    since: Option<DateTime<Utc>>,
    /// Whether the command that files it can file it anew.
    may_refile: bool,
    count: u64,
    ended: u64,
    /// The first of those that something happened to, with their versions.
    told: BTreeMap<String, (u32, Stands)>,
    /// The last entry that was counted: its lines may come in several parts.
    last: String,
}

impl Before {
    /// Keeps what was recorded before this moment, by the clock of the server, which may differ from ours by so much.
    pub(super) fn new(now: DateTime<Utc>, difference: TimeDelta, may_refile: bool) -> Self {
        Self {
            since: Some(now - difference),
            may_refile,
            ..Self::default()
        }
    }

    /// Looks at a part of the answer.
    pub(super) fn note(&mut self, filed: Vec<Filed>) {
        let Some(since) = self.since else {
            return;
        };
        for entry in filed {
            let is_earlier = is_before(&entry.recorded_at, since);
            let is_ended = matches!(entry.stands, Stands::InPart | Stands::No);
            let may_be_told = is_ended || entry.stands == Stands::LinesTakenBack;
            if !is_earlier && !may_be_told || entry.entry_number == self.last {
                continue;
            }
            self.last.clone_from(&entry.entry_number);
            self.count += u64::from(is_earlier || is_ended);
            self.ended += u64::from(is_ended);
            if may_be_told && self.told.len() < TOLD {
                self.told
                    .insert(entry.entry_number, (entry.version, entry.stands));
            }
        }
    }

    /// Looks at an entry that the file takes back; whether that was done before.
    pub(super) fn note_cancelled(&mut self, cancellation: Cancellation) -> bool {
        let Some(since) = self.since else {
            return false;
        };
        let is_outdated = cancellation.current_version > cancellation.version;
        if !is_outdated && !is_before(&cancellation.recorded_at, since) {
            return false;
        }
        self.last.clone_from(&cancellation.entry_number);
        self.count += 1;
        self.ended += u64::from(is_outdated);
        if self.told.len() < TOLD {
            self.told.insert(
                cancellation.entry_number,
                (cancellation.version, Stands::TakenBack),
            );
        }
        true
    }

    /// Says it, with what happened since.
    pub(super) async fn tell(&self, terminal: &Terminal, services: &Services, file: &Path) {
        if self.count > 0 {
            terminal.note(&format!(
                "{} filed before with the same content: the first answer is shown, nothing was recorded or drawn again.",
                counted(self.count, "entry of this file was", "entries of this file were")
            ));
        }
        for (number, (version, stands)) in &self.told {
            let request = GetEntryRequest {
                entry_number: number.clone(),
                as_of: String::new(),
            };
            // Who cannot be asked now has said what counts: it does not stand any more.
            let versions = services
                .records()
                .get_entry(request)
                .await
                .map_or_else(|_| Vec::new(), |answer| answer.into_inner().versions);
            if let Some(told) = since(number, *version, *stands, &versions) {
                terminal.note(&told);
            }
        }
        let untold = self.ended.saturating_sub(self.told.len() as u64);
        if untold > 0 {
            terminal.note(&format!(
                "Of {} more the answer that is shown does not stand any more: see `nopic entry show`.",
                counted(untold, "entry", "entries")
            ));
        }
        if self.ended > 0 && self.may_refile {
            terminal.note(&format!(
                "To file what it holds anew: nopic entry file {} --refile",
                printable(&file.to_string_lossy())
            ));
        }
    }
}

/// Whether something was recorded before this moment.
fn is_before(recorded_at: &str, since: DateTime<Utc>) -> bool {
    DateTime::parse_from_rfc3339(recorded_at).is_ok_and(|recorded| recorded < since)
}

/// What happened to an entry since it was filed; absent: nothing that must be told.
fn since(number: &str, version: u32, stands: Stands, versions: &[EntryVersion]) -> Option<String> {
    let steps: Vec<String> = versions
        .iter()
        .filter(|later| later.version > version)
        .map(|later| {
            let what = match later.kind.as_str() {
                "CANCELLED" => "it was taken back",
                "AMENDED" => "it was amended",
                "FILED" => "it was filed again",
                "IMPORTED" => "it was imported",
                _ => "it was changed",
            };
            let mut step = format!("{what} by version {} at {}", later.version, later.recorded_at);
            if !later.reason.is_empty() {
                step.push_str(&format!(" ({})", printable(&later.reason)));
            }
            step
        })
        .collect();
    let number = printable(number);
    let what = match stands {
        Stands::LinesTakenBack if steps.is_empty() => return None,
        Stands::LinesTakenBack => {
            "this file took lines of it back before, and nothing was done now; what came since"
        }
        Stands::TakenBack if steps.is_empty() => {
            let state = match versions.last() {
                Some(_) => "it is taken back still".to_owned(),
                None => format!("see `nopic entry show {number}`"),
            };
            return Some(format!(
                "Entry {number}: this file took it back before, by version {version}, and nothing was done now: {state}."
            ));
        }
        Stands::TakenBack => "this file took it back before, and nothing was done now; what came since",
        Stands::InPart => "a part of the answer that is shown does not stand any more",
        Stands::Whole | Stands::No => "the answer that is shown does not stand any more",
    };
    if steps.is_empty() {
        return Some(format!(
            "Entry {number}: {what}: see `nopic entry show {number}`."
        ));
    }
    Some(format!("Entry {number}: {what}: {}.", steps.join("; then ")))
}

#[cfg(test)]
mod tests {
    use nopic_proto::entry_validation::Verdict;

    use super::*;

    fn decision(entry: &str, recorded_at: &str, ended_at: &str) -> Decision {
        Decision {
            entry_version: 1,
            verdict: Some(Verdict {
                entry_number: entry.into(),
                ..Verdict::default()
            }),
            recorded_at: recorded_at.into(),
            ended_at: ended_at.into(),
            ..Decision::default()
        }
    }

    #[test]
    fn what_was_recorded_now_was_not_filed_before() {
        let now = DateTime::parse_from_rfc3339("2026-03-02T12:00:00Z")
            .unwrap()
            .to_utc();
        let mut before = Before::new(now, TimeDelta::zero(), true);
        before.note(Filed::of(&[
            decision("A", "2026-03-02T12:00:00.5Z", ""),
            decision("B", "2026-03-02T11:59:59.999999Z", ""),
            decision("B", "2026-03-02T11:59:59.999999Z", ""),
            decision("C", "2026-03-01T11:59:59Z", ""),
            decision("C", "2026-03-01T11:59:59Z", "2026-03-02T10:00:00Z"),
        ]));
        assert_eq!((before.count, before.ended), (2, 1));
        assert_eq!(
            before.told,
            BTreeMap::from([("C".to_owned(), (1, Stands::InPart))])
        );
        before.note(Filed::of(&[decision("C", "2026-03-01T11:59:59Z", "")]));
        assert_eq!(before.count, 2, "the rest of an entry is no other one");
        let mut unasked = Before::default();
        unasked.note(Filed::of(&[decision("B", "2026-03-01T12:00:00Z", "")]));
        assert_eq!(unasked.count, 0);
    }

    #[test]
    fn what_happened_since_is_told_in_order() {
        let version = |version, kind: &str, reason: &str| EntryVersion {
            version,
            kind: kind.into(),
            reason: reason.into(),
            recorded_at: "2026-03-02T12:00:00Z".into(),
            ..EntryVersion::default()
        };
        let versions = [
            version(1, "FILED", ""),
            version(2, "AMENDED", "weight"),
            version(3, "CANCELLED", ""),
        ];
        assert_eq!(
            since("A", 1, Stands::No, &versions).unwrap(),
            "Entry A: the answer that is shown does not stand any more: it was amended by version 2 at \
             2026-03-02T12:00:00Z (weight); then it was taken back by version 3 at 2026-03-02T12:00:00Z."
        );
        let taken_back = |version| since("A", version, Stands::TakenBack, &versions).unwrap();
        assert!(taken_back(1).contains("nothing was done now; what came since: it was amended by"));
        assert!(taken_back(3).contains("took it back before, by version 3, and nothing was done now: it is"));
        assert_eq!(since("A", 3, Stands::LinesTakenBack, &versions), None);
    }
}
