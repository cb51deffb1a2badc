//! The rules of an entry line (RULES.md): one pure function of lines, policy, flags and what is known of certificates
//! and operations.
//!
//! Each module is one rule or a few that belong together; [`judge_entry`] runs them in order.

mod assumptions;
mod certificate;
mod draws;
mod goods;
mod line;
mod message_set;
mod number;
mod party;
mod registry;
mod remedies;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::certificate::CertificateView;
use crate::date::Date;
use crate::entry::NormalisedLine;
use crate::finding::{Code, Details, Finding, Severity};
use crate::flags::{Flag, FlagTable};
use crate::identifier::{CertificateNumber, CertifierId, EntryNumber, NopId};
use crate::policy::{PhaseIndex, Policy, Remedy};
use crate::registry::Timeline;
use crate::weight::Weight;

pub use draws::ask_of_ledger;
use line::Checked;
pub use party::{given_importer, has_valid_certificate, importer, is_organic};

/// Names the rules in the evidence of a verdict; rises when the same inputs may give another verdict.
pub const RULES_VERSION: &str = "3";

/// The most lines that one entry may have.
pub const MAX_LINES_PER_ENTRY: usize = 10_000;

/// What another service answered, or that it did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<T> {
    /// It is there.
    Found(T),
    /// There is none.
    Absent,
    /// It could not be asked: nothing is known.
    Unavailable,
}

/// What is known of the registry as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegistryState {
    /// The revision that answers.
    pub revision: u32,
    /// Publication date of its newest full snapshot; absent where it holds only updates.
    pub published_on: Option<Date>,
}

/// A draw that the entry in question has on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedDraw {
    /// Line of the entry.
    pub line_number: u32,
    /// PGA line of it.
    pub pga_line_number: u32,
    /// How much.
    pub weight: Weight,
}

/// What the rules ask: loaded before they run, so that they do no I/O.
pub trait Knowledge {
    /// A certificate and the state of its ledger.
    fn certificate(&self, number: CertificateNumber) -> Answer<&CertificateView>;

    /// What this entry has on record against the certificate.
    fn recorded_draws(&self, number: CertificateNumber, entry: &EntryNumber) -> &[RecordedDraw];

    /// The registry; `None` where it cannot be read or holds no snapshot.
    fn registry(&self) -> Option<RegistryState>;

    /// What is known of an operation; `None` where it was never listed. Asked only where there is a registry.
    fn operation(&self, id: NopId) -> Option<&Timeline>;

    /// The operation that the tenant linked to an importer-of-record number.
    fn linked_importer(&self, importer_of_record: &str) -> Option<NopId>;

    /// Whether this deployment issues the certificates of a certifier: then it knows each of them.
    fn issues_for(&self, certifier: CertifierId) -> bool;

    /// The day on which the line is put on record; `None` for a pre-check, which does not look at the clock.
    fn filing_day(&self) -> Option<Date>;
}

words! {
    /// What becomes of a line.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Outcome {
        /// It can be filed.
        Accept = "ACCEPT",
        /// It can be filed; something should be looked at.
        Warn = "WARN",
        /// It cannot be filed as organic.
        Reject = "REJECT",
        /// Something that decides is not known.
        Indeterminate = "INDETERMINATE",
    }
}

impl Outcome {
    fn of(findings: &[Finding]) -> Self {
        match findings.iter().map(|finding| finding.severity).max() {
            None | Some(Severity::Info) => Self::Accept,
            Some(Severity::Warning) => Self::Warn,
            Some(Severity::Indeterminate) => Self::Indeterminate,
            Some(Severity::Reject) => Self::Reject,
        }
    }
}

/// The verdict on one line. Which line, policy, flags and registry revision it is about, the caller knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What becomes of it.
    pub outcome: Outcome,
    /// The phase of its entry date.
    pub phase: PhaseIndex,
    /// What was found, in the order of the rules.
    pub findings: Vec<Finding>,
    /// What may be done, in order.
    pub remedies: Vec<Remedy>,
    /// Version of the certificate that was read, if one was.
    pub certificate_version: Option<u32>,
}

