//! Taking entries and their lines back: only what is on record, and only by lines that are valid.

use nopic_domain::decision::Kind;
use nopic_domain::entry::NormalisedLine;
use nopic_domain::finding::{Code, Severity};
use nopic_domain::rules::{Judgement, judge_entry};
use rustc_hash::FxHashMap;

use super::refusing::{Reason, Reasons};
use crate::engine::Engine;
use crate::error::Error;
use crate::knowledge::Known;
use crate::store::LatestVersion;

/// What was found of the entries of which lines are taken back.
pub(super) enum Looked {
    /// What cannot be taken back, and the version that each entry had when it was looked at.
    At(Reasons, FxHashMap<String, u32>),
    /// Another filing works on this entry, so that nobody knows yet.
    Busy(String),
}

/// Looks which lines take back what is not there, and which are not valid.
pub(super) async fn look(
    engine: &Engine,
    tenant: &str,
    lines: &[NormalisedLine],
    current_version: Option<u32>,
    known: &Known,
) -> Result<Looked, Error> {
    let same_entry = |one: &NormalisedLine, next: &NormalisedLine| one.entry_number == next.entry_number;
    let asked: Vec<&str> = lines
        .chunk_by(same_entry)
        .filter(|lines| lines.iter().any(|line| line.takes_back()))
        .map(|lines| lines[0].entry_number.as_str())
        .collect();
    let mut reasons = Reasons::default();
    let mut versions = FxHashMap::default();
    if asked.is_empty() {
        return Ok(Looked::At(reasons, versions));
    }
    let latest = engine.store.latest_versions(tenant, &asked).await?;
    if let Some((number, _)) = latest.iter().find(|(_, latest)| latest.is_claimed) {
        return Ok(Looked::Busy(number.clone()));
    }
    let standing = engine.store.standing_lines(tenant, &asked).await?;
    let mut place = 0;
    for lines in lines.chunk_by(same_entry) {
        let first = place;
        place += lines.len();
        let entry_number = &lines[0].entry_number;
        let latest = latest.get(entry_number);
        let version = latest.map_or(0, |latest| latest.version);
        // Another version than the caller knows is told when the filing begins.
        if !lines.iter().any(|line| line.takes_back())
            || current_version.is_some_and(|current| current != version)
        {
            continue;
        }
        versions.insert(entry_number.clone(), version);
        let mut judgements = Vec::with_capacity(lines.len());
        judge_entry(lines, &known.policy, &known.flags, known, &mut judgements);
        let problems: Vec<String> = judgements.iter().map(|judged| problems(known, judged)).collect();
        if lines
            .iter()
            .zip(&problems)
            .all(|(line, problems)| line.takes_back() && problems.is_empty())
            && let Some(reason) = not_there(latest)
        {
            reasons.entries.insert(entry_number.clone(), reason);
            continue;
        }
        for (index, (line, problems)) in (first..).zip(lines.iter().zip(problems)) {
            let key = (entry_number.clone(), line.line_number, line.pga_line_number());
            let reason = if !line.takes_back() {
                continue;
            } else if !problems.is_empty() {
                Reason::NotValid {
                    line: line.into(),
                    problems,
                }
            } else if !standing.contains(&key) {
                Reason::LineNotOnRecord(line.into())
            } else {
                continue;
            };
            reasons.lines.insert(index, reason);
        }
    }
    Ok(Looked::At(reasons, versions))
}

/// Why nothing of an entry can be taken back.
fn not_there(latest: Option<&LatestVersion>) -> Option<Reason> {
    let Some(latest) = latest else {
        return Some(Reason::NotOnRecord);
    };
    match &latest.made {
        Some((Kind::Cancelled, on)) => Some(Reason::TakenBack {
            version: latest.version,
            on: *on,
        }),
        Some(_) => None,
        None => Some(Reason::NotOnRecord),
    }
}

/// What keeps a line that takes one back from doing so: that rule 1 found it wrong, or whatever rejects it or leaves open
/// whether it may be filed.
fn problems(known: &Known, judgement: &Judgement) -> String {
    let problems: Vec<String> = judgement
        .findings
        .iter()
        .filter(|finding| {
            matches!(finding.code, Code::EntryNumberInvalid | Code::LineInvalid)
                || finding.severity >= Severity::Indeterminate
        })
        .map(|finding| format!("{}: {}", finding.code.as_str(), known.policy.message(finding)))
        .collect();
    problems.join(" ")
}

/// Why this version of an entry cannot be cancelled: it was, by that version. One that is still being filed may be: whoever
/// claims the entry knows.
pub(super) async fn cannot_cancel(
    engine: &Engine,
    tenant: &str,
    entry_number: &str,
    version: u32,
) -> Result<Option<Error>, Error> {
    let latest = engine.store.latest_versions(tenant, &[entry_number]).await?;
    let latest = latest
        .get(entry_number)
        .filter(|latest| latest.version == version);
    let reason = latest.and_then(|latest| not_there(Some(latest)));
    Ok(reason
        .filter(|reason| matches!(reason, Reason::TakenBack { .. }))
        .map(|reason| reason.of_all(entry_number)))
}
