//! Who imports, and whether the goods are organic, by what a line says: asked by the rules, by decisions and by trails.

use super::{Answer, Judgement, Knowledge, certificate_number};
use crate::entry::{Declaration, NormalisedLine};
use crate::finding::{Code, Finding, Severity};
use crate::identifier::NopId;
use crate::policy::Policy;

/// The importer that a line gives itself, or that the tenant linked to its importer of record.
pub fn given_importer(line: &NormalisedLine, linked: impl FnOnce(&str) -> Option<NopId>) -> Option<NopId> {
    match &line.importer_nop_id {
        Some(given) => NopId::parse(given),
        None => linked(line.importer_of_record.as_deref()?),
    }
}

/// The importer that is judged: given, linked, or the certificate's.
pub fn importer(line: &NormalisedLine, knowledge: &impl Knowledge) -> Option<NopId> {
    let given = given_importer(line, |number| knowledge.linked_importer(number));
    if given.is_some() || line.importer_nop_id.is_some() {
        return given;
    }
    match knowledge.certificate(certificate_number(line)?) {
        Answer::Found(view) => Some(view.certificate.importer_nop_id),
        Answer::Absent | Answer::Unavailable => None,
    }
}

/// Whether a line with findings of these codes declares organic goods, or must.
pub fn is_organic(line: &NormalisedLine, codes: impl IntoIterator<Item = Code>) -> bool {
    let declares =
        matches!(line.message_set.as_deref(), Some("OR1" | "OR2")) && line.disclaimer_code.is_none();
    let must = |code| matches!(code, Code::PgaDataMissing | Code::DisclaimerNotAllowed);
    declares || line.organic_claim == Some(true) || codes.into_iter().any(must)
}

/// Whether a line declares organic goods by an electronic number of a certificate against which nothing stands: no finding
/// about the number, the certificate or the parties would reject or be unknown in the policy's last phase, whenever the line
/// was entered.
#[must_use]
pub fn has_valid_certificate(line: &NormalisedLine, judgement: &Judgement, policy: &Policy) -> bool {
    let strictest = policy.last_phase();
    let stands = |finding: &Finding| {
        finding.code.is_of_certificate_or_registry()
            && (finding.severity == Severity::Indeterminate
                || policy.severity(finding.code, strictest, line.rules_date()) >= Severity::Indeterminate)
    };
    line.declaration() == Declaration::Organic
        && judgement.certificate_version.is_some()
        && !judgement.findings.iter().any(stands)
}
