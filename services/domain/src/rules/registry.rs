//! Rule 6: importer and exporter in the registry.

use crate::certificate::CertificateView;
use crate::date::Date;
use crate::finding::{Code, Detail};
use crate::identifier::NopId;
use crate::registry::{Scope, Status, StatusOnDate, Timeline};

use super::{Answer, Case, Knowledge};

/// What the registry says of an operation on a date.
enum Standing<'a> {
    Certified(&'a Timeline),
    NotCertified(&'a Status),
    NotListed,
    Unknown,
}

impl<K: Knowledge> Case<'_, K> {
    pub(super) fn registry(&mut self, certificate: Answer<&CertificateView>) {
        let importer = self.importer(certificate);
        let Some(registry) = self.knowledge.registry() else {
            self.findings.add(Code::RegistryUnavailable, Vec::new());
            return;
        };
        if let Some(importer) = importer {
            self.standing_of_importer(importer);
        }
        let exporter = self.checked.exporter.or(match certificate {
            Answer::Found(view) => Some(view.certificate.exporter_nop_id),
            Answer::Absent | Answer::Unavailable => None,
        });
        if let Some(exporter) = exporter {
            self.standing_of_exporter(exporter);
        }
        self.staleness(registry.published_on);
    }

    /// The importer that is judged, and what had to be assumed.
    fn importer(&mut self, certificate: Answer<&CertificateView>) -> Option<NopId> {
        if let Some(given) = self.given_importer() {
            return Some(given);
        }
        match certificate {
            Answer::Found(view) => {
                let importer = view.certificate.importer_nop_id;
                let details = vec![
                    ("importer", importer.into()),
                    ("number", view.certificate.number.into()),
                ];
                self.findings.add(Code::ImporterAssumed, details);
                Some(importer)
            }
            Answer::Absent => {
                self.findings.add(Code::ImporterUnresolved, Vec::new());
                None
            }
            Answer::Unavailable => None,
        }
    }

    fn standing(&self, operation: NopId, date: Date) -> Standing<'_> {
        let Some(timeline) = self.knowledge.operation(operation) else {
            return Standing::NotListed;
        };
        match timeline.status_on(date) {
            StatusOnDate::Known(Status::Certified) => Standing::Certified(timeline),
            StatusOnDate::Known(Status::Unlisted) => Standing::NotListed,
            StatusOnDate::Known(status @ Status::Other(_)) => Standing::NotCertified(status),
            StatusOnDate::Unknown => Standing::Unknown,
        }
    }

    fn standing_of_importer(&mut self, importer: NopId) {
        let date = self.checked.entry_date;
        let mut detail = None;
        let code = match self.standing(importer, date) {
            Standing::Certified(timeline) => {
                if !timeline.ever_stated(Scope::Handling)
                    || timeline.scope_on(Scope::Handling, date) == Some(&Status::Certified)
                {
                    return;
                }
                Code::ImporterNotAHandler
            }
            Standing::NotCertified(status) => {
                detail = Some(("status", Detail::Text(status.as_str().into())));
                Code::ImporterNotCertified
            }
            Standing::NotListed => Code::ImporterNotListed,
            Standing::Unknown => Code::ImporterStatusUnknown,
        };
        self.about_operation(code, "importer", importer, date, detail);
    }

    fn standing_of_exporter(&mut self, exporter: NopId) {
        let date = self.checked.export_date.unwrap_or(self.checked.entry_date);
        let mut detail = None;
        let code = match self.standing(exporter, date) {
            Standing::Certified(_) => return,
            Standing::NotCertified(status) => {
                detail = Some(("status", Detail::Text(status.as_str().into())));
                Code::ExporterNotCertified
            }
            Standing::NotListed => {
                let country = self.checked.country_of_export.or(self.checked.country_of_origin);
                let filed = (self.line.country_of_export.as_ref()).or(self.line.country_of_origin.as_ref());
                match (country, filed) {
                    (Some(country), Some(filed)) if self.policy.has_arrangement(country, date) => {
                        detail = Some(("country", Detail::Text(filed.as_str().into())));
                        Code::ExporterNotVerifiable
                    }
                    _ => Code::ExporterNotListed,
                }
            }
            Standing::Unknown => Code::ExporterStatusUnknown,
        };
        self.about_operation(code, "exporter", exporter, date, detail);
    }

    /// Adds a finding about an operation. Its texts are made only here: one that is in order costs none.
    fn about_operation(
        &mut self,
        code: Code,
        role: &'static str,
        operation: NopId,
        date: Date,
        detail: Option<(&'static str, Detail)>,
    ) {
        let mut details = vec![(role, operation.into()), ("date", date.into())];
        details.extend(detail);
        self.findings.add(code, details);
    }

    fn staleness(&mut self, published_on: Option<Date>) {
        let date = self.checked.entry_date;
        let days = self.policy.stale_after_days();
        let is_stale = published_on.is_none_or(|published| (date - published).num_days() > i64::from(days));
        if is_stale {
            let published = published_on.map_or_else(|| "no known date".into(), Detail::from);
            let details = vec![
                ("published", published),
                ("date", date.into()),
                ("days", days.into()),
            ];
            self.findings.add(Code::RegistryStale, details);
        }
    }
}
