//! The policy: every date, severity and sentence of the rules, as data that an operator can replace.

mod file;
mod problems;

use std::fmt::Write as _;

use rustc_hash::FxHashMap;
use serde::Deserialize;

use crate::date::{Date, Period};
use crate::finding::{Code, Detail, Finding, Severity};
use crate::identifier::CertifierId;
use crate::weight::Weight;

pub use problems::PolicyError;

/// The policy that the product ships, as text.
pub const SHIPPED: &str = include_str!("../../data/policy.toml");

/// Place of a phase in the policy, from the earliest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhaseIndex(usize);

/// A span of entry dates in which the same severities hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// `VOLUNTARY`, `MANDATORY`, `STRICT` in the shipped policy.
    pub name: String,
    /// Its days.
    pub period: Period,
}

words! {
    /// What a code filed in place of a certificate number does.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum SpecialEffect {
        /// "No certificate yet", once tolerated.
        Temporary = "TEMPORARY",
        /// American goods returned.
        ReturnedGoods = "RETURNED_GOODS",
        /// Goods without a certificate, to be re-exported, donated or destroyed.
        Disposition = "DISPOSITION",
        /// No certificate needed, within the code's dates.
        Exempt = "EXEMPT",
    }
}

/// A code of the dated table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecialCode {
    /// As filed, upper case.
    pub code: String,
    /// What it does.
    pub effect: SpecialEffect,
    /// When it is in force.
    pub period: Period,
}

words! {
    /// What may become of goods, and what may be done about a rejected line.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Disposition {
        /// They leave the country.
        Reexport = "REEXPORT",
        /// They go to a charity.
        Donation = "DONATION",
        /// They are destroyed.
        Destruction = "DESTRUCTION",
        /// They are relabelled as conventional.
        Recondition = "RECONDITION",
    }
}

/// When a disposition may be chosen, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DispositionRule {
    /// When it may be chosen.
    pub period: Period,
    /// Whether only a certified importer may choose it.
    pub needs_certified_importer: bool,
}

/// What may be done about a rejected line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Remedy {
    /// The line was filed wrongly: correct it.
    CorrectAndRefile,
    /// The goods cannot enter as organic: this may become of them.
    Dispose(Disposition),
}

impl Remedy {
    /// The word of FORMATS §5.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CorrectAndRefile => "CORRECT_AND_REFILE",
            Self::Dispose(disposition) => disposition.as_str(),
        }
    }
}

/// A trade arrangement under which operations need not be in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrangement {
    /// What it is called.
    pub name: String,
    /// ISO 3166 alpha-2.
    pub countries: Vec<[u8; 2]>,
    /// When it holds.
    pub period: Period,
}

/// Intervals of the enforcement ladder, in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ladder {
    /// A step follows a finding this many days and one after the letter before.
    pub days_between_steps: u32,
    /// A case closes this many days and one after its last finding.
    pub days_until_close: u32,
}

words! {
    /// Who sends the letters of a deployment that is an authority.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum LetterSending {
        /// One of its people.
        ByAPerson = "BY_A_PERSON",
        /// The service, when they are due.
        Automatically = "AUTOMATICALLY",
    }
}

/// How far the entry date of a line that is put on record may be from the day of filing, in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilingSpan {
    /// Before it.
    pub days_before: u32,
    /// After it.
    pub days_after: u32,
}

/// What the policy says about one code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeRule {
    /// One severity for each phase.
    pub severities: Vec<Severity>,
    /// Other severities for entry dates before a date; the first that applies wins, earliest date first.
    pub severities_before: Vec<(Date, Vec<Severity>)>,
    /// Field of the line, by its JSON name.
    pub field: String,
    /// What is wrong, with placeholders in braces.
    pub sentence: String,
    /// What to do, with placeholders in braces.
    pub remedy: String,
    /// Source of the rule; empty where none is known.
    pub citation: String,
}

