//! Everything that the rules may ask, read from files by the naive way: no service, no database, no cache.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use nopic_domain::certificate::{CertificateView, Draw, DrawnBy};
use nopic_domain::date::Date;
use nopic_domain::entry::NormalisedLine;
use nopic_domain::flags::FlagTable;
use nopic_domain::identifier::{CertificateNumber, CertifierId, EntryNumber, NopId};
use nopic_domain::policy::Policy;
use nopic_domain::registry::{Observation, Timeline};
use nopic_domain::rules::{Answer, Judgement, Knowledge, RecordedDraw, RegistryState, judge_entry};
use nopic_domain::weight::Weight;
use nopic_formats::certificates::{CertificateEvent, read_certificates};
use nopic_formats::entries::{EntryEvent, Form, read_entries};
use nopic_formats::oid::{OidEvent, OidSource, date_from_file_name};

/// One snapshot, kept whole.
struct Snapshot {
    published_on: Date,
    full: bool,
    rows: HashMap<NopId, Observation>,
}

/// What is known.
pub struct World {
    /// The policy.
    pub policy: Policy,
    /// The flags.
    pub flags: FlagTable,
    /// Whether the registry answers.
    pub registry_answers: bool,
    /// Whether the certificate service answers.
    pub certificates_answer: bool,
    /// The day on which lines are put on record; absent: they are only checked.
    pub filing_day: Option<Date>,
    /// Importer links.
    pub links: HashMap<String, NopId>,
    snapshots: Vec<Snapshot>,
    timelines: HashMap<NopId, Timeline>,
    certificates: HashMap<CertificateNumber, CertificateView>,
    draws: HashMap<(CertificateNumber, EntryNumber), Vec<RecordedDraw>>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            policy: Policy::shipped(),
            flags: FlagTable::shipped(),
            registry_answers: true,
            certificates_answer: true,
            filing_day: None,
            links: HashMap::new(),
            snapshots: Vec::new(),
            timelines: HashMap::new(),
            certificates: HashMap::new(),
            draws: HashMap::new(),
        }
    }
}

/// Why a file of a test cannot be used.
pub type Failure = Box<dyn std::error::Error>;

