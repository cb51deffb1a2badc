//! What the policy says on a date.

use nopic_domain::date::{Date, Period};
use nopic_domain::finding::Code;
use nopic_domain::policy::{Policy, Remedy};
use nopic_domain::rules::RULES_VERSION;
use nopic_proto::convert::entry_validation::code_number;
use nopic_proto::entry_validation as wire;
use wire::finding::Severity;
use wire::verdict::Remedy as WireRemedy;

pub(super) fn explain(policy: &Policy, on: Date) -> wire::ExplainPolicyResponse {
    let index = policy.phase_on(Some(on));
    let phase = policy.phase(index);
    let (phase_from, phase_to) = bounds(phase.period);
    let codes = Code::ALL
        .iter()
        .map(|code| {
            let rule = policy.code(*code);
            wire::CodeExplanation {
                code: code_number(*code),
                severity: Severity::from(policy.severity(*code, index, Some(on))).into(),
                field: rule.field.clone(),
                sentence: rule.sentence.clone(),
                remedy: rule.remedy.clone(),
                citation: rule.citation.clone(),
            }
        })
        .collect();
    let special_codes = policy
        .special_codes()
        .iter()
        .map(|special| {
            let (from, to) = bounds(special.period);
            wire::SpecialCode {
                code: special.code.clone(),
                effect: special.effect.as_str().to_owned(),
                from,
                to,
                in_force: special.period.contains(on),
            }
        })
        .collect();
    let mut arrangement_countries: Vec<String> = policy
        .arrangements()
        .iter()
        .filter(|arrangement| arrangement.period.contains(on))
        .flat_map(|arrangement| &arrangement.countries)
        .map(|country| String::from_utf8_lossy(country).into_owned())
        .collect();
    arrangement_countries.sort_unstable();
    let remedies = if policy.has_remedies(index) {
        let disposals = policy
            .remedies()
            .iter()
            .filter(|disposition| policy.disposition(**disposition).period.contains(on))
            .map(|disposition| Remedy::Dispose(*disposition));
        std::iter::once(Remedy::CorrectAndRefile)
            .chain(disposals)
            .map(|remedy| WireRemedy::from(remedy).into())
            .collect()
    } else {
        Vec::new()
    };
    wire::ExplainPolicyResponse {
        policy_version: policy.version().to_owned(),
        rules_version: RULES_VERSION.to_owned(),
        phase: phase.name.clone(),
        phase_from,
        phase_to,
        codes,
        special_codes,
        arrangement_countries,
        tolerance_percent: policy.tolerance_percent().to_owned(),
        stale_after_days: policy.stale_after_days(),
        remedies,
        filing_days_before: policy.filing_span().days_before,
        filing_days_after: policy.filing_span().days_after,
        complete_certifiers: policy
            .complete_certifiers()
            .iter()
            .map(ToString::to_string)
            .collect(),
    }
}

/// First and last day as texts; an open end is empty.
fn bounds(period: Period) -> (String, String) {
    let text = |date: Option<Date>| date.map(|date| date.to_string()).unwrap_or_default();
    (text(period.from), text(period.to))
}
