//! Verdicts of the wire as bytes of FORMATS §5, without a copy in between.

use nopic_formats::verdicts::{
    EvidenceRecord, FindingRecord, VerdictRecord, write_verdict_csv, write_verdict_jsonl,
};
use nopic_proto::entry_validation::{Finding, Verdict, finding, verdict};

/// Appends verdicts as JSON lines.
pub(crate) fn append_jsonl(out: &mut Vec<u8>, verdicts: &[Verdict]) {
    append(out, verdicts, write_verdict_jsonl);
}

/// Appends verdicts as rows of CSV.
pub(crate) fn append_csv(out: &mut Vec<u8>, verdicts: &[Verdict]) {
    append(out, verdicts, write_verdict_csv);
}

/// The outcome of a verdict.
pub(crate) fn outcome(verdict: &Verdict) -> verdict::Outcome {
    verdict::Outcome::try_from(verdict.verdict).unwrap_or_default()
}

/// The code of a finding; `CODE_UNSPECIFIED` is one of a later version.
pub(crate) fn code(finding: &Finding) -> finding::Code {
    finding::Code::try_from(finding.code).unwrap_or_default()
}

fn append(out: &mut Vec<u8>, verdicts: &[Verdict], write: impl Fn(&mut Vec<u8>, &VerdictRecord<'_>)) {
    // Reused from verdict to verdict: a batch costs two allocations, however many lines it has.
    let mut findings: Vec<FindingRecord<'_>> = Vec::new();
    let mut remedies: Vec<&str> = Vec::new();
    for verdict in verdicts {
        findings.clear();
        findings.extend(verdict.findings.iter().map(finding_record));
        remedies.clear();
        remedies.extend(verdict.remedies.iter().map(|remedy| {
            verdict::Remedy::try_from(*remedy)
                .unwrap_or_default()
                .as_str_name()
        }));
        write(
            out,
            &VerdictRecord {
                entry_number: &verdict.entry_number,
                line_number: verdict.line_number,
                pga_line_number: verdict.pga_line_number,
                verdict: outcome(verdict).as_str_name(),
                declaration: verdict.declaration().as_str_name(),
                findings: &findings,
                remedies: &remedies,
                evidence: evidence_record(verdict),
            },
        );
    }
}

fn finding_record(finding: &Finding) -> FindingRecord<'_> {
    FindingRecord {
        code: code(finding).as_str_name(),
        severity: finding::Severity::try_from(finding.severity)
            .unwrap_or_default()
            .as_str_name(),
        field: &finding.field,
        message: &finding.message,
        citation: present(&finding.citation),
    }
}

fn evidence_record(verdict: &Verdict) -> EvidenceRecord<'_> {
    let Some(evidence) = &verdict.evidence else {
        return EvidenceRecord {
            policy: "",
            policy_version: "",
            rules_version: "",
            flags_version: "",
            registry_revision: None,
            registry_published_on: None,
            certificate_version: None,
        };
    };
    EvidenceRecord {
        policy: &evidence.policy,
        policy_version: &evidence.policy_version,
        rules_version: &evidence.rules_version,
        flags_version: &evidence.flags_version,
        registry_revision: evidence.registry_revision,
        registry_published_on: present(&evidence.registry_published_on),
        certificate_version: evidence.certificate_version,
    }
}

fn present(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// What a line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineKind {
    /// It declares this.
    Declares(verdict::Declaration),
    /// It takes another back.
    TakesBack,
}

impl LineKind {
    /// Every one, those that are there always first.
    pub(crate) const ALL: [Self; 5] = [
        Self::Declares(verdict::Declaration::Organic),
        Self::Declares(verdict::Declaration::Disclaimed),
        Self::Declares(verdict::Declaration::None),
        Self::Declares(verdict::Declaration::Unspecified),
        Self::TakesBack,
    ];

    fn of(verdict: &Verdict) -> Self {
        if verdict.takes_back {
            Self::TakesBack
        } else {
            Self::Declares(verdict.declaration())
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::Declares(declaration) => declaration as usize,
            Self::TakesBack => 4,
        }
    }
}

/// Counts of verdicts by outcome and kind of line, and of lines by code.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// By outcome, then by kind of line.
    outcomes: [[u64; 5]; 5],
    codes: Vec<u64>,
}

impl Tally {
    /// Counts a batch.
    pub(crate) fn add(&mut self, verdicts: &[Verdict]) {
        for verdict in verdicts {
            self.outcomes[outcome(verdict) as usize][LineKind::of(verdict).index()] += 1;
            let mut previous = None;
            for finding in &verdict.findings {
                // Findings of one code stand together: a line counts once for each of its codes.
                if previous.replace(finding.code) == Some(finding.code) {
                    continue;
                }
                let index = code(finding) as usize;
                if self.codes.len() <= index {
                    self.codes.resize(index + 1, 0);
                }
                self.codes[index] += 1;
            }
        }
    }

    /// Lines with this outcome.
    pub(crate) fn of(&self, outcome: verdict::Outcome) -> u64 {
        self.outcomes[outcome as usize].iter().sum()
    }

    /// Lines of this kind with this outcome.
    pub(crate) fn of_kind(&self, outcome: verdict::Outcome, kind: LineKind) -> u64 {
        self.outcomes[outcome as usize][kind.index()]
    }

