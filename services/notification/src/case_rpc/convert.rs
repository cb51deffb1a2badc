//! Cases between wire and domain.

use std::collections::BTreeMap;

use nopic_chassis::requests::{RequestError, given, moment_text};
use nopic_domain::enforcement::{Case, CountedLine, End, Statistics, Step};
use nopic_domain::identifier::{EntryNumber, NopId};
use nopic_proto::notification as wire;

use crate::store::SentLetter;

pub(super) fn importer(text: &str) -> Result<NopId, RequestError> {
    text.parse()
        .map_err(|error| RequestError::invalid("importer_nop_id", error))
}

pub(super) fn step(text: &str) -> Result<Step, RequestError> {
    Step::parse(text).ok_or_else(|| {
        let known = Step::ALL.map(Step::as_str).join(", ");
        RequestError::invalid("step", format!("{text:?} is none of {known}"))
    })
}

/// Whether open or ended cases are asked for; absent: both.
pub(super) fn is_open(text: &str) -> Result<Option<bool>, RequestError> {
    given(text)
        .map(|text| match text {
            "OPEN" => Ok(true),
            "ENDED" => Ok(false),
            _ => Err(RequestError::invalid(
                "state",
                format!("{text:?} is none of OPEN, ENDED"),
            )),
        })
        .transpose()
}

pub(super) fn case_to_wire(importer: NopId, case: &Case<'_>) -> wire::Case {
    let (state, ended_on) = match case.end() {
        None => ("OPEN", String::new()),
        Some(End::Closed { on }) => ("CLOSED", on.to_string()),
        Some(End::Withdrawn { on }) => ("WITHDRAWN", on.to_string()),
    };
    let step = |taken: &nopic_domain::enforcement::TakenStep| wire::CaseStep {
        step: taken.step.as_str().to_owned(),
        state: taken.state.as_str().to_owned(),
        on: taken.state.day().to_string(),
    };
    wire::Case {
        importer_nop_id: importer.to_string(),
        opened_on: case.opened_on().to_string(),
        last_finding_on: case.last_finding_on().to_string(),
        steps: case.steps().iter().map(step).collect(),
        state: state.to_owned(),
        ended_on,
        lines: u32::try_from(case.lines().count()).unwrap_or(u32::MAX),
    }
}

/// The lines of a case by entry, in the order in which the entries came in.
pub(super) fn entries_to_wire(case: &Case<'_>) -> Vec<wire::CaseEntry> {
    let mut entries: Vec<wire::CaseEntry> = Vec::new();
    let mut places: BTreeMap<EntryNumber, usize> = BTreeMap::new();
    for (entry_number, line) in case.lines() {
        let place = *places.entry(entry_number).or_insert_with(|| {
            entries.push(wire::CaseEntry {
                entry_number: entry_number.to_string(),
                lines: Vec::new(),
            });
            entries.len() - 1
        });
        entries[place].lines.push(line_to_wire(line));
    }
    for entry in &mut entries {
        entry.lines.sort_by_key(|line| (line.line, line.pga_line));
    }
    entries
}

fn line_to_wire(line: &CountedLine) -> wire::CaseLine {
    let finding = |finding: &nopic_domain::enforcement::CountedFinding| wire::CaseFinding {
        code: finding.code.as_str().to_owned(),
        severity: finding.severity.as_str().to_owned(),
        sentence: finding.sentence.clone(),
        remedy: finding.remedy.clone(),
    };
    wire::CaseLine {
        line: line.line_number(),
        pga_line: line.pga_line_number(),
        recorded_on: line.recorded_on().to_string(),
        origin: line.origin().as_str().to_owned(),
        findings: line.findings().iter().map(finding).collect(),
    }
}

pub(super) fn letter_to_wire(importer: NopId, sent: SentLetter) -> wire::Letter {
    wire::Letter {
        importer_nop_id: importer.to_string(),
        step: sent.step,
        date: sent.date.to_string(),
        is_sent: true,
        text: sent.text,
        html: sent.html,
        sent_by: sent.sent_by,
        sent_at: moment_text(sent.sent_at),
    }
}

pub(super) fn statistics_to_wire(statistics: &Statistics) -> wire::GetCaseStatisticsResponse {
    let round = |step: Step| wire::CaseRound {
        step: step.as_str().to_owned(),
        sent: statistics.sent(step),
        expected: statistics.expected(step),
        due: statistics.due(step),
        overtaken: statistics.overtaken(step),
    };
    wire::GetCaseStatisticsResponse {
        rounds: Step::ALL.into_iter().map(round).collect(),
        open: statistics.open(),
        cured: statistics.cured(),
        withdrawn: statistics.withdrawn(),
    }
}