/// The running state of one entry: consecutive lines with one entry number, however they are cut into batches; the caller
/// gives no more than [`MAX_LINES_PER_ENTRY`].
///
/// Announce lines as they are read, and judge each once, in order. A verdict may depend on lines that come later
/// ([`EntryRun::must_wait`]), because what the entry has on record for a line that is present does not count.
#[derive(Debug, Default)]
pub struct EntryRun {
    /// Whether nothing that the entry has on record counts, whatever action its lines state.
    begins_anew: bool,
    /// Every line that was announced, and whether one of its numbers was judged.
    present: FxHashMap<LineKey, bool>,
    taken: FxHashMap<CertificateNumber, Weight>,
}

impl EntryRun {
    /// That of an entry which was taken back just before: nothing that it has on record counts.
    #[must_use]
    pub fn anew() -> Self {
        Self {
            begins_anew: true,
            ..Self::default()
        }
    }

    /// Notes that these lines are present.
    pub fn announce(&mut self, lines: &[NormalisedLine]) {
        self.present.reserve(lines.len());
        for line in lines {
            self.present.entry(line_key(line)).or_default();
        }
    }

    /// Whether the verdict on an announced line may still be changed by lines that were not announced yet.
    #[must_use]
    pub fn must_wait(&self, line: &NormalisedLine, knowledge: &impl Knowledge) -> bool {
        let (Some(number), Some(entry)) = (certificate_number(line), EntryNumber::parse(&line.entry_number))
        else {
            return false;
        };
        !(self.begins_anew || line.replaces())
            && knowledge.recorded_draws(number, &entry).iter().any(|draw| {
                !self
                    .present
                    .contains_key(&(draw.line_number, draw.pga_line_number))
            })
    }

    /// Judges announced lines, in order, each once.
    pub fn judge(
        &mut self,
        lines: &[NormalisedLine],
        policy: &Policy,
        flags: &FlagTable,
        knowledge: &impl Knowledge,
        judgements: &mut Vec<Judgement>,
    ) {
        for line in lines {
            let repeated = std::mem::replace(self.present.entry(line_key(line)).or_default(), true);
            let entry = Entry {
                begins_anew: self.begins_anew,
                present: &self.present,
                taken: Some(&mut self.taken),
            };
            judgements.push(judge_line(line, repeated, entry, policy, flags, knowledge));
        }
    }
}

/// Judges the lines of one whole entry: a run of consecutive lines with one entry number, in order. Appends one
/// judgement for each line.
pub fn judge_entry(
    lines: &[NormalisedLine],
    policy: &Policy,
    flags: &FlagTable,
    knowledge: &impl Knowledge,
    judgements: &mut Vec<Judgement>,
) {
    if let [line] = lines {
        // Most entries: nothing to count over lines, hence nothing to allocate.
        let entry = Entry {
            begins_anew: false,
            present: &FxHashMap::default(),
            taken: None,
        };
        judgements.push(judge_line(line, false, entry, policy, flags, knowledge));
        return;
    }
    let mut run = EntryRun::default();
    run.announce(lines);
    run.judge(lines, policy, flags, knowledge, judgements);
}

/// Whether these lines of one entry take the place of all that it has on record: where one of them says so that rule 1
/// does not reject.
#[must_use]
pub fn replace_entry(lines: &[NormalisedLine], policy: &Policy) -> bool {
    if !lines.iter().any(NormalisedLine::replaces) {
        return false;
    }
    let mut seen = FxHashSet::default();
    lines.iter().any(|line| {
        let repeated = !seen.insert(line_key(line));
        line.replaces() && line::check(line, repeated, policy).2.is_some()
    })
}

/// Line and PGA line.
type LineKey = (u32, u32);

fn line_key(line: &NormalisedLine) -> LineKey {
    (line.line_number, line.pga_line_number())
}

