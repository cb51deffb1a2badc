//! Which lines of an entry count, version by version: pure.

use std::collections::{BTreeMap, BTreeSet};

use nopic_domain::date::{Date, parse_iso};
use nopic_domain::enforcement::{
    CountedFinding, CountedLine, EntryVersion, Event, FiledLine, Recorded, count,
};
use nopic_domain::finding::{Code, Severity};
use nopic_domain::identifier::{EntryNumber, NopId};
use nopic_domain::policy::Policy;
use nopic_proto::events::entry_recorded::Kind;
use nopic_proto::events::{EntryRecorded, RecordedFinding, RecordedLine};

/// A version of an entry as its event tells it, as far as cases ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToldVersion {
    pub(crate) tenant: String,
    pub(crate) entry_number: EntryNumber,
    pub(crate) version: u32,
    /// The day on which it counts as recorded.
    pub(crate) recorded_on: Date,
    /// Whether it was brought in with the history of its tenant.
    pub(crate) is_history: bool,
    /// Whether lines of earlier versions stand that it does not name.
    pub(crate) keeps_other_lines: bool,
    /// Line and PGA line of all that it names, those that are taken back included.
    pub(crate) named: BTreeSet<(u32, u32)>,
    /// Its lines that count, each for its importer.
    pub(crate) counted: Vec<(NopId, CountedLine)>,
}

/// What counts of an entry by its current version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) version: u32,
    pub(crate) lines: Vec<(NopId, CountedLine)>,
}

impl ToldVersion {
    /// What an event tells; `None` where it is of a later program, or its number is none.
    pub(crate) fn of(tenant: &str, day: Date, recorded: &EntryRecorded, policy: &Policy) -> Option<Self> {
        let entry_number = recorded.entry_number.parse().ok()?;
        let on = parse_iso(&recorded.recorded_on).unwrap_or(day);
        let how = match recorded.kind() {
            Kind::Unspecified => return None,
            Kind::Imported => Recorded::Imported { on },
            Kind::Filed | Kind::Amended | Kind::Cancelled => Recorded::Filed { on },
        };
        let stands = |line: &&RecordedLine| !line.taken_back;
        Some(Self {
            tenant: tenant.to_owned(),
            entry_number,
            version: recorded.version,
            recorded_on: on,
            is_history: matches!(how, Recorded::Imported { .. }),
            keeps_other_lines: recorded.keeps_other_lines,
            named: recorded
                .lines
                .iter()
                .map(|line| (line.line, line.pga_line))
                .collect(),
            counted: recorded
                .lines
                .iter()
                .filter(stands)
                .filter_map(|line| counted(line, how, policy))
                .collect(),
        })
    }

    /// Whether what was known of the entry before matters: a first version that counts for nobody changes nothing.
    pub(crate) fn asks_for_before(&self) -> bool {
        self.version > 1 || !self.counted.is_empty()
    }

    /// What stands by this version, and what is told to the cases of each importer that the entry touched before it or
    /// touches now. `None`: it was told before, or nothing of the entry ever counted.
    pub(crate) fn after(&self, before: Option<&Standing>) -> Option<(Standing, Vec<(NopId, Event)>)> {
        if before.is_some_and(|before| before.version >= self.version) {
            return None;
        }
        let known = before.map(|before| before.lines.as_slice()).unwrap_or_default();
        if before.is_none() && self.counted.is_empty() {
            return None;
        }
        let kept = known.iter().filter(|(_, line)| {
            self.keeps_other_lines && !self.named.contains(&(line.line_number(), line.pga_line_number()))
        });
        let lines: Vec<(NopId, CountedLine)> = kept.chain(&self.counted).cloned().collect();
        // Whoever was touched before hears that nothing counts any more.
        let mut by_importer: BTreeMap<NopId, Vec<CountedLine>> = known
            .iter()
            .map(|(importer, _)| (*importer, Vec::new()))
            .collect();
        for (importer, line) in &lines {
            by_importer.entry(*importer).or_default().push(line.clone());
        }
        let told = by_importer.into_iter().map(|(importer, lines)| {
            let version = EntryVersion {
                entry_number: self.entry_number,
                version: self.version,
                recorded_on: self.recorded_on,
                lines,
            };
            (importer, Event::Recorded(version))
        });
        let told = told.collect();
        let standing = Standing {
            version: self.version,
            lines,
        };
        Some((standing, told))
    }
}

fn counted(line: &RecordedLine, recorded: Recorded, policy: &Policy) -> Option<(NopId, CountedLine)> {
    let findings: Vec<CountedFinding> = line
        .findings
        .iter()
        .filter_map(|finding| counted_finding(finding, policy))
        .collect();
    let filed = FiledLine {
        line_number: line.line,
        pga_line_number: line.pga_line,
        importer: line.importer_nop_id.parse().ok(),
        phase: &line.phase,
        recorded,
        findings: &findings,
    };
    count(&filed, policy)
}

/// A finding as it is told, its message parted into what is wrong and what to do. Codes of a later program do not count.
fn counted_finding(finding: &RecordedFinding, policy: &Policy) -> Option<CountedFinding> {
    let code = Code::parse(&finding.code)?;
    let severity = Severity::parse(&finding.severity)?;
    let remedy = policy.code(code).remedy.as_str();
    // A remedy begins with words of the policy; what is filled in comes behind them.
    let head = remedy.split('{').next().unwrap_or_default();
    let parted = if head.is_empty() {
        None
    } else {
        finding.message.rfind(head)
    };
    let (sentence, remedy) = finding.message.split_at(parted.unwrap_or(finding.message.len()));
    Some(CountedFinding {
        code,
        severity,
        sentence: sentence.trim_end().to_owned(),
        remedy: remedy.to_owned(),
    })
}
