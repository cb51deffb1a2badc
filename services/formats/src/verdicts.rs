//! Verdicts as JSON lines and CSV (FORMATS §5), and refusals as JSON lines.
//!
//! The views here borrow from whatever decided, so writing a verdict allocates nothing but the output.

use serde::Serialize;

use crate::entries::write_line;
use crate::reject::Reject;
use crate::table::csv::write_cell;

/// The verdict of one entry line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerdictRecord<'a> {
    /// Without dashes.
    pub entry_number: &'a str,
    /// From 1.
    pub line_number: u32,
    /// From 1.
    pub pga_line_number: u32,
    /// `ACCEPT`, `WARN`, `REJECT` or `INDETERMINATE`.
    pub verdict: &'a str,
    /// `ORGANIC`, `DISCLAIMED` or `NONE`.
    pub declaration: &'a str,
    /// In the order of RULES.
    pub findings: &'a [FindingRecord<'a>],
    /// In the order of RULES; empty unless the verdict rejects.
    pub remedies: &'a [&'a str],
    /// What the verdict rests on.
    pub evidence: EvidenceRecord<'a>,
}

/// One finding of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FindingRecord<'a> {
    /// The code of RULES.
    pub code: &'a str,
    /// `INFO`, `WARNING`, `REJECT` or `INDETERMINATE`.
    pub severity: &'a str,
    /// The field at fault by its name of FORMATS §3.
    pub field: &'a str,
    /// What is wrong and what to do.
    pub message: &'a str,
    /// Where the law says so, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub citation: Option<&'a str>,
}

/// The versions of all that a verdict rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceRecord<'a> {
    /// The phase.
    pub policy: &'a str,
    /// Version of the policy file.
    pub policy_version: &'a str,
    /// Version of the rules.
    pub rules_version: &'a str,
    /// Version of the table of flags.
    pub flags_version: &'a str,
    /// Revision of the registry; absent if none was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry_revision: Option<u32>,
    /// `YYYY-MM-DD`, publication of that revision's newest snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry_published_on: Option<&'a str>,
    /// Version of the certificate; absent if none was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_version: Option<u32>,
}

/// Appends one line of JSON, in the form of FORMATS §5.
pub fn write_verdict_jsonl(out: &mut Vec<u8>, verdict: &VerdictRecord<'_>) {
    write_line(out, verdict);
}

/// Appends one refusal as one line of JSON.
pub fn write_reject_jsonl(out: &mut Vec<u8>, reject: &Reject) {
    write_line(out, reject);
}

/// The header of the CSV form.
const CSV_HEADER: &str = "entryNumber,lineNumber,pgaLineNumber,verdict,declaration,codes,severities,remedies,messages,policy,\
                          policyVersion,rulesVersion,flagsVersion,registryRevision,registryPublishedOn,\
                          certificateVersion\n";

/// Appends the header of [`write_verdict_csv`].
pub fn write_verdict_csv_header(out: &mut Vec<u8>) {
    out.extend_from_slice(CSV_HEADER.as_bytes());
}

/// Appends one row: codes, severities and remedies with `;` between them, messages with ` | `.
pub fn write_verdict_csv(out: &mut Vec<u8>, verdict: &VerdictRecord<'_>) {
    let findings = verdict.findings;
    let evidence = &verdict.evidence;
    let number = |number: Option<u32>| number.map_or_else(String::new, |number| number.to_string());
    write_guarded(out, verdict.entry_number);
    for text in [
        &verdict.line_number.to_string(),
        &verdict.pga_line_number.to_string(),
        verdict.verdict,
        verdict.declaration,
        &join(findings.iter().map(|finding| finding.code), ";"),
        &join(findings.iter().map(|finding| finding.severity), ";"),
        &join(verdict.remedies.iter().copied(), ";"),
        &join(findings.iter().map(|finding| finding.message), " | "),
        evidence.policy,
        evidence.policy_version,
        evidence.rules_version,
        evidence.flags_version,
        &number(evidence.registry_revision),
        evidence.registry_published_on.unwrap_or_default(),
        &number(evidence.certificate_version),
    ] {
        out.push(b',');
        write_guarded(out, text);
    }
    out.push(b'\n');
}

