//! Events of entries, as tests tell them.

use nopic_domain::date::{Date, parse_iso};
use nopic_domain::policy::Policy;
use nopic_proto::events::entry_recorded::Kind;
use nopic_proto::events::{EntryRecorded, RecordedFinding, RecordedLine};

use super::entry::ToldVersion;

pub(crate) const ACME: &str = "8150000001";
pub(crate) const BAYVIEW: &str = "8150000002";
/// Of one tenant.
pub(crate) const ENTRY: &str = "99910000019";

pub(crate) fn day(text: &str) -> Date {
    parse_iso(text).unwrap()
}

/// A line of the strict phase with these findings.
pub(crate) fn line(number: u32, importer: &str, codes: &[&str]) -> RecordedLine {
    let finding = |code: &&str| RecordedFinding {
        code: (*code).to_owned(),
        severity: "REJECT".to_owned(),
        message: match *code {
            "CERTIFICATE_VOIDED" => {
                "Certificate 815-000-123 was voided by its certifier. Ask the exporter for a valid \
                                     certificate."
                    .to_owned()
            }
            _ => format!(
                "The importer {importer} is not certified on 2026-01-05: its status is Suspended. The importer must \
                 settle its status with its certifier; until then the goods cannot enter as organic."
            ),
        },
    };
    RecordedLine {
        line: number,
        pga_line: 1,
        outcome: if codes.is_empty() { "ACCEPT" } else { "REJECT" }.to_owned(),
        phase: "STRICT".to_owned(),
        importer_nop_id: importer.to_owned(),
        findings: codes.iter().map(finding).collect(),
        ..RecordedLine::default()
    }
}

/// A line whose importer is not certified.
pub(crate) fn bad(number: u32, importer: &str) -> RecordedLine {
    line(number, importer, &["IMPORTER_NOT_CERTIFIED"])
}

pub(crate) fn recorded(
    entry: &str,
    version: u32,
    kind: Kind,
    on: &str,
    lines: Vec<RecordedLine>,
) -> EntryRecorded {
    EntryRecorded {
        entry_number: entry.to_owned(),
        version,
        kind: kind.into(),
        recorded_on: on.to_owned(),
        lines,
        keeps_other_lines: false,
    }
}

pub(crate) fn told(tenant: &str, recorded: &EntryRecorded) -> ToldVersion {
    ToldVersion::of(tenant, Date::MIN, recorded, &Policy::shipped()).unwrap()
}
