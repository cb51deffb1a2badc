//! Fields that several requests and answers share.

use nopic_chassis::requests::{self, given_day};
use nopic_chassis::transport::MAX_ANSWER_BYTES;
use nopic_domain::date::Date;
use nopic_domain::decision::Kind;
use nopic_domain::entry::{EntryLine, NormalisedLine};
use nopic_domain::weight::Weight;
use nopic_proto::convert::entry_validation::encode_lines;
use nopic_proto::entry_validation as wire;
use prost::Message;
use sha2::{Digest as _, Sha256};

/// Moments as they are read and told.
pub(super) use nopic_chassis::requests::{moment, moment_text as text};

use crate::error::Error;
use crate::store::{StoredDecision, StoredVersion};

/// Characters of a reason.
const LONGEST_REASON: usize = 1_000;

/// The hash of lines that are filed together, as [`hash`] gives it for a request to file entries that brings just them:
/// so that a part that an earlier version answered is answered again. Nothing is converted for it.
pub(super) fn hash_of_lines(lines: &[NormalisedLine], filed_on: Option<Date>) -> [u8; 32] {
    /// Numbers of the fields of the request.
    const LINES: u32 = 2;
    const FILED_ON: u32 = 3;
    let mut hasher = Sha256::new();
    hasher.update("FileEntries\0");
    let mut bytes = Vec::new();
    for line in lines {
        bytes.clear();
        encode_lines(LINES, [&**line], &mut bytes);
        hasher.update(&bytes);
    }
    if let Some(date) = filed_on {
        bytes.clear();
        prost::encoding::string::encode(FILED_ON, &date.to_string(), &mut bytes);
        hasher.update(&bytes);
    }
    hasher.finalize().into()
}

/// The request's own hash: what it asks for. Its id is taken from it before.
pub(super) fn hash(method: &str, request: &impl Message) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(method);
    hasher.update([0]);
    hasher.update(request.encode_to_vec());
    hasher.finalize().into()
}

/// The id, taken out of the request that [`hash`] is made of.
pub(super) fn request_id(text: String) -> Result<String, Error> {
    requests::request_id(&text)?;
    Ok(text)
}

/// The day of filing that a request states: history, so none that is still to come.
pub(super) fn filed_on(text: &str, today: Date) -> Result<Option<Date>, Error> {
    match given_day("filed_on", text)? {
        Some(date) if date > today => Err(Error::invalid(
            "filed_on",
            format!("{date} is still to come; today is {today}"),
        )),
        date => Ok(date),
    }
}

/// What comes with a day of its own is history.
pub(super) const fn kind(filed_on: Option<Date>) -> Kind {
    match filed_on {
        Some(_) => Kind::Imported,
        None => Kind::Filed,
    }
}

pub(super) fn reason(text: &str) -> Result<String, Error> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > LONGEST_REASON || text.contains('\0') {
        return Err(Error::invalid(
            "reason",
            format!("say why, in 1 to {LONGEST_REASON} characters"),
        ));
    }
    Ok(text.to_owned())
}

/// The number in the form in which it is kept.
pub(super) fn entry_number(text: &str) -> String {
    let line = EntryLine {
        entry_number: text.to_owned(),
        ..EntryLine::default()
    };
    line.normalise().into_inner().entry_number
}

pub(super) fn of_entry(text: &str, version: u32) -> Result<(String, u32), Error> {
    if version == 0 {
        return Err(Error::invalid(
            "current_version",
            "name the version that is to be replaced; they count from 1",
        ));
    }
    Ok((entry_number(text), version))
}

/// A version as it travels.
pub(super) fn version(stored: StoredVersion) -> wire::EntryVersion {
    wire::EntryVersion {
        version: stored.version,
        kind: stored.kind.as_str().to_owned(),
        actor: stored.actor,
        reason: stored.reason,
        recorded_at: text(stored.recorded_at),
        filed_on: stored.filed_on.to_string(),
    }
}

/// A decision as it travels.
pub(super) fn decision(stored: StoredDecision) -> wire::Decision {
    let weight =
        |units: Option<i64>| units.map_or_else(String::new, |units| Weight::from_units(units).to_string());
    wire::Decision {
        // Numbers of the database are never negative.
        decision_id: stored.decision_id.unsigned_abs(),
        entry_version: stored.version,
        verdict: Some(stored.verdict.into()),
        drawn_kg: weight(stored.drawn_units),
        excess_kg: weight(stored.excess_units.filter(|units| *units > 0)),
        recorded_at: text(stored.recorded_at),
        ended_at: stored.ended_at.map(text).unwrap_or_default(),
        line: Some(stored.line.into()),
    }
}

