//! What happened to the goods since export: the importer's verification, and notices.

use super::{Gap, GapCode, Gaps, Level, Tell, is_about, of_lines, standing};
use crate::identifier::CertifierId;
use crate::trail::{Claim, Line, Trail};

/// What is stated of one line.
#[derive(Debug, Clone, Copy, Default)]
struct Stated {
    /// By the line or a statement.
    verified: bool,
    /// Contact, as the line says; a line that says nothing says neither.
    line_contact: bool,
    line_denies: bool,
    /// Contact, as a statement says.
    statement_contact: bool,
    statement_denies: bool,
    notice: bool,
}

impl Stated {
    const fn is_contact(self) -> bool {
        self.line_contact || self.statement_contact
    }

    const fn contradicts(self) -> bool {
        self.is_contact() && (self.line_denies || self.statement_denies)
    }
}

fn stated(trail: &Trail, line: &Line) -> Stated {
    let mut stated = Stated::default();
    if let Some(treatment) = line.treatment {
        let said = [treatment.prohibited_substance, treatment.irradiated];
        stated.verified = treatment.verified == Some(true);
        stated.line_contact = said.contains(&Some(true));
        stated.line_denies = said == [Some(false); 2];
        stated.notice = treatment.emergency_action_notice == Some(true);
    }
    for statement in standing(&trail.statements).filter(|statement| is_about(&statement.content.lines, line))
    {
        match statement.content.claim {
            Claim::Verification {
                prohibited_substance,
                ionizing_radiation,
            } => {
                let contact = prohibited_substance || ionizing_radiation;
                stated.verified = true;
                stated.statement_contact |= contact;
                stated.statement_denies |= !contact;
            }
            Claim::EmergencyActionNotice { .. } => stated.notice = true,
            Claim::CertifierTold { .. } => {}
        }
    }
    stated
}

pub(super) fn look(trail: &Trail, lines: &[&Line], gaps: &mut Gaps) {
    let stated: Vec<(&Line, Stated)> = lines.iter().map(|line| (*line, stated(trail, line))).collect();
    let of = |matches: &dyn Fn(Stated) -> bool| -> Vec<&Line> {
        stated
            .iter()
            .filter(|(_, stated)| matches(*stated))
            .map(|(line, _)| *line)
            .collect()
    };
    gaps.add_about(
        GapCode::VerificationMissing,
        &of(&|stated| !stated.verified),
        "The importer has not stated that it verified that the goods met no prohibited substance and no ionizing \
         radiation since export.",
        "Let the importer verify it and record it with `nopic entry statement --kind verification`.",
    );
    gaps.add_about(
        GapCode::TreatmentProhibited,
        &of(&Stated::is_contact),
        "The goods met a prohibited substance or ionizing radiation after export, so they are no longer organic.",
        "Do not sell them as organic; tell the certifier.",
    );
    gaps.add_about(
        GapCode::VerificationContradicted,
        &of(&Stated::contradicts),
        "One record says that the goods met a prohibited substance or ionizing radiation, another that they did not.",
        "Find out which is right; withdraw the wrong statement or amend the entry.",
    );
    let noticed = of(&|stated| stated.notice);
    if !noticed.is_empty() {
        gaps.found.push(notice(trail, &noticed));
    }
}

fn notice(trail: &Trail, lines: &[&Line]) -> Gap {
    let tell = certifiers(trail, lines);
    let left: Vec<String> = tell
        .iter()
        .filter(|tell| !tell.was_told)
        .map(|tell| tell.certifier_id.to_string())
        .collect();
    let what_to_do = match left.as_slice() {
        [] if tell.is_empty() => {
            "No certificate and no importer is known: find the certifiers and tell them before the goods are treated."
                .to_owned()
        }
        [] => "Every certifier was told: follow what they answer.".to_owned(),
        left => format!(
            "The importer must tell its certifier before the goods are treated: tell {} and record it with `nopic \
             entry statement --kind certifier-told`.",
            left.join(", ")
        ),
    };
    Gap {
        code: GapCode::EmergencyActionNotice,
        level: Level::Finding,
        about: of_lines(lines),
        message: "An Emergency Action Notice was issued for the goods.".to_owned(),
        what_to_do,
        source: GapCode::EmergencyActionNotice.source().to_owned(),
        tell,
    }
}

/// The importer's certifier first, then those of the certificates and exporters, each once with every reason.
fn certifiers(trail: &Trail, lines: &[&Line]) -> Vec<Tell> {
    let mut tell: Vec<(CertifierId, Vec<String>)> = Vec::new();
    let mut add = |certifier: CertifierId, because: String| {
        let position = tell.iter().position(|(known, _)| *known == certifier);
        match position.and_then(|position| tell.get_mut(position)) {
            Some((_, reasons)) if reasons.contains(&because) => {}
            Some((_, reasons)) => reasons.push(because),
            None => tell.push((certifier, vec![because])),
        }
    };
    for line in lines {
        if let Some(importer) = trail.importer_of(line) {
            add(
                importer.certifier(),
                format!("certifies the importer {importer}, by its number"),
            );
        }
    }
    for line in lines {
        if let Some(certificate) = trail.certificate_of(line) {
            add(
                certificate.certifier_id,
                format!("issued the certificate {}", certificate.number),
            );
        }
        if let Some(exporter) = trail.exporter_of(line) {
            add(
                exporter.certifier(),
                format!("certifies the exporter {exporter}, by its number"),
            );
        }
    }
    let was_told = |certifier: CertifierId| {
        standing(&trail.statements).any(|statement| {
            statement.content.claim
                == Claim::CertifierTold {
                    certifier_id: certifier,
                }
        })
    };
    tell.into_iter()
        .map(|(certifier_id, reasons)| Tell {
            certifier_id,
            because: reasons.join("; "),
            was_told: was_told(certifier_id),
        })
        .collect()
}
