//! What the decisions of a filing rest on, by value: frozen before anything is written, so that a filing that was
//! interrupted ends as it would have, and a verdict can be proved years later.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::{Evidence, Inconsistent};
use crate::certificate::CertificateView;
use crate::date::Date;
use crate::entry::NormalisedLine;
use crate::identifier::{CertificateNumber, CertifierId, EntryNumber, NopId};
use crate::principal::Principal;
use crate::registry::Timeline;
use crate::rules::{Answer, Knowledge, RecordedDraw, RegistryState, certificate_number};

/// The form in which importer-of-record numbers are compared: without regard to case.
#[must_use]
pub fn link_key(importer_of_record: &str) -> Cow<'_, str> {
    if importer_of_record.bytes().any(|byte| byte.is_ascii_lowercase()) {
        Cow::Owned(importer_of_record.to_ascii_uppercase())
    } else {
        Cow::Borrowed(importer_of_record)
    }
}

/// What a request makes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A new entry, or a new version of one.
    Filed,
    /// A version in place of the current one, with a reason.
    Amended,
    /// Taken back.
    Cancelled,
    /// History that is brought in.
    Imported,
}

impl Kind {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Filed, Self::Amended, Self::Cancelled, Self::Imported];

    /// The word on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Filed => "FILED",
            Self::Amended => "AMENDED",
            Self::Cancelled => "CANCELLED",
            Self::Imported => "IMPORTED",
        }
    }

    /// The one of that word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// An entry of a filing: its lines stand together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FiledEntry {
    /// Its number, as filed: it may be none.
    pub entry_number: String,
    /// How many lines of the filing are its own.
    pub line_count: u32,
    /// Whether lines that are not named stay.
    pub keep_other_lines: bool,
    /// The version that the filing makes; 0 before it has begun.
    pub version: u32,
}

/// Everything that the decisions of a filing rest on; policy and flags by the hash of their content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    /// Policy, flags, rules and registry.
    pub evidence: Arc<Evidence>,
    /// The lines, those of one entry together.
    pub lines: Vec<NormalisedLine>,
    /// Certificates that were read.
    pub certificates: BTreeMap<CertificateNumber, CertificateView>,
    /// Certificates that could not be read; others that are missing here are known to be absent.
    pub unavailable_certificates: BTreeSet<CertificateNumber>,
    /// Certifiers that the deployment issued for, of those whose certificates are missing here.
    pub issuing_for: BTreeSet<CertifierId>,
    /// What the registry knew of the operations that the lines and certificates name.
    pub operations: BTreeMap<NopId, Timeline>,
    /// Operations behind importer-of-record numbers, by [`link_key`].
    pub importers: BTreeMap<String, NopId>,
    /// The entries, in the order of the lines.
    pub entries: Vec<FiledEntry>,
    /// Who files.
    pub principal: Principal,
    /// Why, where a reason was given.
    pub reason: String,
    /// The day of filing.
    pub filed_on: Date,
    /// What is made of the entries.
    pub kind: Kind,
}

impl Inputs {
    /// Fills in what is known about the lines.
    pub fn freeze(&mut self, evidence: Arc<Evidence>, known: &impl Knowledge) {
        self.evidence = evidence;
        self.certificates.clear();
        self.unavailable_certificates.clear();
        self.issuing_for.clear();
        self.importers.clear();
        let mut parties: FxHashSet<NopId> = FxHashSet::default();
        for line in &self.lines {
            if let Some(number) = certificate_number(line) {
                match known.certificate(number) {
                    Answer::Found(view) => {
                        parties.insert(view.certificate.importer_nop_id);
                        parties.insert(view.certificate.exporter_nop_id);
                        self.certificates.entry(number).or_insert_with(|| view.clone());
                    }
                    Answer::Absent if known.issues_for(number.certifier()) => {
                        self.issuing_for.insert(number.certifier());
                    }
                    Answer::Absent => {}
                    Answer::Unavailable => {
                        self.unavailable_certificates.insert(number);
                    }
                }
            }
            if let Some(importer_of_record) = &line.importer_of_record
                && let Some(nop_id) = known.linked_importer(importer_of_record)
            {
                parties.insert(nop_id);
                self.importers
                    .insert(link_key(importer_of_record).into_owned(), nop_id);
            }
            let given = [&line.importer_nop_id, &line.exporter_nop_id];
            parties.extend(given.into_iter().flatten().filter_map(|text| NopId::parse(text)));
        }
        self.operations = parties
            .into_iter()
            .filter_map(|id| Some((id, known.operation(id)?.clone())))
            .collect();
    }

    /// Whether the lines take the place of all that their entry has on record, whatever action they state.
    pub(super) fn amends(&self) -> bool {
        self.kind == Kind::Amended
    }

    /// The entries with their lines.
    pub(super) fn lines_of_entries(&self) -> Result<Vec<(&FiledEntry, &[NormalisedLine])>, Inconsistent> {
        let mut rest = self.lines.as_slice();
        let mut entries = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let (lines, after) = rest
                .split_at_checked(entry.line_count as usize)
                .ok_or_else(|| Inconsistent::Inputs("fewer lines than the entries have".to_owned()))?;
            entries.push((entry, lines));
            rest = after;
        }
        Ok(entries)
    }
}

impl Knowledge for Inputs {
    fn certificate(&self, number: CertificateNumber) -> Answer<&CertificateView> {
        match self.certificates.get(&number) {
            Some(view) => Answer::Found(view),
            None if self.unavailable_certificates.contains(&number) => Answer::Unavailable,
            None => Answer::Absent,
        }
    }

    fn recorded_draws(&self, _: CertificateNumber, _: &EntryNumber) -> &[RecordedDraw] {
        // The ledger knows them, and is asked before anything is decided.
        &[]
    }

    fn registry(&self) -> Option<RegistryState> {
        self.evidence.registry
    }

    fn operation(&self, id: NopId) -> Option<&Timeline> {
        self.operations.get(&id)
    }

    fn linked_importer(&self, importer_of_record: &str) -> Option<NopId> {
        self.importers.get(link_key(importer_of_record).as_ref()).copied()
    }

    fn issues_for(&self, certifier: CertifierId) -> bool {
        self.issuing_for.contains(&certifier)
    }

    fn filing_day(&self) -> Option<Date> {
        Some(self.filed_on)
    }
}