/// What a line shares with the others of its entry.
struct Entry<'a> {
    /// Whether nothing that it has on record counts.
    begins_anew: bool,
    /// Lines of the request, this one perhaps apart.
    present: &'a FxHashMap<LineKey, bool>,
    /// What earlier lines would take from each certificate; absent where there is one line only.
    taken: Option<&'a mut FxHashMap<CertificateNumber, Weight>>,
}

/// Whether the rules go on with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// With the certificate of this number.
    Certificate(CertificateNumber),
    /// With the registry; there is no certificate to look at.
    Registry,
    /// No rule says more.
    Stop,
}

/// A line on its way through the rules.
struct Case<'a, K> {
    line: &'a NormalisedLine,
    checked: Checked<'a>,
    policy: &'a Policy,
    flags: &'a FlagTable,
    knowledge: &'a K,
    findings: Findings<'a>,
}

/// Collects findings at the severity of the line's phase.
struct Findings<'a> {
    policy: &'a Policy,
    phase: PhaseIndex,
    entry_date: Option<Date>,
    list: Vec<Finding>,
}

impl Findings<'_> {
    fn add(&mut self, code: Code, details: Details) {
        self.push(code, None, details);
    }

    fn push(&mut self, code: Code, field: Option<&'static str>, details: Details) {
        self.list.push(Finding {
            code,
            severity: self.policy.severity(code, self.phase, self.entry_date),
            field,
            details,
        });
    }

    /// Whether a finding of rules 4 or 5 rejects.
    fn certificate_rejects(&self) -> bool {
        self.list
            .iter()
            .any(|finding| finding.severity == Severity::Reject && finding.code.is_about_certificate())
    }
}

impl<K: Knowledge> Case<'_, K> {
    /// The flag of the tariff line on the entry date.
    fn flag(&self) -> Option<Flag> {
        self.flags
            .flag_on(&self.checked.hts_code, self.checked.entry_date)
    }

    /// The importer that the line itself gives, or that the tenant linked.
    fn given_importer(&self) -> Option<NopId> {
        given_importer(self.line, |number| self.knowledge.linked_importer(number))
    }
}

fn judge_line(
    line: &NormalisedLine,
    repeated: bool,
    entry: Entry<'_>,
    policy: &Policy,
    flags: &FlagTable,
    knowledge: &impl Knowledge,
) -> Judgement {
    let (phase, list, checked) = line::check(line, repeated, policy);
    let Some(checked) = checked else {
        let outcome = Outcome::of(&list);
        return Judgement {
            outcome,
            phase,
            remedies: remedies::remedies(line, policy, phase, outcome, &list, knowledge),
            findings: list,
            certificate_version: None,
        };
    };
    let mut case = Case {
        line,
        policy,
        flags,
        knowledge,
        findings: Findings {
            policy,
            phase,
            entry_date: Some(checked.entry_date),
            list,
        },
        checked,
    };
    case.assumptions();
    let mut view = None;
    if !case.checked.is_deletion {
        match case.message_set() {
            Next::Certificate(number) => {
                let answer = case.knowledge.certificate(number);
                if let Answer::Found(found) = answer {
                    view = Some(found);
                }
                case.certificate(number, answer, entry);
                case.registry(answer);
                case.goods();
            }
            Next::Registry => {
                case.registry(Answer::Absent);
                case.goods();
            }
            Next::Stop => {}
        }
    }
    let outcome = Outcome::of(&case.findings.list);
    Judgement {
        outcome,
        phase,
        remedies: remedies::remedies(line, policy, phase, outcome, &case.findings.list, knowledge),
        certificate_version: view.map(|view| view.version),
        findings: case.findings.list,
    }
}

/// The number of the electronic certificate that a line names, whatever else it says: what must be loaded for it.
#[must_use]
pub fn certificate_number(line: &NormalisedLine) -> Option<CertificateNumber> {
    let filed = line.certificate_number.as_deref()?;
    CertificateNumber::parse(filed).or_else(|| CertificateNumber::parse(&number::normalise(filed).0))
}
