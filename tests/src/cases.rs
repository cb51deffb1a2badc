//! The project's own cases: small worlds, entry lines, and verdicts written by hand from the rules.
//!
//! They stand in `tests/data/cases`. Expectations are never copied from what a program answered.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use nopic_domain::date::parse_iso;
use nopic_domain::entry::{EntryLine, NormalisedLine};
use nopic_domain::policy::{Policy, SHIPPED};
use nopic_domain::rules::Judgement;
use nopic_formats::entries::{EntryEvent, Form, read_entries};
use serde::Deserialize;

use crate::world::{Failure, World};

/// What the cases are judged against, as the texts of their files.
#[derive(Debug, Clone)]
pub struct Files {
    /// Full snapshots of the registry, oldest first: file name and JSON text.
    pub snapshots: Vec<(String, String)>,
    /// Certificates as JSON lines.
    pub certificates: String,
    /// The whole flag table as plain CSV (imported with `--replace`).
    pub flags: String,
    /// A report of CBP's, for the cases that hold one.
    pub report: String,
    /// The policy that the cases patch.
    pub policy: String,
    /// The cases, one JSON object a line.
    pub cases: String,
}

/// One case: a world, the lines of one request in it, and what must come out.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// What is known, and what can be reached.
    pub world: CaseWorld,
    /// Entry lines as JSON objects of FORMATS §3, in the order of the request.
    pub lines: Vec<serde_json::Value>,
    /// One verdict for each line.
    pub expected: Vec<Expected>,
}

/// What is known in a case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CaseWorld {
    /// Whether the registry answers.
    pub registry: RegistryAnswer,
    /// How many of the snapshots are held, oldest first.
    pub snapshots: usize,
    /// Whether the certificate service answers.
    pub certificates: CertificatesAnswer,
    /// Importer-of-record numbers that are linked to operations.
    pub links: BTreeMap<String, String>,
    /// Certifiers of whose certificates the copy is complete.
    pub complete_certifiers: Vec<String>,
    /// Whether CBP's report is held beside the table of flags.
    pub report: bool,
    /// The day on which the lines are filed; absent: they are not.
    pub filed_on: Option<String>,
    /// Changes to the policy.
    pub policy_patch: PolicyPatch,
}

impl Default for CaseWorld {
    fn default() -> Self {
        Self {
            registry: RegistryAnswer::Answers,
            snapshots: 3,
            certificates: CertificatesAnswer::Answers,
            links: BTreeMap::new(),
            complete_certifiers: Vec::new(),
            report: false,
            filed_on: None,
            policy_patch: PolicyPatch::default(),
        }
    }
}

/// The registry of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegistryAnswer {
    /// It holds the snapshots.
    Answers,
    /// It cannot be reached.
    Unavailable,
    /// It holds no snapshot.
    Empty,
}

/// The certificate service of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CertificatesAnswer {
    /// It holds the certificates.
    Answers,
    /// It cannot be reached.
    Unavailable,
}

/// Changes to the shipped policy, made in its text as an operator would make them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PolicyPatch {
    /// Codes for the dated table.
    pub special_codes: Vec<PatchedSpecialCode>,
    /// Percent of a certificate's total that may be drawn on top of it.
    pub tolerance_percent: Option<String>,
}

/// One more special code.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchedSpecialCode {
    /// As filed.
    pub code: String,
    /// `EXEMPT`, for instance.
    pub effect: String,
    /// First day.
    pub from: Option<String>,
    /// Last day.
    pub to: Option<String>,
}

/// What must come out for one line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// `ACCEPT`, `WARN`, `REJECT`, `INDETERMINATE`.
    pub verdict: String,
    /// `ORGANIC`, `DISCLAIMED`, `NONE`.
    pub declaration: String,
    /// Finding codes, in order.
    pub codes: Vec<String>,
    /// Their severities.
    pub severities: Vec<String>,
    /// Remedies, in order.
    pub remedies: Vec<String>,
    /// The phase.
    pub policy: String,
    /// Fields of the findings, where the case says them.
    #[serde(default)]
    pub fields: Option<Vec<String>>,
}

