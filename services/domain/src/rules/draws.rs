//! What a judged line asks of the ledger when its entry is filed.

use crate::entry::NormalisedLine;
use crate::finding::{Code, Finding, Severity};
use crate::ledger::{Ask, Take};
use crate::policy::Policy;
use crate::weight::Weight;

use super::{Judgement, certificate_number};

/// What the line asks of the ledger, by the verdict on it. Whether its weight is left, and whether another entry used
/// its certificate, is asked of the ledger itself: such findings do not count here.
///
/// - Without a certificate that was read, or where rule 4 or 5 rejects the line, it draws nothing.
/// - Where it is rejected later or not all is known, it draws nothing and is counted for later lines of its entry, as
///   the rules count it.
/// - Else it draws; a line that states no weight draws zero, which is use of its certificate all the same.
///
/// It may pass what is left, or use what another entry used, where the policy lets such a line be filed. `replaces`:
/// nothing that its entry has on record counts for it.
#[must_use]
pub fn ask_of_ledger(line: &NormalisedLine, judgement: &Judgement, policy: &Policy, replaces: bool) -> Ask {
    let Some(number) = certificate_number(line).filter(|_| judgement.certificate_version.is_some()) else {
        return Ask::Nothing(None);
    };
    let weight: Option<Weight> = line.net_weight_kg.as_deref().and_then(|text| text.parse().ok());
    let findings = || {
        judgement
            .findings
            .iter()
            .filter(|finding| !finding.code.is_asked_of_ledger())
    };
    let rejects = |finding: &Finding| finding.severity == Severity::Reject;
    if findings().any(|finding| rejects(finding) && finding.code.is_about_certificate()) {
        return Ask::Nothing(Some(number));
    }
    let entry_date = line.rules_date();
    let may = |code| policy.severity(code, judgement.phase, entry_date) < Severity::Indeterminate;
    let take = Take {
        number,
        weight: weight.unwrap_or_default(),
        // The rules compare no weight where none is stated.
        may_exceed: weight.is_none() || may(Code::CertificateQuantityExceeded),
        may_reuse: may(Code::CertificateAlreadyUsed),
        beside_replaced: !replaces,
    };
    if findings().all(|finding| finding.severity < Severity::Indeterminate) {
        Ask::Draw(take)
    } else if weight.is_some() {
        Ask::Count(take)
    } else {
        Ask::Nothing(Some(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::EntryLine;
    use crate::identifier::CertificateNumber;

    const NUMBER: &str = "123-1230000001-000001";

    fn number() -> CertificateNumber {
        NUMBER.parse().unwrap()
    }

    fn line(entry_date: &str, weight: Option<&str>) -> NormalisedLine {
        EntryLine {
            entry_date: Some(entry_date.into()),
            certificate_number: Some(NUMBER.into()),
            net_weight_kg: weight.map(Into::into),
            ..EntryLine::default()
        }
        .normalise()
    }

    fn ask(line: &NormalisedLine, found: &[(Code, Severity)], read: bool) -> Ask {
        let policy = Policy::shipped();
        let judgement = Judgement {
            outcome: super::super::Outcome::Accept,
            phase: policy.phase_on(line.rules_date()),
            findings: found
                .iter()
                .map(|(code, severity)| Finding {
                    code: *code,
                    severity: *severity,
                    field: None,
                    details: Vec::new(),
                })
                .collect(),
            remedies: Vec::new(),
            certificate_version: read.then_some(1),
        };
        ask_of_ledger(line, &judgement, &policy, true)
    }

    #[test]
    fn findings_decide_how_a_line_draws() {
        use Severity::{Indeterminate, Info, Reject, Warning};
        let line = line("2025-10-01", Some("2.5"));
        let take = Take {
            number: number(),
            weight: Weight::from_units(25_000),
            may_exceed: false,
            may_reuse: false,
            beside_replaced: false,
        };
        for (found, expected) in [
            (vec![], Ask::Draw(take)),
            (
                vec![
                    (Code::CertificateLotUnknown, Warning),
                    (Code::RegistryStale, Info),
                ],
                Ask::Draw(take),
            ),
            // What the ledger itself decides.
            (
                vec![
                    (Code::CertificateAlreadyUsed, Reject),
                    (Code::CertificateQuantityExceeded, Reject),
                ],
                Ask::Draw(take),
            ),
            (vec![(Code::RegistryUnavailable, Indeterminate)], Ask::Count(take)),
            (
                vec![(Code::CertificateLotUnknown, Indeterminate)],
                Ask::Count(take),
            ),
            (vec![(Code::TreatmentProhibited, Reject)], Ask::Count(take)),
            (
                vec![
                    (Code::CertificateVoided, Reject),
                    (Code::TreatmentProhibited, Reject),
                ],
                Ask::Nothing(Some(number())),
            ),
            (
                vec![(Code::WrongMessageSet, Reject)],
                Ask::Nothing(Some(number())),
            ),
        ] {
            assert_eq!(ask(&line, &found, true), expected, "{found:?}");
        }
        let unread = [(Code::CertificateUnavailable, Indeterminate)];
        assert_eq!(ask(&line, &unread, false), Ask::Nothing(None));
    }

    #[test]
    fn the_phase_says_whether_a_line_may_exceed_or_reuse() {
        for (date, may) in [("2024-06-01", true), ("2025-10-01", false)] {
            let Ask::Draw(take) = ask(&line(date, Some("1")), &[], true) else {
                panic!("{date}");
            };
            assert_eq!((take.may_exceed, take.may_reuse), (may, may), "{date}");
        }
    }

    #[test]
    fn a_line_without_weight_uses_its_certificate() {
        let missing = [(Code::WeightMissing, Severity::Warning)];
        let line = line("2025-10-01", None);
        let take = Take {
            number: number(),
            weight: Weight::ZERO,
            may_exceed: true,
            may_reuse: false,
            beside_replaced: false,
        };
        assert_eq!(ask(&line, &missing, true), Ask::Draw(take));
        let rejected = [missing[0], (Code::TreatmentProhibited, Severity::Reject)];
        assert_eq!(ask(&line, &rejected, true), Ask::Nothing(Some(number())));
    }

    #[test]
    fn codes_of_the_certificate_stand_together() {
        let about: Vec<&str> = Code::ALL
            .iter()
            .filter(|code| code.is_about_certificate())
            .map(|code| code.as_str())
            .collect();
        assert_eq!(about.len(), 37);
        let of_others = |code: &&str| {
            [
                "IMPORTER_",
                "EXPORTER_",
                "REGISTRY_",
                "HTS_NOT",
                "TREATMENT_",
                "ENTRY_",
                "LINE_",
                "DISCLAIMER_",
            ]
            .iter()
            .any(|start| code.starts_with(start))
        };
        assert!(!about.iter().any(of_others));
    }
}