/// Bytes that an answer of decisions may have, with room for what stands around them.
const MOST_BYTES: usize = MAX_ANSWER_BYTES - (64 << 10);

fn bytes_of(decision: &wire::Decision) -> usize {
    // With the length in front of it.
    decision.encoded_len() + 8
}

/// All decisions of an answer that has no pages. Where they are more than clients take, sentences are left out, then the
/// lines, then what the findings say beside their codes: each decision alone, and the list of them, have it all.
pub(super) fn decisions(stored: Vec<StoredDecision>) -> Vec<wire::Decision> {
    let mut decisions: Vec<wire::Decision> = stored.into_iter().map(decision).collect();
    let reductions: [fn(&mut wire::Decision); 4] = [
        |decision| {
            for finding in decision
                .verdict
                .iter_mut()
                .flat_map(|verdict| &mut verdict.findings)
            {
                finding.message.clear();
                finding.citation.clear();
            }
        },
        |decision| decision.line = None,
        |decision| {
            if let Some(verdict) = &mut decision.verdict {
                verdict.evidence = None;
                for finding in &mut verdict.findings {
                    finding.field.clear();
                }
            }
        },
        |decision| {
            if let Some(verdict) = &mut decision.verdict {
                verdict.findings.clear();
            }
        },
    ];
    for reduce in reductions {
        if decisions.iter().map(bytes_of).sum::<usize>() <= MOST_BYTES {
            break;
        }
        decisions.iter_mut().for_each(reduce);
    }
    decisions
}

/// How many decisions of a page, one at least, clients take at once.
pub(super) fn that_fit(decisions: &[wire::Decision]) -> usize {
    let mut bytes = 0;
    decisions
        .iter()
        .take_while(|decision| {
            bytes += bytes_of(decision);
            bytes <= MOST_BYTES
        })
        .count()
        .max(1)
}

#[cfg(test)]
mod tests {
    use nopic_domain::decision::{Evidence, Verdict, WordedFinding};
    use nopic_domain::entry::Declaration;
    use nopic_domain::finding::{Code, Severity};
    use nopic_domain::rules::Outcome;

    use super::*;

    fn stored(number: u32, message: usize) -> StoredDecision {
        let finding = WordedFinding {
            code: Code::CertificateLotUnknown,
            severity: Severity::Warning,
            field: "lots".to_owned(),
            message: "m".repeat(message),
            citation: String::new(),
        };
        StoredDecision {
            decision_id: i64::from(number),
            filing_id: 1,
            place: number,
            version: 1,
            verdict: Verdict {
                entry_number: "B7603245278".to_owned(),
                line_number: number,
                pga_line_number: 1,
                outcome: Outcome::Warn,
                declaration: Declaration::Organic,
                takes_back: false,
                findings: vec![finding; 3],
                remedies: Vec::new(),
                phase: "STRICT".to_owned(),
                certificate_version: Some(1),
                evidence: std::sync::Arc::new(Evidence::default()),
            },
            line: EntryLine {
                description: Some("d".repeat(300)),
                ..EntryLine::default()
            },
            drawn_units: None,
            excess_units: None,
            recorded_at: chrono::DateTime::UNIX_EPOCH,
            ended_at: None,
        }
    }

    #[test]
    fn an_answer_is_what_clients_take_and_names_every_line() {
        for (count, message, whole) in [(10, 300, true), (10_000, 300, false), (10_000, 20_000, false)] {
            let all = decisions((0..count).map(|number| stored(number, message)).collect());
            let bytes: usize = all.iter().map(bytes_of).sum();
            assert!(all.len() == count as usize && bytes <= MOST_BYTES, "{bytes}");
            let verdict = all[0].verdict.as_ref().unwrap();
            assert_eq!(
                (verdict.findings.len(), !verdict.findings[0].message.is_empty()),
                (3, whole)
            );
        }
    }

    #[test]
    fn a_page_ends_where_clients_take_no_more() {
        let page: Vec<wire::Decision> = (0..1_000).map(|number| decision(stored(number, 5_000))).collect();
        let fit = that_fit(&page);
        assert!(
            fit < 1_000 && page[..fit].iter().map(bytes_of).sum::<usize>() <= MOST_BYTES,
            "{fit}"
        );
        assert_eq!(that_fit(&[decision(stored(1, 5 << 20))]), 1);
    }
}