/// The cases with their files as they stand in the project.
///
/// # Panics
/// A file of the project cannot be read.
#[must_use]
#[allow(clippy::unwrap_used)]
pub fn cases() -> Vec<Case> {
    // Tests call this: a broken file of the project must stop them.
    Files::own().unwrap().cases().unwrap()
}

impl Files {
    /// The files of the project.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn own() -> Result<Self, Failure> {
        let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/data/cases"));
        let text = |name: &str| std::fs::read_to_string(folder.join(name));
        let mut snapshots = Vec::new();
        for name in ["operations-1.json", "operations-2.json", "operations-3.json"] {
            snapshots.push((name.to_owned(), text(name)?));
        }
        Ok(Self {
            snapshots,
            certificates: text("certificates.jsonl")?,
            flags: text("flags.csv")?,
            report: text("tariff-report.csv")?,
            policy: SHIPPED.to_owned(),
            cases: text("cases.jsonl")?,
        })
    }

    /// The same with every date of every file so many years later.
    #[must_use]
    pub fn moved_by_years(&self, years: u32) -> Self {
        let moved = |text: &String| move_dates(text, years);
        Self {
            snapshots: self
                .snapshots
                .iter()
                .map(|(name, text)| (name.clone(), moved(text)))
                .collect(),
            certificates: moved(&self.certificates),
            flags: moved(&self.flags),
            report: moved(&self.report),
            policy: moved(&self.policy),
            cases: moved(&self.cases),
        }
    }

    /// The cases of these files.
    ///
    /// # Errors
    /// A line is no case, or has another number of verdicts than of lines.
    pub fn cases(&self) -> Result<Vec<Case>, Failure> {
        let mut cases: Vec<Case> = Vec::new();
        for line in self.cases.lines() {
            let case: Case = serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
            if case.lines.len() != case.expected.len() {
                return Err(format!("{}: not one verdict for each line", case.name).into());
            }
            cases.push(case);
        }
        Ok(cases)
    }

    /// What is known in a case.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn world(&self, of: &CaseWorld) -> Result<World, Failure> {
        let mut world = World::default();
        world.policy = Policy::parse(&self.policy_text(of))?;
        world.registry_answers = of.registry != RegistryAnswer::Unavailable;
        world.certificates_answer = of.certificates == CertificatesAnswer::Answers;
        if of.registry != RegistryAnswer::Empty {
            for (name, text) in self.snapshots.iter().take(of.snapshots) {
                world.add_snapshot_of(name, text.as_bytes(), true)?;
            }
        }
        world.replace_flags(self.flags.as_bytes())?;
        if of.report {
            world.add_flags(self.report.as_bytes())?;
        }
        world.filing_day = match &of.filed_on {
            Some(day) => Some(parse_iso(day).ok_or_else(|| format!("{day} is no day"))?),
            None => None,
        };
        world.add_certificates(self.certificates.as_bytes())?;
        for (number, operation) in &of.links {
            world.links.insert(number.clone(), operation.parse()?);
        }
        Ok(world)
    }

    /// The policy of a case, as the text of its file.
    #[must_use]
    pub fn policy_text(&self, of: &CaseWorld) -> String {
        let mut text = self.policy.clone();
        let complete = format!("complete_certifiers = {:?}", of.complete_certifiers);
        text = text.replace("complete_certifiers = []", &complete);
        if let Some(percent) = &of.policy_patch.tolerance_percent {
            let tolerance = format!("tolerance_percent = {percent:?}");
            text = text.replace("tolerance_percent = \"0\"", &tolerance);
        }
        for special in &of.policy_patch.special_codes {
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "\n[[special_code]]\ncode = {:?}\neffect = {:?}\n",
                special.code, special.effect
            );
            for (name, date) in [("from", &special.from), ("to", &special.to)] {
                if let Some(date) = date {
                    let _ = writeln!(text, "{name} = {date:?}");
                }
            }
        }
        text
    }

    /// The world of every case, each made once.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn worlds(&self, cases: &[Case]) -> Result<Worlds, Failure> {
        let mut worlds = HashMap::new();
        for case in cases {
            let key = format!("{:?}", case.world);
            if let std::collections::hash_map::Entry::Vacant(vacant) = worlds.entry(key) {
                vacant.insert(self.world(&case.world)?);
            }
        }
        Ok(Worlds(worlds))
    }
}

