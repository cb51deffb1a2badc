//! Rule 5: the certificate, and what is left of it.

use std::sync::Arc;

use crate::certificate::{Certificate, CertificateKind, CertificateStatus, CertificateView};
use crate::finding::{Code, Detail, FiledList, Finding, Severity};
use crate::identifier::{CertificateNumber, country_code};
use crate::weight::Weight;

use super::{Answer, Case, Entry, Knowledge};

impl<K: Knowledge> Case<'_, K> {
    /// Every finding about the certificate. Afterwards the line takes its weight, unless something rejects it.
    pub(super) fn certificate(
        &mut self,
        number: CertificateNumber,
        answer: Answer<&CertificateView>,
        entry: Entry<'_>,
    ) {
        let view = match answer {
            Answer::Found(view) => view,
            Answer::Absent => return self.certificate_not_found(number),
            Answer::Unavailable => {
                self.findings
                    .add(Code::CertificateUnavailable, vec![("number", number.into())]);
                return;
            }
        };
        let certificate = &view.certificate;
        self.status_of_certificate(certificate);
        self.dates_of_certificate(certificate);
        self.goods_of_certificate(certificate);
        if certificate.kind == CertificateKind::SingleShipment
            && view.drawn_by.include_other_than(&self.checked.entry_number)
        {
            // Whose entry it is, is not this caller's business.
            let details = vec![("number", number.into()), ("entry", "another entry".into())];
            self.findings.add(Code::CertificateAlreadyUsed, details);
        }
        self.quantity(view, entry);
    }

    fn certificate_not_found(&mut self, number: CertificateNumber) {
        let certifier = number.certifier();
        let partial = !self.policy.is_complete(certifier) && !self.knowledge.issues_for(certifier);
        let coverage = if partial {
            " Our copy of this certifier's certificates is not complete: look the number up in the Organic INTEGRITY \
             Database."
        } else {
            ""
        };
        self.findings.add(
            Code::CertificateNotFound,
            vec![("number", number.into()), ("coverage", coverage.into())],
        );
        if partial && let Some(Finding { severity, .. }) = self.findings.list.last_mut() {
            *severity = Severity::Indeterminate;
        }
    }

    fn status_of_certificate(&mut self, certificate: &Certificate) {
        // Made only where something is found: an accepted line allocates nothing.
        let number = || ("number", Detail::from(certificate.number));
        match certificate.status {
            CertificateStatus::Issued => {}
            CertificateStatus::Voided => self.findings.add(Code::CertificateVoided, vec![number()]),
            CertificateStatus::Superseded => {
                let successor = certificate
                    .superseded_by
                    .map_or_else(|| "another certificate".into(), Detail::from);
                self.findings.add(
                    Code::CertificateSuperseded,
                    vec![number(), ("successor", successor)],
                );
            }
            CertificateStatus::Draft
            | CertificateStatus::Requested
            | CertificateStatus::UnderReview
            | CertificateStatus::Rejected => {
                let status = certificate.status.as_str().into();
                self.findings
                    .add(Code::CertificateNotIssued, vec![number(), ("status", status)]);
            }
        }
        if certificate.number.certifier() != certificate.certifier_id
            || certificate.number.operation() != certificate.exporter_nop_id
        {
            let details = vec![
                ("number", certificate.number.into()),
                ("certifier", certificate.certifier_id.into()),
                ("exporter", certificate.exporter_nop_id.into()),
            ];
            self.findings.add(Code::CertificateNumberInconsistent, details);
        }
    }

    fn dates_of_certificate(&mut self, certificate: &Certificate) {
        let date = self.checked.export_date.unwrap_or(self.checked.entry_date);
        let details = |name: &'static str, bound: crate::date::Date| {
            vec![
                ("number", certificate.number.into()),
                (name, bound.into()),
                ("date", date.into()),
            ]
        };
        if let Some(from) = certificate.valid_from
            && date < from
        {
            self.findings
                .add(Code::CertificateNotYetValid, details("from", from));
        }
        if let Some(to) = certificate.valid_to
            && date > to
        {
            self.findings.add(Code::CertificateExpired, details("to", to));
        }
        if let (Some(issued), Some(exported)) = (certificate.issued_on, self.checked.export_date)
            && issued > exported
        {
            self.findings
                .add(Code::CertificateIssuedAfterExport, details("issued", issued));
        }
    }

    fn goods_of_certificate(&mut self, certificate: &Arc<Certificate>) {
        let number = certificate.number;
        let importer = self.given_importer();
        let origin_differs = self.checked.country_of_origin.is_some_and(|country| {
            !certificate.countries_of_origin.is_empty() && !self.lists_country(certificate, country)
        });
        let mut differs = |code, expected: Detail, found: Detail| {
            let details = vec![
                ("number", number.into()),
                ("expected", expected),
                ("found", found),
            ];
            self.findings.add(code, details);
        };
        let found = self.checked.hts_code;
        if !certificate.hts_code.same_subheading(&found) {
            differs(
                Code::CertificateHtsMismatch,
                certificate.hts_code.into(),
                found.into(),
            );
        } else if certificate.hts_code.differs_in_common_digits(&found) {
            differs(
                Code::CertificateHtsSuffixDiffers,
                certificate.hts_code.into(),
                found.into(),
            );
        }
        if let Some(importer) = importer
            && importer != certificate.importer_nop_id
        {
            let expected = certificate.importer_nop_id.into();
            differs(Code::CertificateImporterMismatch, expected, importer.into());
        }
        if let Some(exporter) = self.checked.exporter
            && exporter != certificate.exporter_nop_id
        {
            let expected = certificate.exporter_nop_id.into();
            differs(Code::CertificateExporterMismatch, expected, exporter.into());
        }
        if let Some(origin) = self.line.country_of_origin.as_ref().filter(|_| origin_differs) {
            let expected = Arc::clone(certificate).into();
            let found = Detail::Text(origin.as_str().into());
            differs(Code::CertificateOriginMismatch, expected, found);
        }
        self.lots(certificate);
    }

    /// Whether a certificate lists a country, or a province of it.
    fn lists_country(&self, certificate: &Certificate, country: [u8; 2]) -> bool {
        let listed = &certificate.countries_of_origin;
        let is_province = |listed: &String| {
            country_code(listed).is_some_and(|code| self.policy.country_of(code) == country)
        };
        listed.iter().any(|listed| listed.as_bytes() == country) || listed.iter().any(is_province)
    }

    fn lots(&mut self, certificate: &Certificate) {
        let is_listed = |lot: &String| certificate.lots.iter().any(|listed| same_lot(listed, lot));
        if certificate.lots.is_empty() {
            return;
        }
        let unknown = self.line.lots.iter().filter(|lot| !is_listed(lot));
        let Some(unknown) = FiledList::of(unknown.map(String::as_str)) else {
            return;
        };
        let details = vec![("number", certificate.number.into()), ("lots", unknown.into())];
        self.findings.add(Code::CertificateLotUnknown, details);
    }

    fn quantity(&mut self, view: &CertificateView, entry: Entry<'_>) {
        let certificate = &*view.certificate;
        let number = certificate.number;
        let Some(weight) = self.checked.weight else {
            self.findings
                .add(Code::WeightMissing, vec![("number", number.into())]);
            return;
        };
        let replaces = entry.begins_anew || self.line.replaces();
        let this_line = (self.line.line_number, self.line.pga_line_number());
        let given_back = self
            .knowledge
            .recorded_draws(number, &self.checked.entry_number)
            .iter()
            .filter(|draw| {
                let key = (draw.line_number, draw.pga_line_number);
                replaces || key == this_line || entry.present.contains_key(&key)
            })
            .fold(Weight::ZERO, |sum, draw| sum.saturating_add(draw.weight));
        let taken_before = entry
            .taken
            .as_ref()
            .and_then(|taken| taken.get(&number))
            .copied()
            .unwrap_or_default();
        let left = certificate
            .total_weight_kg
            .saturating_add(self.policy.tolerance_of(certificate.total_weight_kg))
            .saturating_sub(view.drawn.saturating_sub(given_back))
            .saturating_sub(taken_before);
        if weight > left {
            let details = vec![
                ("number", number.into()),
                ("weight", weight.into()),
                ("left", left.max(Weight::ZERO).into()),
            ];
            self.findings.add(Code::CertificateQuantityExceeded, details);
        }
        if let Some(taken) = entry.taken
            && !self.findings.certificate_rejects()
        {
            let sum = taken.entry(number).or_default();
            *sum = sum.saturating_add(weight);
        }
    }
}

/// Lots are compared without regard to case.
fn same_lot(listed: &str, lot: &str) -> bool {
    listed.eq_ignore_ascii_case(lot)
        || (!(listed.is_ascii() && lot.is_ascii()) && folded(listed).eq(folded(lot)))
}

/// Letter by letter to lower and then to upper case: `ß` is `ẞ` and `SS`, and `ς` is `Σ` wherever it stands.
fn folded(text: &str) -> impl Iterator<Item = char> {
    text.chars()
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
}

#[cfg(test)]
mod tests {
    use super::same_lot;

    #[test]
    fn lots_are_compared_without_regard_to_case() {
        for (listed, lot) in [
            ("Lot-7a", "LOT-7A"),
            ("ΛΟΤΟΣ", "λοτος"),
            ("λοτοσ", "ΛΟΤΟΣ"),
            ("Straße", "STRASSE"),
            ("É-1", "é-1"),
        ] {
            assert!(same_lot(listed, lot), "{listed} {lot}");
        }
        assert!(!same_lot("É-1", "E-1"));
        assert!(!same_lot("L-1", "L-10"));
    }
}
