//! What is known about the lines of one batch: loaded before the rules run.

use std::sync::Arc;

use nopic_cache::StatusView;
use nopic_domain::certificate::CertificateView;
use nopic_domain::date::Date;
use nopic_domain::decision::Evidence;
use nopic_domain::flags::FlagTable;
use nopic_domain::identifier::{CertificateNumber, CertifierId, EntryNumber, NopId};
use nopic_domain::policy::Policy;
use nopic_domain::registry::Timeline;
use nopic_domain::rules::{Answer, Knowledge, RecordedDraw, RegistryState};

use crate::importer_links::LinksOfLines;
use crate::upstream::CertificateAnswers;

/// Everything that verdicts on a batch rest on.
pub(crate) struct Known {
    pub(crate) policy: Arc<Policy>,
    pub(crate) flags: Arc<FlagTable>,
    pub(crate) registry: Option<StatusView>,
    pub(crate) certificates: CertificateAnswers,
    pub(crate) links: LinksOfLines,
    /// What all verdicts of the batch share.
    pub(crate) evidence: Arc<Evidence>,
}

impl Knowledge for Known {
    fn certificate(&self, number: CertificateNumber) -> Answer<&CertificateView> {
        self.certificates.certificate(number)
    }

    fn recorded_draws(&self, number: CertificateNumber, entry: &EntryNumber) -> &[RecordedDraw] {
        self.certificates.recorded_draws(number, entry)
    }

    fn registry(&self) -> Option<RegistryState> {
        self.registry.as_ref().map(|view| RegistryState {
            revision: view.revision(),
            published_on: view.published_on(),
        })
    }

    fn operation(&self, id: NopId) -> Option<&Timeline> {
        self.registry.as_ref()?.timeline(id)
    }

    fn linked_importer(&self, importer_of_record: &str) -> Option<NopId> {
        self.links.operation(importer_of_record)
    }

    fn issues_for(&self, certifier: CertifierId) -> bool {
        self.certificates.issues_for(certifier)
    }

    fn filing_day(&self) -> Option<Date> {
        // What is filed is judged by its frozen inputs, which know their day.
        None
    }
}
