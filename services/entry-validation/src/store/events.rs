//! What others hear of entries: the one codec of events of this service.

use nopic_domain::date::Date;
use nopic_domain::decision::{Decision, Kind};
use nopic_domain::entry::EntryLine;
use nopic_domain::finding::Severity;
use nopic_domain::hts::HtsCode;
use nopic_proto::events as wire;
use nopic_sql::outbox::NewMessage;

/// A version of an entry as it was recorded.
pub(crate) struct NewVersion<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) entry_number: &'a str,
    pub(crate) version: u32,
    pub(crate) kind: Kind,
    pub(crate) recorded_on: Date,
    pub(crate) keeps_other_lines: bool,
}

impl NewVersion<'_> {
    /// Tells of it, with these lines.
    pub(crate) fn message<'d>(
        &self,
        lines: impl Iterator<Item = (&'d Decision, &'d EntryLine)>,
    ) -> NewMessage {
        let lines = if self.kind == Kind::Cancelled {
            Vec::new()
        } else {
            lines
                .map(|(decided, line)| recorded_line(decided, line))
                .collect()
        };
        let what = wire::EntryRecorded {
            entry_number: self.entry_number.to_owned(),
            version: self.version,
            kind: match self.kind {
                Kind::Filed => wire::entry_recorded::Kind::Filed,
                Kind::Amended => wire::entry_recorded::Kind::Amended,
                Kind::Cancelled => wire::entry_recorded::Kind::Cancelled,
                Kind::Imported => wire::entry_recorded::Kind::Imported,
            }
            .into(),
            recorded_on: self.recorded_on.to_string(),
            lines,
            keeps_other_lines: self.keeps_other_lines,
        };
        message(
            self.tenant,
            self.entry_number,
            wire::event::What::EntryRecorded(what),
        )
    }
}

fn recorded_line(decided: &Decision, line: &EntryLine) -> wire::RecordedLine {
    let verdict = &decided.verdict;
    let text = |value: Option<String>| value.unwrap_or_default();
    let findings = verdict
        .findings
        .iter()
        .filter(|finding| finding.severity > Severity::Info)
        .map(|finding| wire::RecordedFinding {
            code: finding.code.to_string(),
            severity: finding.severity.as_str().to_owned(),
            message: finding.message.clone(),
        });
    wire::RecordedLine {
        line: verdict.line_number,
        pga_line: verdict.pga_line_number,
        outcome: verdict.outcome.as_str().to_owned(),
        phase: verdict.phase.clone(),
        entry_date: text(line.entry_date.clone()),
        hts_code: text(line.hts_code.clone()),
        certificate_number: text(decided.certificate.map(|number| number.to_string())),
        importer_nop_id: text(decided.importer.map(|importer| importer.to_string())),
        exporter_nop_id: text(line.exporter_nop_id.clone()),
        findings: findings.collect(),
        taken_back: !decided.stands,
    }
}

/// Tells of an order to treat, return or destroy goods.
pub(crate) fn emergency_action_notice(tenant: &str, entry_number: &str, record: i64) -> NewMessage {
    let what = wire::EmergencyActionNoticeRecorded {
        entry_number: entry_number.to_owned(),
        record,
    };
    message(
        tenant,
        entry_number,
        wire::event::What::EmergencyActionNoticeRecorded(what),
    )
}

/// Codes of one event, so that none is too large to be read.
const CODES_OF_AN_EVENT: usize = 500;

/// Tells everybody of other flags than before: all codes, in as many events as that takes.
pub(crate) fn flags_changed(version: &str, changed: &[HtsCode]) -> Vec<NewMessage> {
    changed
        .chunks(CODES_OF_AN_EVENT)
        .map(|some| {
            let what = wire::FlagsChanged {
                codes: u32::try_from(changed.len()).unwrap_or(u32::MAX),
                hts_codes: some.iter().map(ToString::to_string).collect(),
            };
            message("", version, wire::event::What::FlagsChanged(what))
        })
        .collect()
}

fn message(tenant: &str, subject: &str, what: wire::event::What) -> NewMessage {
    NewMessage {
        tenant: tenant.to_owned(),
        topic: what.topic(),
        subject: subject.to_owned(),
        content: what.into_content(),
    }
}