    /// Lines of this kind, whatever came of them.
    pub(crate) fn kind(&self, kind: LineKind) -> u64 {
        let index = kind.index();
        self.outcomes.iter().map(|of_outcome| of_outcome[index]).sum()
    }

    /// All lines.
    pub(crate) fn lines(&self) -> u64 {
        self.outcomes.iter().flatten().sum()
    }

    /// Whether no line is rejected, indeterminate or without a verdict.
    pub(crate) fn is_clean(&self) -> bool {
        self.lines() == self.of(verdict::Outcome::Accept) + self.of(verdict::Outcome::Warn)
    }

    /// Codes with the number of lines that have them, most frequent first.
    pub(crate) fn by_code(&self) -> Vec<(finding::Code, u64)> {
        let mut counted: Vec<(finding::Code, u64)> = self
            .codes
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(|(index, count)| {
                let number = i32::try_from(index).unwrap_or_default();
                (finding::Code::try_from(number).unwrap_or_default(), *count)
            })
            .collect();
        counted.sort_by_key(|(code, count)| (u64::MAX - count, *code as i32));
        counted
    }

    /// Takes over another's counts.
    pub(crate) fn merge(&mut self, other: Self) {
        for (mine, theirs) in self
            .outcomes
            .iter_mut()
            .flatten()
            .zip(other.outcomes.into_iter().flatten())
        {
            *mine += theirs;
        }
        self.codes.resize(self.codes.len().max(other.codes.len()), 0);
        for (mine, theirs) in self.codes.iter_mut().zip(other.codes) {
            *mine += theirs;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use nopic_proto::entry_validation::Evidence;

    use super::*;

    /// A rejected line with two findings.
    pub(crate) fn rejected() -> Verdict {
        Verdict {
            entry_number: "B7603245278".into(),
            line_number: 1,
            pga_line_number: 2,
            verdict: verdict::Outcome::Reject.into(),
            declaration: verdict::Declaration::Organic.into(),
            takes_back: false,
            findings: vec![
                Finding {
                    code: finding::Code::CertificateVoided.into(),
                    severity: finding::Severity::Reject.into(),
                    field: "certificateNumber".into(),
                    message:
                        "Certificate 015-0150000001-000001 was voided by its certifier. Ask the exporter for \
                              a valid certificate."
                            .into(),
                    citation: "7 CFR 205.273(c)".into(),
                },
                Finding {
                    code: finding::Code::RegistryStale.into(),
                    severity: finding::Severity::Warning.into(),
                    field: "entryDate".into(),
                    message: "Old.".into(),
                    citation: String::new(),
                },
            ],
            remedies: vec![
                verdict::Remedy::Reexport.into(),
                verdict::Remedy::Destruction.into(),
            ],
            evidence: Some(Evidence {
                policy: "STRICT".into(),
                policy_version: "1".into(),
                rules_version: "2".into(),
                flags_version: "3".into(),
                registry_revision: Some(2),
                registry_published_on: "2024-10-01".into(),
                certificate_version: None,
            }),
        }
    }

    #[test]
    fn the_wire_becomes_the_form_of_the_specification() {
        let mut out = Vec::new();
        append_jsonl(&mut out, &[rejected()]);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            concat!(
                r#"{"entryNumber":"B7603245278","lineNumber":1,"pgaLineNumber":2,"verdict":"REJECT","declaration":"#,
                r#""ORGANIC","findings":["#,
                r#"{"code":"CERTIFICATE_VOIDED","severity":"REJECT","field":"certificateNumber","message":"#,
                r#""Certificate 015-0150000001-000001 was voided by its certifier. Ask the exporter for a valid "#,
                r#"certificate.","citation":"7 CFR 205.273(c)"},{"code":"REGISTRY_STALE","severity":"WARNING","#,
                r#""field":"entryDate","message":"Old."}],"remedies":["REEXPORT","DESTRUCTION"],"evidence":{"#,
                r#""policy":"STRICT","policyVersion":"1","rulesVersion":"2","flagsVersion":"3","#,
                r#""registryRevision":2,"registryPublishedOn":"2024-10-01"}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_tally_counts_lines_and_not_findings() {
        let mut line = rejected();
        line.findings.insert(1, line.findings[0].clone());
        let mut tally = Tally::default();
        tally.add(&[line, rejected()]);
        let mut other = Tally::default();
        other.add(&[Verdict {
            verdict: verdict::Outcome::Accept.into(),
            findings: Vec::new(),
            ..rejected()
        }]);
        assert!(other.is_clean());
        other.merge(tally);
        assert!(!other.is_clean());
        assert_eq!(other.lines(), 3);
        assert_eq!(other.of(verdict::Outcome::Reject), 2);
        assert_eq!(
            other.by_code(),
            [
                (finding::Code::CertificateVoided, 2),
                (finding::Code::RegistryStale, 2)
            ]
        );
    }

    #[test]
    fn a_verdict_of_a_later_version_is_no_yes() {
        let mut tally = Tally::default();
        tally.add(&[Verdict {
            verdict: 99,
            ..rejected()
        }]);
        assert!(!tally.is_clean());
    }
}