impl World {
    /// Adds a snapshot; files come oldest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn add_snapshot(&mut self, path: &Path, full: bool) -> Result<(), Failure> {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        self.add_snapshot_from(name, OidSource::from_path(path), full)
    }

    /// Adds the content of a snapshot; contents come oldest first.
    ///
    /// # Errors
    /// The content cannot be read.
    pub fn add_snapshot_of(&mut self, name: &str, content: &[u8], full: bool) -> Result<(), Failure> {
        self.add_snapshot_from(name, OidSource::from_bytes(name, content), full)
    }

    fn add_snapshot_from(&mut self, name: &str, source: OidSource<'_>, full: bool) -> Result<(), Failure> {
        let mut rows = HashMap::new();
        let summary = nopic_formats::oid::read(source, &mut |event: OidEvent| {
            match event {
                OidEvent::Row(row) => {
                    rows.insert(row.nop_id, Observation::Listed(row.statement));
                }
                OidEvent::Reject(reject) => {
                    if let Some(id) = reject.nop_id {
                        rows.entry(id).or_insert(Observation::Refused);
                    }
                }
                OidEvent::Item(_) => {}
            }
            Ok(())
        })?;
        let published_on = summary
            .latest_pub_date
            .or_else(|| date_from_file_name(name))
            .ok_or("no publication date")?;
        self.snapshots.push(Snapshot {
            published_on,
            full,
            rows,
        });
        self.resolve();
        Ok(())
    }

    fn resolve(&mut self) {
        let ids: std::collections::HashSet<NopId> = self
            .snapshots
            .iter()
            .flat_map(|snapshot| snapshot.rows.keys().copied())
            .collect();
        let absent = Observation::Absent;
        self.timelines = ids
            .into_iter()
            .filter_map(|id| {
                let observations = self.snapshots.iter().filter_map(|snapshot| {
                    let observation = snapshot
                        .rows
                        .get(&id)
                        .or_else(|| snapshot.full.then_some(&absent))?;
                    Some((snapshot.published_on, observation))
                });
                Some((id, Timeline::resolve(observations)?))
            })
            .collect();
    }

    /// Makes a plain table of flags the whole one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn replace_flags(&mut self, content: &[u8]) -> Result<(), Failure> {
        nopic_formats::flags::read(content)?.import(&mut self.flags, true)?;
        Ok(())
    }

    /// Imports a table of flags, or CBP's report.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn add_flags(&mut self, content: &[u8]) -> Result<(), Failure> {
        nopic_formats::flags::read(content)?.import(&mut self.flags, false)?;
        Ok(())
    }

    /// Adds certificates and their draws.
    ///
    /// # Errors
    /// The content cannot be read, or a line of it was refused.
    pub fn add_certificates(&mut self, content: &[u8]) -> Result<(), Failure> {
        for event in read_certificates(content)? {
            match event {
                CertificateEvent::Certificate(record) => {
                    let draws = record.draws.unwrap_or_default();
                    self.add_draws(record.certificate.number, &draws);
                    let number = record.certificate.number;
                    let view = CertificateView {
                        certificate: Arc::new(record.certificate),
                        version: 1,
                        drawn: draws
                            .iter()
                            .fold(Weight::ZERO, |sum, draw| sum.saturating_add(draw.weight_kg)),
                        drawn_by: draws
                            .iter()
                            .fold(DrawnBy::None, |drawn_by, draw| drawn_by.with(draw.entry_number)),
                    };
                    self.certificates.insert(number, view);
                }
                CertificateEvent::Reject(reject) => return Err(reject.to_string().into()),
            }
        }
        Ok(())
    }

    fn add_draws(&mut self, number: CertificateNumber, draws: &[Draw]) {
        for draw in draws {
            self.draws
                .entry((number, draw.entry_number))
                .or_default()
                .push(RecordedDraw {
                    line_number: draw.line_number,
                    pga_line_number: draw.pga_line_number,
                    weight: draw.weight_kg,
                });
        }
    }

    /// Judges every line of a file that can be read.
    ///
    /// # Errors
    /// The file as a whole cannot be read.
    pub fn judge_file(
        &self,
        form: Form,
        content: &[u8],
    ) -> Result<Vec<(NormalisedLine, Judgement)>, Failure> {
        let lines = read_entries(form, content)?
            .into_iter()
            .filter_map(|event| match event {
                EntryEvent::Line { line, .. } => Some(line.normalise()),
                EntryEvent::Reject(_) | EntryEvent::Deleted { .. } => None,
            })
            .collect();
        Ok(self.judge(lines))
    }

    /// Judges lines, entry by entry.
    #[must_use]
    pub fn judge(&self, lines: Vec<NormalisedLine>) -> Vec<(NormalisedLine, Judgement)> {
        let mut judgements = Vec::new();
        for entry in lines.chunk_by(|one, next| one.entry_number == next.entry_number) {
            judge_entry(entry, &self.policy, &self.flags, self, &mut judgements);
        }
        lines.into_iter().zip(judgements).collect()
    }
}

impl Knowledge for World {
    fn certificate(&self, number: CertificateNumber) -> Answer<&CertificateView> {
        if !self.certificates_answer {
            return Answer::Unavailable;
        }
        self.certificates
            .get(&number)
            .map_or(Answer::Absent, Answer::Found)
    }

    fn recorded_draws(&self, number: CertificateNumber, entry: &EntryNumber) -> &[RecordedDraw] {
        self.draws.get(&(number, *entry)).map_or(&[], Vec::as_slice)
    }

    fn registry(&self) -> Option<RegistryState> {
        if !self.registry_answers || self.snapshots.is_empty() {
            return None;
        }
        Some(RegistryState {
            revision: u32::try_from(self.snapshots.len()).unwrap_or(u32::MAX),
            published_on: self
                .snapshots
                .iter()
                .filter(|snapshot| snapshot.full)
                .map(|snapshot| snapshot.published_on)
                .max(),
        })
    }

    fn operation(&self, id: NopId) -> Option<&Timeline> {
        self.timelines.get(&id)
    }

    fn linked_importer(&self, importer_of_record: &str) -> Option<NopId> {
        self.links.get(importer_of_record).copied()
    }

    fn issues_for(&self, _: CertifierId) -> bool {
        false
    }

    fn filing_day(&self) -> Option<Date> {
        self.filing_day
    }
}
