//! The policy file: strict TOML, every problem reported at once.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde::Deserialize;

use super::{
    Arrangement, CodeRule, Disposition, DispositionRule, FilingSpan, Ladder, LetterSending, Phase,
    PhaseIndex, Policy, PolicyError, SpecialCode, SpecialEffect,
};
use crate::date::{Date, Period, parse_iso};
use crate::digest::version_of;
use crate::finding::{Code, Severity};
use crate::identifier::country_code;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    phase_without_date: String,
    tolerance_percent: String,
    stale_after_days: u32,
    complete_certifiers: Vec<String>,
    disclaimer_codes: Vec<String>,
    filing: FilingSpan,
    #[serde(default)]
    country: Vec<FileCountry>,
    phase: Vec<FilePhase>,
    #[serde(default)]
    special_code: Vec<FileSpecialCode>,
    disposition: Vec<FileDisposition>,
    #[serde(default)]
    arrangement: Vec<FileArrangement>,
    remedies: FileRemedies,
    ladder: FileLadder,
    code: BTreeMap<String, FileCode>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileCountry {
    code: String,
    provinces: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePhase {
    name: String,
    from: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSpecialCode {
    code: String,
    effect: String,
    from: Option<String>,
    to: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileDisposition {
    name: String,
    from: Option<String>,
    to: Option<String>,
    #[serde(default)]
    needs_certified_importer: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileArrangement {
    name: String,
    countries: Vec<String>,
    from: Option<String>,
    to: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRemedies {
    phases: Vec<String>,
    correct_and_refile: Vec<String>,
    otherwise: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLadder {
    days_between_steps: u32,
    days_until_close: u32,
    /// Absent in policies of before.
    letters: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileCode {
    severity: String,
    #[serde(default)]
    severity_before: Vec<FileSeverityBefore>,
    field: String,
    sentence: String,
    #[serde(default)]
    remedy: String,
    #[serde(default)]
    citation: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSeverityBefore {
    date: String,
    severity: String,
}

/// The form of the file: it rises when a file of the form before lacks something.
const FORMAT: u32 = 2;

/// Collects problems, so that all are said at once.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, problem: String) {
        self.0.push(problem);
    }

    fn date(&mut self, place: &str, text: &str) -> Option<Date> {
        let date = parse_iso(text);
        if date.is_none() {
            self.add(format!("{place}: {text:?} is not a date YYYY-MM-DD"));
        }
        date
    }

    fn period(&mut self, place: &str, from: Option<&String>, to: Option<&String>) -> Period {
        let from = from.and_then(|text| self.date(&format!("{place}.from"), text));
        let to = to.and_then(|text| self.date(&format!("{place}.to"), text));
        if let (Some(from), Some(to)) = (from, to)
            && from > to
        {
            self.add(format!("{place}: from {from} is after to {to}"));
        }
        Period { from, to }
    }

    fn severities(&mut self, place: &str, text: &str, phases: usize) -> Vec<Severity> {
        let severities: Option<Vec<_>> = text
            .split('/')
            .map(|letter| Severity::from_letter(letter.trim()))
            .collect();
        match severities {
            Some(severities) if severities.len() == phases => severities,
            Some(severities) => {
                self.add(format!(
                    "{place}: {text:?} has {} severities for {phases} phases",
                    severities.len()
                ));
                vec![Severity::Indeterminate; phases]
            }
            None => {
                self.add(format!(
                    "{place}: {text:?} is not one of I, W, R, ? for each phase with / between"
                ));
                vec![Severity::Indeterminate; phases]
            }
        }
    }
}

/// Why a file is not one. One of another form says that first: what it lacks follows from it.
fn unreadable(text: &str, error: &toml::de::Error) -> String {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    match toml::from_str(text) {
        Ok(Format { format }) if format != FORMAT => format!(
            "format: it is a policy of format {format}, and this program reads format {FORMAT}: begin with \
             `nopic policy show` and carry your changes over"
        ),
        _ => error.to_string().trim_end().to_owned(),
    }
}

pub(super) fn parse(text: &str) -> Result<Policy, PolicyError> {
    let file: File = toml::from_str(text).map_err(|error| PolicyError {
        problems: vec![unreadable(text, &error)],
    })?;
    let mut problems = Problems::default();
    if file.format != FORMAT {
        problems.add(format!(
            "format: {} is not known to this program, {FORMAT} is",
            file.format
        ));
    }
    let phases = phases(&file.phase, &mut problems);
    let phase_index = |name: &str| phases.iter().position(|phase| phase.name == name).map(PhaseIndex);
    let phase_without_date = phase_index(&file.phase_without_date).unwrap_or_else(|| {
        problems.add(format!(
            "phase_without_date: there is no phase {:?}",
            file.phase_without_date
        ));
        PhaseIndex(0)
    });
    let mut remedy_phases = Vec::new();
    for name in &file.remedies.phases {
        match phase_index(name) {
            Some(index) => remedy_phases.push(index),
            None => problems.add(format!("remedies.phases: there is no phase {name:?}")),
        }
    }
    let tolerance_ten_thousandths_of_percent = percent(&file.tolerance_percent).unwrap_or_else(|| {
        problems.add(format!(
            "tolerance_percent: {:?} is not a percentage from 0 to 100 with at most four decimals",
            file.tolerance_percent
        ));
        0
    });
    let mut complete_certifiers = Vec::new();
    for certifier in &file.complete_certifiers {
        match certifier.parse() {
            Ok(certifier) => complete_certifiers.push(certifier),
            Err(error) => problems.add(format!("complete_certifiers: {error}")),
        }
    }
    let countries_of_provinces = countries_of_provinces(&file.country, &mut problems);
    for code in &file.disclaimer_codes {
        if code.len() != 1 || !code.bytes().all(|byte| byte.is_ascii_uppercase()) {
            problems.add(format!("disclaimer_codes: {code:?} is not one capital letter"));
        }
    }
    let special_codes = special_codes(&file.special_code, &mut problems);
    let dispositions = dispositions(&file.disposition, &mut problems);
    let arrangements = arrangements(&file.arrangement, &mut problems);
    let mut arrangement_periods: FxHashMap<[u8; 2], Vec<Period>> = FxHashMap::default();
    for arrangement in &arrangements {
        for country in &arrangement.countries {
            arrangement_periods
                .entry(*country)
                .or_default()
                .push(arrangement.period);
        }
    }
    let correctable = correctable(&file.remedies.correct_and_refile, &mut problems);
    let mut remedies = Vec::new();
    for name in &file.remedies.otherwise {
        match Disposition::parse(name) {
            Some(disposition) => remedies.push(disposition),
            None => problems.add(format!("remedies.otherwise: {name:?} is not a disposition")),
        }
    }
    let letters = file
        .ladder
        .letters
        .as_deref()
        .map_or(LetterSending::ByAPerson, |word| {
            LetterSending::parse(word).unwrap_or_else(|| {
                problems.add(format!(
                    "ladder.letters: {word:?} is not BY_A_PERSON or AUTOMATICALLY"
                ));
                LetterSending::ByAPerson
            })
        });
    let codes = codes(&file.code, phases.len(), &mut problems);
    if !problems.0.is_empty() {
        return Err(PolicyError { problems: problems.0 });
    }
    Ok(Policy {
        version: version_of(text),
        phases,
        phase_without_date,
        tolerance_ten_thousandths_of_percent,
        tolerance_percent: file.tolerance_percent,
        stale_after_days: file.stale_after_days,
        complete_certifiers,
        filing_span: file.filing,
        countries_of_provinces,
        disclaimer_codes: file.disclaimer_codes,
        special_codes,
        dispositions,
        arrangements,
        arrangement_periods,
        remedy_phases,
        correctable,
        remedies,
        ladder: Ladder {
            days_between_steps: file.ladder.days_between_steps,
            days_until_close: file.ladder.days_until_close,
        },
        letters,
        codes,
    })
}

/// Reads `[0-9]+(.[0-9]{1,4})?`, at most 100, as ten-thousandths.
fn percent(text: &str) -> Option<i64> {
    let hundred: i64 = 100 * 10_000;
    let weight: crate::weight::Weight = text.parse().ok()?;
    (weight.units() <= hundred).then_some(weight.units())
}

fn phases(file: &[FilePhase], problems: &mut Problems) -> Vec<Phase> {
    if file.is_empty() {
        problems.add("phase: there must be at least one phase".to_owned());
    }
    let mut phases: Vec<Phase> = Vec::new();
    for (index, phase) in file.iter().enumerate() {
        let place = format!("phase {:?}", phase.name);
        let period = problems.period(&place, phase.from.as_ref(), None);
        match (index, period.from) {
            (0, Some(_)) => problems.add(format!(
                "{place}: the first phase has no `from`: it holds since ever"
            )),
            (0, None) => {}
            (_, None) => problems.add(format!("{place}: every phase but the first needs a `from`")),
            (_, Some(from)) => {
                if let Some(previous) = phases.last_mut() {
                    if previous.period.from.is_some_and(|earlier| earlier >= from) {
                        problems.add(format!("{place}: phases must stand in the order of their dates"));
                    }
                    previous.period.to = from.pred_opt();
                }
            }
        }
        if phases.iter().any(|earlier| earlier.name == phase.name) {
            problems.add(format!("{place}: stands twice"));
        }
        phases.push(Phase {
            name: phase.name.clone(),
            period,
        });
    }
    phases
}

fn special_codes(file: &[FileSpecialCode], problems: &mut Problems) -> Vec<SpecialCode> {
    let mut codes: Vec<SpecialCode> = Vec::new();
    for special in file {
        let place = format!("special_code {:?}", special.code);
        let period = problems.period(&place, special.from.as_ref(), special.to.as_ref());
        let code = special.code.trim().to_ascii_uppercase();
        if code.is_empty() {
            problems.add(format!("{place}: the code is empty"));
        }
        if codes.iter().any(|earlier| earlier.code == code) {
            problems.add(format!("{place}: stands twice"));
        }
        match SpecialEffect::parse(&special.effect) {
            Some(effect) => codes.push(SpecialCode { code, effect, period }),
            None => problems.add(format!(
                "{place}: the effect {:?} is not TEMPORARY, RETURNED_GOODS, DISPOSITION or EXEMPT",
                special.effect
            )),
        }
    }
    codes
}

fn dispositions(file: &[FileDisposition], problems: &mut Problems) -> [DispositionRule; 4] {
    let mut rules = [None; 4];
    for disposition in file {
        let place = format!("disposition {:?}", disposition.name);
        let period = problems.period(&place, disposition.from.as_ref(), disposition.to.as_ref());
        let Some(known) = Disposition::parse(&disposition.name) else {
            problems.add(format!(
                "{place}: is not REEXPORT, DONATION, DESTRUCTION or RECONDITION"
            ));
            continue;
        };
        if rules[known as usize].is_some() {
            problems.add(format!("{place}: stands twice"));
        }
        rules[known as usize] = Some(DispositionRule {
            period,
            needs_certified_importer: disposition.needs_certified_importer,
        });
    }
    for disposition in Disposition::ALL {
        if rules[disposition as usize].is_none() {
            problems.add(format!("disposition {:?}: is missing", disposition.as_str()));
        }
    }
    rules.map(Option::unwrap_or_default)
}

fn arrangements(file: &[FileArrangement], problems: &mut Problems) -> Vec<Arrangement> {
    let mut arrangements = Vec::new();
    for arrangement in file {
        let place = format!("arrangement {:?}", arrangement.name);
        let period = problems.period(&place, arrangement.from.as_ref(), arrangement.to.as_ref());
        let mut countries = Vec::new();
        for country in &arrangement.countries {
            match country_code(country) {
                Some(code) => countries.push(code),
                None => problems.add(format!(
                    "{place}: {country:?} is not a country code of two capital letters"
                )),
            }
        }
        arrangements.push(Arrangement {
            name: arrangement.name.clone(),
            countries,
            period,
        });
    }
    arrangements
}

fn countries_of_provinces(file: &[FileCountry], problems: &mut Problems) -> FxHashMap<[u8; 2], [u8; 2]> {
    let mut countries = FxHashMap::default();
    for country in file {
        let place = format!("country {:?}", country.code);
        let mut code = |text: &str| {
            let code = country_code(text);
            if code.is_none() {
                problems.add(format!(
                    "{place}: {text:?} is not a country code of two capital letters"
                ));
            }
            code
        };
        let Some(own) = code(&country.code) else {
            continue;
        };
        let provinces: Vec<_> = country
            .provinces
            .iter()
            .filter_map(|province| code(province))
            .collect();
        for province in provinces {
            if countries.insert(province, own).is_some() {
                problems.add(format!(
                    "{place}: province {:?} stands twice",
                    String::from_utf8_lossy(&province)
                ));
            }
        }
    }
    countries
}

fn correctable(names: &[String], problems: &mut Problems) -> Vec<bool> {
    let mut correctable = vec![false; Code::ALL.len()];
    for name in names {
        let mut any = false;
        for (code, correctable) in Code::ALL.iter().zip(&mut correctable) {
            let matches = match name.strip_suffix('*') {
                Some(beginning) => code.as_str().starts_with(beginning),
                None => code.as_str() == name,
            };
            *correctable |= matches;
            any |= matches;
        }
        if !any {
            problems.add(format!("remedies.correct_and_refile: no code is {name:?}"));
        }
    }
    correctable
}

fn codes(file: &BTreeMap<String, FileCode>, phases: usize, problems: &mut Problems) -> Vec<CodeRule> {
    for name in file.keys() {
        if Code::parse(name).is_none() {
            problems.add(format!("code.{name}: there is no such code"));
        }
    }
    let mut rules = Vec::new();
    for code in Code::ALL {
        let Some(rule) = file.get(code.as_str()) else {
            problems.add(format!("code.{code}: is missing"));
            continue;
        };
        let place = format!("code.{code}");
        for template in [&rule.sentence, &rule.remedy] {
            check_placeholders(&place, template, code, problems);
        }
        if rule.sentence.trim().is_empty() {
            problems.add(format!("{place}: the sentence is empty"));
        }
        let mut severities_before: Vec<_> = rule
            .severity_before
            .iter()
            .filter_map(|before| {
                let severities = problems.severities(&place, &before.severity, phases);
                Some((problems.date(&place, &before.date)?, severities))
            })
            .collect();
        severities_before.sort_by_key(|(date, _)| *date);
        let is_unknown = |text: &str| text.contains('?');
        if code.is_asked_of_ledger()
            && (is_unknown(&rule.severity)
                || rule
                    .severity_before
                    .iter()
                    .any(|before| is_unknown(&before.severity)))
        {
            problems.add(format!(
                "{place}: it cannot be ?, for the ledger knows it when a line is filed: give I, W or R"
            ));
        }
        rules.push(CodeRule {
            severities: problems.severities(&place, &rule.severity, phases),
            severities_before,
            field: rule.field.clone(),
            sentence: rule.sentence.clone(),
            remedy: rule.remedy.clone(),
            citation: rule.citation.clone(),
        });
    }
    rules
}

fn check_placeholders(place: &str, template: &str, code: Code, problems: &mut Problems) {
    let mut rest = template;
    while let Some((_, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else {
            problems.add(format!("{place}: an opening brace is not closed"));
            return;
        };
        if !code.placeholders().contains(&name) {
            problems.add(format!(
                "{place}: there is no {{{name}}}; there is {:?}",
                code.placeholders()
            ));
        }
        rest = behind;
    }
}

#[cfg(test)]
mod tests;