/// The whole policy. Read with [`Policy::parse`]; a wrong one cannot be had.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    version: String,
    phases: Vec<Phase>,
    phase_without_date: PhaseIndex,
    tolerance_ten_thousandths_of_percent: i64,
    tolerance_percent: String,
    stale_after_days: u32,
    complete_certifiers: Vec<CertifierId>,
    filing_span: FilingSpan,
    countries_of_provinces: FxHashMap<[u8; 2], [u8; 2]>,
    disclaimer_codes: Vec<String>,
    special_codes: Vec<SpecialCode>,
    dispositions: [DispositionRule; 4],
    arrangements: Vec<Arrangement>,
    arrangement_periods: FxHashMap<[u8; 2], Vec<Period>>,
    remedy_phases: Vec<PhaseIndex>,
    correctable: Vec<bool>,
    remedies: Vec<Disposition>,
    ladder: Ladder,
    letters: LetterSending,
    codes: Vec<CodeRule>,
}

impl Policy {
    /// The policy that the product ships.
    ///
    /// # Panics
    /// Never: a test reads the shipped text.
    #[must_use]
    #[allow(clippy::expect_used)]
    pub fn shipped() -> Self {
        Self::parse(SHIPPED).expect("the shipped policy is tested")
    }

    /// Reads a policy file.
    ///
    /// # Errors
    /// Every problem of the file at once, each with its place.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        file::parse(text)
    }

    /// Short hash of the file: names the policy in the evidence of a verdict.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Every phase, from the earliest.
    #[must_use]
    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// The phase of a line with this entry date.
    #[must_use]
    pub fn phase_on(&self, entry_date: Option<Date>) -> PhaseIndex {
        let Some(date) = entry_date else {
            return self.phase_without_date;
        };
        // The first phase is open towards the past, so there always is one.
        let index = self
            .phases
            .iter()
            .rposition(|phase| phase.period.from.is_none_or(|from| date >= from))
            .unwrap_or(0);
        PhaseIndex(index)
    }

    /// The phase that holds now and from now on.
    #[must_use]
    pub const fn last_phase(&self) -> PhaseIndex {
        // There is always one.
        PhaseIndex(self.phases.len() - 1)
    }

    /// The phase at this place.
    #[must_use]
    pub fn phase(&self, index: PhaseIndex) -> &Phase {
        &self.phases[index.0]
    }

    /// What the policy says about a code.
    #[must_use]
    pub fn code(&self, code: Code) -> &CodeRule {
        &self.codes[code as usize]
    }

    /// How bad a finding is for a line with this entry date in this phase.
    #[must_use]
    pub fn severity(&self, code: Code, phase: PhaseIndex, entry_date: Option<Date>) -> Severity {
        let rule = self.code(code);
        if let Some(entry_date) = entry_date
            && let Some((_, severities)) = rule.severities_before.iter().find(|(date, _)| entry_date < *date)
        {
            return severities[phase.0];
        }
        rule.severities[phase.0]
    }

    /// The special code filed as this text.
    #[must_use]
    pub fn special_code(&self, filed: &str) -> Option<&SpecialCode> {
        self.special_codes.iter().find(|special| special.code == filed)
    }

    /// The dated table of special codes.
    #[must_use]
    pub fn special_codes(&self) -> &[SpecialCode] {
        &self.special_codes
    }

    /// When and by whom a disposition may be chosen.
    #[must_use]
    pub fn disposition(&self, disposition: Disposition) -> DispositionRule {
        self.dispositions[disposition as usize]
    }

    /// Whether operations of that country need not be in the registry on that date.
    #[must_use]
    pub fn has_arrangement(&self, country: [u8; 2], date: Date) -> bool {
        self.arrangement_periods
            .get(&country)
            .is_some_and(|periods| periods.iter().any(|period| period.contains(date)))
    }

    /// Every trade arrangement.
    #[must_use]
    pub fn arrangements(&self) -> &[Arrangement] {
        &self.arrangements
    }

    /// Whether AMS takes this disclaimer code.
    #[must_use]
    pub fn takes_disclaimer(&self, code: &str) -> bool {
        self.disclaimer_codes.iter().any(|taken| taken == code)
    }

    /// Whether our copy of that certifier's certificates is said to be complete.
    #[must_use]
    pub fn is_complete(&self, certifier: CertifierId) -> bool {
        self.complete_certifiers.contains(&certifier)
    }

    /// Certifiers of whose certificates our copy is said to be complete.
    #[must_use]
    pub fn complete_certifiers(&self) -> &[CertifierId] {
        &self.complete_certifiers
    }

    /// How far from the day of filing an entry date may be.
    #[must_use]
    pub const fn filing_span(&self) -> FilingSpan {
        self.filing_span
    }

    /// The country that a code counts as: its own, or that of a province that CBP asks for in place of it.
    #[must_use]
    pub fn country_of(&self, code: [u8; 2]) -> [u8; 2] {
        self.countries_of_provinces.get(&code).copied().unwrap_or(code)
    }

    /// What may be drawn on top of a certificate's total, rounded down to 0.0001 kg.
    #[must_use]
    pub fn tolerance_of(&self, total: Weight) -> Weight {
        if self.tolerance_ten_thousandths_of_percent == 0 {
            return Weight::ZERO;
        }
        let units =
            i128::from(total.units()) * i128::from(self.tolerance_ten_thousandths_of_percent) / 1_000_000;
        Weight::from_units(i64::try_from(units).unwrap_or(i64::MAX))
    }

    /// The tolerance in percent of the total, as decimal text.
    #[must_use]
    pub fn tolerance_percent(&self) -> &str {
        &self.tolerance_percent
    }

    /// A snapshot published more days than this before the entry date is stale.
    #[must_use]
    pub fn stale_after_days(&self) -> u32 {
        self.stale_after_days
    }

    /// Whether rejected lines of this phase get remedies.
    #[must_use]
    pub fn has_remedies(&self, phase: PhaseIndex) -> bool {
        self.remedy_phases.contains(&phase)
    }

    /// Whether a rejecting finding of this code can be mended by correcting the line.
    #[must_use]
    pub fn is_correctable(&self, code: Code) -> bool {
        self.correctable[code as usize]
    }

    /// What may become of rejected goods, in order.
    #[must_use]
    pub fn remedies(&self) -> &[Disposition] {
        &self.remedies
    }

    /// Intervals of the enforcement ladder.
    #[must_use]
    pub fn ladder(&self) -> Ladder {
        self.ladder
    }

    /// Who sends the ladder's letters, where the deployment is an authority.
    #[must_use]
    pub fn letters(&self) -> LetterSending {
        self.letters
    }

    /// The field of a finding, by its JSON name.
    #[must_use]
    pub fn field<'a>(&'a self, finding: &Finding) -> &'a str {
        finding.field.unwrap_or(&self.code(finding.code).field)
    }

    /// What is wrong and what to do, in words.
    #[must_use]
    pub fn message(&self, finding: &Finding) -> String {
        let rule = self.code(finding.code);
        let mut message = String::with_capacity(rule.sentence.len() + rule.remedy.len() + 48);
        self.write_message(finding, &mut message);
        message
    }

    /// The same behind what stands in a text.
    pub fn write_message(&self, finding: &Finding, message: &mut String) {
        let rule = self.code(finding.code);
        fill(message, &rule.sentence, &finding.details);
        if !rule.remedy.is_empty() {
            message.push(' ');
            fill(message, &rule.remedy, &finding.details);
        }
    }
}

/// Writes a template with its placeholders filled in; an unfilled one vanishes.
fn fill(message: &mut String, template: &str, details: &[(&'static str, Detail)]) {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        message.push_str(before);
        let Some((name, behind)) = after.split_once('}') else {
            // The reader refuses unclosed braces.
            rest = after;
            continue;
        };
        if let Some((_, value)) = details.iter().find(|(detail, _)| *detail == name) {
            // Writing to a String cannot fail.
            let _ = write!(message, "{value}");
        }
        rest = behind;
    }
    message.push_str(rest);
}