/// Worlds by what is known in them.
pub struct Worlds(HashMap<String, World>);

impl Worlds {
    /// The world of a case.
    ///
    /// # Panics
    /// The case was not among those that the worlds were made for.
    #[must_use]
    pub fn of(&self, case: &Case) -> &World {
        &self.0[&format!("{:?}", case.world)]
    }
}

impl Case {
    /// The lines as a file of JSON lines.
    #[must_use]
    pub fn jsonl(&self) -> String {
        self.lines.iter().fold(String::new(), |mut text, line| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{line}");
            text
        })
    }

    /// The lines as the product reads them.
    ///
    /// # Errors
    /// A line is refused.
    pub fn entry_lines(&self) -> Result<Vec<EntryLine>, Failure> {
        read_entries(Form::Jsonl, self.jsonl().as_bytes())?
            .into_iter()
            .map(|event| match event {
                EntryEvent::Line { line, .. } => Ok(line),
                other => Err(format!("{}: {other:?}", self.name).into()),
            })
            .collect()
    }

    /// The lines as they are judged.
    ///
    /// # Errors
    /// A line is refused.
    pub fn normalised_lines(&self) -> Result<Vec<NormalisedLine>, Failure> {
        Ok(self
            .entry_lines()?
            .into_iter()
            .map(EntryLine::normalise)
            .collect())
    }
}

impl Expected {
    /// A judgement on a line in the words of a case, with the fields of its findings where `self` says them.
    #[must_use]
    pub fn of(&self, line: &NormalisedLine, judgement: &Judgement, policy: &Policy) -> Self {
        let findings = &judgement.findings;
        let fields = || {
            findings
                .iter()
                .map(|finding| policy.field(finding).to_owned())
                .collect()
        };
        Self {
            verdict: judgement.outcome.as_str().to_owned(),
            declaration: line.declaration().as_str().to_owned(),
            codes: findings
                .iter()
                .map(|finding| finding.code.as_str().to_owned())
                .collect(),
            severities: findings
                .iter()
                .map(|finding| finding.severity.as_str().to_owned())
                .collect(),
            remedies: judgement
                .remedies
                .iter()
                .map(|remedy| remedy.as_str().to_owned())
                .collect(),
            policy: policy.phase(judgement.phase).name.clone(),
            fields: self.fields.is_some().then(fields),
        }
    }
}

/// Moves every `YYYY-MM-DD` and `M/D/YYYY` of a text by so many years; what only looks like one moves too.
fn move_dates(text: &str, years: u32) -> String {
    let mut moved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|character: char| character.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let length = from
            .find(|character: char| !character.is_ascii_digit() && character != '-' && character != '/')
            .unwrap_or(from.len());
        let (word, after) = from.split_at(length);
        moved.push_str(before);
        moved.push_str(&move_date(word, years).unwrap_or_else(|| word.to_owned()));
        rest = after;
    }
    moved.push_str(rest);
    moved
}

fn move_date(word: &str, years: u32) -> Option<String> {
    let parts: Vec<&str> = word.split(['-', '/']).collect();
    let &[first, second, third] = parts.as_slice() else {
        return None;
    };
    let later = |year: &str| Some(format!("{:04}", year.parse::<u32>().ok()? + years));
    match (first.len(), second.len(), third.len()) {
        (4, 2, 2) if word.matches('-').count() == 2 => Some(format!("{}-{second}-{third}", later(first)?)),
        (1..=2, 1..=2, 4) if word.matches('/').count() == 2 => {
            Some(format!("{first}/{second}/{}", later(third)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::move_dates;

    #[test]
    fn dates_move_and_numbers_stay() {
        let text = "{\"a\":\"2024-03-19\",\"b\":[\"6/1/2025\",\"555-5550000001-000001\",\"2024\"]}\n0804400020,AM7,2020-01-01,\n";
        let expected = "{\"a\":\"2034-03-19\",\"b\":[\"6/1/2035\",\"555-5550000001-000001\",\"2024\"]}\n0804400020,AM7,2030-01-01,\n";
        assert_eq!(move_dates(text, 10), expected);
    }
}
