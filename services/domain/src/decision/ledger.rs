//! What a filing asks of the ledger, and what the ledger answers.

use rustc_hash::FxHashMap;

use super::Inputs;
use crate::certificate::{CertificateView, DrawnBy};
use crate::date::Date;
use crate::identifier::{CertificateNumber, CertifierId, EntryNumber, NopId};
use crate::ledger::{LineDraw, LineOutcome};
use crate::registry::Timeline;
use crate::rules::{Answer, Knowledge, RecordedDraw, RegistryState};
use crate::weight::Weight;

/// What a filing asks of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draws {
    /// Each entry that has the number of one.
    pub entries: Vec<EntryAsk>,
    /// Every certificate that was read, in the order of their numbers.
    pub certificates: Vec<JudgedCertificate>,
}

/// What one version of an entry asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryAsk {
    /// The entry.
    pub entry_number: String,
    /// The version that draws.
    pub version: u32,
    /// Whether lines that are not named keep what they drew.
    pub keep_other_lines: bool,
    /// In their order; each line once.
    pub lines: Vec<LineDraw>,
}

/// A certificate at the version that lines were judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JudgedCertificate {
    /// Which.
    pub number: CertificateNumber,
    /// Its version.
    pub version: u32,
    /// What the policy permits on top of its total.
    pub tolerance: Weight,
}

/// What the ledger answered about an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntryAnswer {
    /// One for each line that was asked for, in order; none where the ledger was not needed.
    pub lines: Vec<LineOutcome>,
    /// The certificates that the entry names, as they stood before it.
    pub states: Vec<LedgerState>,
}

/// A certificate's ledger before an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerState {
    /// The certificate.
    pub number: CertificateNumber,
    /// Sum of all draws, those of the entry included.
    pub drawn: Weight,
    /// Which entries drew.
    pub drawn_by: DrawnBy,
    /// What the entry had drawn before.
    pub own_draws: Vec<RecordedDraw>,
}

/// What is known about one entry: the frozen inputs, with the ledger as it stood before it.
pub(super) struct OfEntry<'a> {
    inputs: &'a Inputs,
    states: FxHashMap<CertificateNumber, (CertificateView, Vec<RecordedDraw>)>,
}

impl<'a> OfEntry<'a> {
    pub(super) fn new(inputs: &'a Inputs, answer: &EntryAnswer) -> Self {
        let mut states = FxHashMap::default();
        for state in &answer.states {
            let Some(view) = inputs.certificates.get(&state.number) else {
                continue;
            };
            let mut own = state.own_draws.clone();
            let mut drawn = state.drawn;
            if inputs.amends() {
                // All of it is given back, whatever action the lines state.
                drawn = own
                    .iter()
                    .fold(drawn, |drawn, draw| drawn.saturating_sub(draw.weight));
                own.clear();
            }
            let view = CertificateView {
                drawn,
                drawn_by: state.drawn_by,
                ..view.clone()
            };
            states.insert(state.number, (view, own));
        }
        Self { inputs, states }
    }
}

impl Knowledge for OfEntry<'_> {
    fn certificate(&self, number: CertificateNumber) -> Answer<&CertificateView> {
        match self.states.get(&number) {
            Some((view, _)) => Answer::Found(view),
            None => self.inputs.certificate(number),
        }
    }

    fn recorded_draws(&self, number: CertificateNumber, _: &EntryNumber) -> &[RecordedDraw] {
        self.states.get(&number).map_or(&[], |(_, own)| own)
    }

    fn registry(&self) -> Option<RegistryState> {
        self.inputs.registry()
    }

    fn operation(&self, id: NopId) -> Option<&Timeline> {
        self.inputs.operation(id)
    }

    fn linked_importer(&self, importer_of_record: &str) -> Option<NopId> {
        self.inputs.linked_importer(importer_of_record)
    }

    fn issues_for(&self, certifier: CertifierId) -> bool {
        self.inputs.issues_for(certifier)
    }

    fn filing_day(&self) -> Option<Date> {
        self.inputs.filing_day()
    }
}
