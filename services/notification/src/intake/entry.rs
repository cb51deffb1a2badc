//! What people are told of an entry that was recorded.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use nopic_domain::date::{day_of, parse_iso};
use nopic_domain::identifier::CertificateNumber;
use nopic_domain::notice::{Notice, NoticeKind, NoticeSeverity, Parties};
use nopic_proto::events::entry_recorded::Kind;
use nopic_proto::events::{EntryRecorded, Event, RecordedLine};

use super::words::{cause, counted, dealing, nop_ids, to_do};
use crate::store::{DealingKind, NewNotice, Taken, Whose};

/// Lines that a notice names.
const NAMED_LINES: usize = 20;

/// Adds what is to be made of it. History that was brought in is no news, but tells with what the tenant deals.
pub(super) fn take(event: &Event, at: DateTime<Utc>, recorded: &EntryRecorded, taken: &mut Taken) {
    let on = parse_iso(&recorded.recorded_on).unwrap_or_else(|| day_of(at));
    for line in &recorded.lines {
        taken.dealings.extend(
            [
                (DealingKind::Operation, &line.importer_nop_id),
                (DealingKind::Operation, &line.exporter_nop_id),
                (DealingKind::TariffCode, &line.hts_code),
                (DealingKind::Certificate, &line.certificate_number),
            ]
            .into_iter()
            .filter_map(|(kind, subject)| dealing(kind, subject, &event.tenant, on)),
        );
    }
    let entry = &recorded.entry_number;
    match recorded.kind() {
        Kind::Imported | Kind::Unspecified => return,
        Kind::Filed => {}
        Kind::Amended => taken.notices.push(new(
            event,
            Notice {
                kind: NoticeKind::EntryAmended,
                severity: NoticeSeverity::Information,
                subject: entry.clone(),
                parties: parties(&recorded.lines),
                occurred_at: at,
                title: format!("Entry {entry} was amended: version {} stands", recorded.version),
                sentences: Vec::new(),
                to_do: Vec::new(),
            },
        )),
        Kind::Cancelled => taken.notices.push(new(
            event,
            Notice {
                kind: NoticeKind::EntryCancelled,
                severity: NoticeSeverity::Information,
                subject: entry.clone(),
                parties: Parties::default(),
                occurred_at: at,
                title: format!("Entry {entry} was cancelled"),
                sentences: vec!["What it had drawn from certificates is given back.".to_owned()],
                to_do: Vec::new(),
            },
        )),
    }
    for (outcome, kind, severity, happened, who, what) in [
        (
            "REJECT",
            NoticeKind::LinesRejected,
            NoticeSeverity::Action,
            "cannot be filed as organic",
            "the broker",
            "Correct the lines and amend the entry, or tell the importer that the goods cannot enter as organic.",
        ),
        (
            "INDETERMINATE",
            NoticeKind::LinesIndeterminate,
            NoticeSeverity::Action,
            "could not be judged",
            "the broker",
            "File the entry again when what was missing is there: until then nothing says that it may enter as organic.",
        ),
        (
            "WARN",
            NoticeKind::LinesWarned,
            NoticeSeverity::Warning,
            "were recorded with warnings",
            "the broker",
            "Look at the warnings before the goods arrive.",
        ),
    ] {
        let lines: Vec<&RecordedLine> = recorded
            .lines
            .iter()
            .filter(|line| line.outcome == outcome && !line.taken_back)
            .collect();
        if lines.is_empty() {
            continue;
        }
        let count = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        let happened = if count == 1 {
            happened.replace("were ", "was ")
        } else {
            happened.to_owned()
        };
        let mut sentences: Vec<String> = lines
            .iter()
            .take(NAMED_LINES)
            .map(|line| sentence(line))
            .collect();
        if lines.len() > NAMED_LINES {
            sentences.push(format!(
                "{} more are in `nopic entry show {entry}`.",
                lines.len() - NAMED_LINES
            ));
        }
        taken.notices.push(new(
            event,
            Notice {
                kind,
                severity,
                subject: entry.clone(),
                parties: parties(lines.iter().copied()),
                occurred_at: at,
                title: format!("Entry {entry}: {} {happened}", counted(count, "line")),
                sentences,
                to_do: vec![to_do(who, what)],
            },
        ));
    }
}

fn new(event: &Event, notice: Notice) -> NewNotice {
    NewNotice {
        whose: Whose::Tenant(event.tenant.clone()),
        // Of one event there is at most one of each kind.
        cause: format!("{}/{}", cause(event), notice.kind),
        notice,
    }
}

/// A line and what is the worst about it.
fn sentence(line: &RecordedLine) -> String {
    let place = if line.pga_line == 0 {
        format!("Line {}", line.line)
    } else {
        format!("Line {}, PGA line {}", line.line, line.pga_line)
    };
    let worst = ["REJECT", "INDETERMINATE", "WARNING"]
        .into_iter()
        .find_map(|severity| line.findings.iter().find(|finding| finding.severity == severity));
    match worst {
        Some(finding) => format!("{place}: {} ({})", finding.message, finding.code),
        None => format!("{place}."),
    }
}

fn parties<'a>(lines: impl IntoIterator<Item = &'a RecordedLine>) -> Parties {
    let lines: Vec<&RecordedLine> = lines.into_iter().collect();
    let certifiers: BTreeSet<_> = lines
        .iter()
        .filter_map(|line| line.certificate_number.parse::<CertificateNumber>().ok())
        .map(CertificateNumber::certifier)
        .collect();
    Parties {
        importers: nop_ids(lines.iter().map(|line| line.importer_nop_id.as_str())),
        exporters: nop_ids(lines.iter().map(|line| line.exporter_nop_id.as_str())),
        certifiers: certifiers.into_iter().collect(),
    }
}