/// Writes a cell so that no spreadsheet takes it for a formula: entry numbers and messages hold what users filed.
fn write_guarded(out: &mut Vec<u8>, cell: &str) {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        write_cell(out, &format!("'{cell}"));
    } else {
        write_cell(out, cell);
    }
}

fn join<'a>(texts: impl Iterator<Item = &'a str>, separator: &str) -> String {
    let mut joined = String::new();
    for (index, text) in texts.enumerate() {
        if index > 0 {
            joined.push_str(separator);
        }
        joined.push_str(text);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINDINGS: [FindingRecord<'static>; 2] = [
        FindingRecord {
            code: "IMPORTER_NOT_CERTIFIED",
            severity: "REJECT",
            field: "importerNopId",
            message: "Not \"certified\", on that day.",
            citation: Some("7 CFR 205.273(d)"),
        },
        FindingRecord {
            code: "REGISTRY_STALE",
            severity: "WARNING",
            field: "entryDate",
            message: "…",
            citation: None,
        },
    ];

    fn verdict() -> VerdictRecord<'static> {
        VerdictRecord {
            entry_number: "B7603245278",
            line_number: 1,
            pga_line_number: 2,
            verdict: "REJECT",
            declaration: "ORGANIC",
            findings: &FINDINGS,
            remedies: &["REEXPORT", "DESTRUCTION"],
            evidence: EvidenceRecord {
                policy: "STRICT",
                policy_version: "1",
                rules_version: "2",
                flags_version: "3",
                registry_revision: Some(2),
                registry_published_on: Some("2024-10-01"),
                certificate_version: None,
            },
        }
    }

    #[test]
    fn json_has_the_form_of_the_specification() {
        let mut out = Vec::new();
        write_verdict_jsonl(&mut out, &verdict());
        assert_eq!(
            String::from_utf8(out).unwrap(),
            concat!(
                r#"{"entryNumber":"B7603245278","lineNumber":1,"pgaLineNumber":2,"verdict":"REJECT","declaration":"ORGANIC","#,
                r#""findings":[{"code":"IMPORTER_NOT_CERTIFIED","severity":"REJECT","field":"importerNopId","#,
                r#""message":"Not \"certified\", on that day.","citation":"7 CFR 205.273(d)"},"#,
                r#"{"code":"REGISTRY_STALE","severity":"WARNING","field":"entryDate","message":"…"}],"#,
                r#""remedies":["REEXPORT","DESTRUCTION"],"evidence":{"policy":"STRICT","policyVersion":"1","#,
                r#""rulesVersion":"2","flagsVersion":"3","registryRevision":2,"registryPublishedOn":"2024-10-01"}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn csv_is_one_row_under_its_header() {
        let mut out = Vec::new();
        write_verdict_csv_header(&mut out);
        write_verdict_csv(&mut out, &verdict());
        let filed = VerdictRecord {
            entry_number: "=1+1",
            ..verdict()
        };
        write_verdict_csv(&mut out, &filed);
        let mut reader = ::csv::Reader::from_reader(&out[..]);
        assert_eq!(reader.headers().unwrap().len(), 16);
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(&rows[0][4], "ORGANIC");
        assert_eq!(&rows[0][5], "IMPORTER_NOT_CERTIFIED;REGISTRY_STALE");
        assert_eq!(&rows[0][8], "Not \"certified\", on that day. | …");
        assert_eq!(&rows[0][15], "");
        assert_eq!(&rows[1][0], "'=1+1");
    }

    #[test]
    fn a_refusal_is_one_line() {
        let mut out = Vec::new();
        write_reject_jsonl(&mut out, &Reject::new(3, "why"));
        assert_eq!(out, b"{\"record\":3,\"reason\":\"why\"}\n");
    }
}
