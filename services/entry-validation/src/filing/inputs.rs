//! What the verdicts of a filing rest on, by value: frozen before anything is written, thawed whenever they are needed
//! again, so that a filing that was interrupted ends as it would have, and a verdict can be proved years later.

use std::sync::Arc;

use nopic_domain::certificate::CertificateView;
use nopic_domain::date::parse_iso;
use nopic_domain::entry::{EntryLine, NormalisedLine};
use nopic_domain::flags::FlagTable;
use nopic_domain::identifier::{CertificateNumber, EntryNumber, NopId};
use nopic_domain::policy::Policy;
use nopic_domain::registry::Timeline;
use nopic_domain::rules::{Answer, Knowledge, RecordedDraw, RegistryState, certificate_number};
use nopic_proto::entry_validation as wire;
use nopic_sql::Error;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::importer_links::link_key;
use crate::knowledge::Known;

/// Fills in what is known about the lines.
pub(super) fn freeze(inputs: &mut wire::FilingInputs, lines: &[NormalisedLine], known: &Known) {
    let evidence = &known.evidence;
    inputs.rules_version.clone_from(&evidence.rules_version);
    inputs.policy_version.clone_from(&evidence.policy_version);
    inputs.flags_version.clone_from(&evidence.flags_version);
    inputs.registry_revision = evidence.registry_revision;
    inputs
        .registry_published_on
        .clone_from(&evidence.registry_published_on);
    let mut certificates: FxHashMap<CertificateNumber, CertificateView> = FxHashMap::default();
    let mut links: FxHashMap<String, NopId> = FxHashMap::default();
    let mut parties: FxHashSet<NopId> = FxHashSet::default();
    inputs.certificates_unavailable = false;
    for line in lines {
        if let Some(number) = certificate_number(line) {
            match known.certificate(number) {
                Answer::Found(view) => {
                    parties.insert(view.certificate.importer_nop_id);
                    parties.insert(view.certificate.exporter_nop_id);
                    certificates.entry(number).or_insert_with(|| view.clone());
                }
                Answer::Absent => {}
                Answer::Unavailable => inputs.certificates_unavailable = true,
            }
        }
        if let Some(importer_of_record) = &line.importer_of_record
            && let Some(nop_id) = known.linked_importer(importer_of_record)
        {
            parties.insert(nop_id);
            links.insert(link_key(importer_of_record).into_owned(), nop_id);
        }
        let given = [&line.importer_nop_id, &line.exporter_nop_id];
        parties.extend(given.into_iter().flatten().filter_map(|text| NopId::parse(text)));
    }
    inputs.certificates = sorted(certificates)
        .into_iter()
        .map(|(_, view)| view.into())
        .collect();
    inputs.importers = sorted(links)
        .into_iter()
        .map(|(importer_of_record, nop_id)| wire::ImporterOfRecord {
            importer_of_record,
            nop_id: nop_id.number(),
        })
        .collect();
    let mut parties: Vec<NopId> = parties.into_iter().collect();
    parties.sort_unstable();
    inputs.operations = parties
        .into_iter()
        .filter_map(|id| Some((id, known.operation(id)?)))
        .map(|(id, timeline)| wire::OperationTimeline {
            nop_id: id.number(),
            // A timeline is texts and dates, which always have a form in JSON.
            timeline: serde_json::to_vec(timeline).unwrap_or_default().into(),
        })
        .collect();
}

/// In one order always: equal inputs are equal bytes.
fn sorted<K: Ord, V>(map: FxHashMap<K, V>) -> Vec<(K, V)> {
    let mut pairs: Vec<(K, V)> = map.into_iter().collect();
    pairs.sort_unstable_by(|left, right| left.0.cmp(&right.0));
    pairs
}

/// Frozen inputs, ready to be asked.
pub(super) struct Thawed {
    pub(super) policy: Arc<Policy>,
    pub(super) flags: Arc<FlagTable>,
    pub(super) evidence: wire::Evidence,
    pub(super) lines: Vec<NormalisedLine>,
    registry: Option<RegistryState>,
    certificates: FxHashMap<CertificateNumber, CertificateView>,
    certificates_unavailable: bool,
    operations: FxHashMap<NopId, Timeline>,
    links: FxHashMap<String, NopId>,
}

fn corrupt(detail: impl ToString) -> Error {
    Error::corrupt("filing.inputs", detail)
}

impl Thawed {
    pub(super) fn new(
        inputs: &wire::FilingInputs,
        policy: Arc<Policy>,
        flags: Arc<FlagTable>,
    ) -> Result<Self, Error> {
        let nop_id = |number| NopId::from_number(number).ok_or_else(|| corrupt(number));
        let published_on = &inputs.registry_published_on;
        Ok(Self {
            evidence: wire::Evidence {
                policy: String::new(),
                policy_version: inputs.policy_version.clone(),
                rules_version: inputs.rules_version.clone(),
                flags_version: inputs.flags_version.clone(),
                registry_revision: inputs.registry_revision,
                registry_published_on: published_on.clone(),
                certificate_version: None,
            },
            policy,
            flags,
            // What was frozen was normalised, and stays so when it is normalised again.
            lines: inputs
                .lines
                .iter()
                .cloned()
                .map(|line| EntryLine::from(line).normalise())
                .collect(),
            registry: inputs.registry_revision.map(|revision| RegistryState {
                revision,
                published_on: parse_iso(published_on),
            }),
            certificates: inputs
                .certificates
                .iter()
                .cloned()
                .map(|view| {
                    let view = CertificateView::try_from(view).map_err(corrupt)?;
                    Ok((view.certificate.number, view))
                })
                .collect::<Result<_, Error>>()?,
            certificates_unavailable: inputs.certificates_unavailable,
            operations: inputs
                .operations
                .iter()
                .map(|operation| {
                    let timeline = serde_json::from_slice(&operation.timeline).map_err(corrupt)?;
                    Ok((nop_id(operation.nop_id)?, timeline))
                })
                .collect::<Result<_, Error>>()?,
            links: inputs
                .importers
                .iter()
                .map(|importer| Ok((importer.importer_of_record.clone(), nop_id(importer.nop_id)?)))
                .collect::<Result<_, Error>>()?,
        })
    }

    /// The certificate as it was read.
    pub(super) fn view(&self, number: CertificateNumber) -> Option<&CertificateView> {
        self.certificates.get(&number)
    }

    /// Every certificate that was read.
    pub(super) fn views(&self) -> impl Iterator<Item = &CertificateView> {
        self.certificates.values()
    }
}

impl Knowledge for Thawed {
    fn certificate(&self, number: CertificateNumber) -> Answer<&CertificateView> {
        match self.certificates.get(&number) {
            Some(view) => Answer::Found(view),
            None if self.certificates_unavailable => Answer::Unavailable,
            None => Answer::Absent,
        }
    }

    fn recorded_draws(&self, _: CertificateNumber, _: &EntryNumber) -> &[RecordedDraw] {
        // The ledger knows them, and is asked before anything is decided.
        &[]
    }

    fn registry(&self) -> Option<RegistryState> {
        self.registry
    }

    fn operation(&self, id: NopId) -> Option<&Timeline> {
        self.operations.get(&id)
    }

    fn linked_importer(&self, importer_of_record: &str) -> Option<NopId> {
        self.links.get(link_key(importer_of_record).as_ref()).copied()
    }
}
