//! Rule 1: the line itself.

use crate::date::{Date, parse_iso};
use crate::entry::NormalisedLine;
use crate::finding::{Code, Detail, Filed, Finding, Problem};
use crate::hts::HtsCode;
use crate::identifier::{EntryNumber, NopId, country_code};
use crate::policy::{Disposition, PhaseIndex, Policy};
use crate::weight::{Weight, WeightError};

use super::Findings;

words! {
    /// Which organic message set a line carries.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) enum MessageSet {
        Or1 = "OR1",
        Or2 = "OR2",
        None = "NONE",
    }
}

/// A line whose fields are all what they say they are.
#[derive(Debug)]
pub(super) struct Checked<'a> {
    pub(super) entry_number: EntryNumber,
    pub(super) is_deletion: bool,
    pub(super) entry_date: Date,
    /// The field that stands for the entry date where that is absent.
    pub(super) assumed_date: Option<&'static str>,
    pub(super) is_article_set_header: bool,
    pub(super) export_date: Option<Date>,
    pub(super) exporter: Option<NopId>,
    pub(super) hts_code: HtsCode,
    pub(super) message_set: MessageSet,
    pub(super) disclaimer: Option<&'a str>,
    pub(super) weight: Option<Weight>,
    /// A province stands here as its country.
    pub(super) country_of_origin: Option<[u8; 2]>,
    /// A province stands here as its country.
    pub(super) country_of_export: Option<[u8; 2]>,
    pub(super) disposition: Option<Disposition>,
}

/// Checks every field. The phase comes out in any case; the checked line only where nothing was found.
pub(super) fn check<'a>(
    line: &'a NormalisedLine,
    repeated: bool,
    policy: &Policy,
) -> (PhaseIndex, Vec<Finding>, Option<Checked<'a>>) {
    let entry_date = line.rules_date();
    let phase = policy.phase_on(entry_date);
    let mut fields = Fields(Findings {
        policy,
        phase,
        entry_date,
        list: Vec::new(),
    });
    let checked = fields.check(line, repeated, entry_date, policy);
    let list = fields.0.list;
    let checked = if list.is_empty() { checked } else { None };
    (phase, list, checked)
}

struct Fields<'a>(Findings<'a>);

impl Fields<'_> {
    fn invalid(&mut self, field: &'static str, problem: Problem) {
        self.0
            .push(Code::LineInvalid, Some(field), vec![("problem", problem.into())]);
    }

    /// Reads a field that may be absent; one that cannot be read is a finding.
    fn read<T>(
        &mut self,
        field: &'static str,
        text: Option<&str>,
        expected: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = text?;
        let value = read(text);
        if value.is_none() {
            let found = Filed::new(text);
            let problem = Problem::Form {
                field,
                found,
                expected,
            };
            self.invalid(field, problem);
        }
        value
    }

    fn check<'a>(
        &mut self,
        line: &'a NormalisedLine,
        repeated: bool,
        entry_date: Option<Date>,
        policy: &Policy,
    ) -> Option<Checked<'a>> {
        let entry_number = EntryNumber::parse(&line.entry_number);
        if entry_number.is_none() {
            let value: Detail = if line.entry_number.is_empty() {
                "(none)".into()
            } else {
                Filed::new(&line.entry_number).into()
            };
            self.0.add(Code::EntryNumberInvalid, vec![("value", value)]);
        }
        self.line_number(line, repeated);
        self.read(
            "entryAction",
            line.entry_action.as_deref(),
            "ADD, REPLACE or DELETE",
            |text| matches!(text, "ADD" | "REPLACE" | "DELETE").then_some(()),
        );
        let dated_by = line.entry_date_field().map(|(field, _)| field);
        if dated_by.is_none() {
            self.invalid("entryDate", Problem::NoDate);
        }
        if entry_date.is_none() {
            // Where there is one it was read already, from here or from the field that stands for it.
            self.day("entryDate", line.entry_date.as_deref());
        }
        self.day("importationDate", line.importation_date.as_deref());
        self.day("arrivalDate", line.arrival_date.as_deref());
        let export_date = self.day("exportDate", line.export_date.as_deref());
        if let (Some(export_date), Some(entry_date), Some(field)) = (export_date, entry_date, dated_by)
            && export_date > entry_date
        {
            let problem = Problem::ExportedLater {
                exported: export_date,
                field,
                entered: entry_date,
            };
            self.invalid("exportDate", problem);
        }
        let nop_id = NopId::parse;
        self.read(
            "importerNopId",
            line.importer_nop_id.as_deref(),
            "10 digits",
            nop_id,
        );
        let exporter = self.read(
            "exporterNopId",
            line.exporter_nop_id.as_deref(),
            "10 digits",
            nop_id,
        );
        let hts_code = self.hts_code(line.hts_code.as_deref());
        let message_set = match line.message_set.as_deref() {
            None => Some(MessageSet::None),
            text => self.read("messageSet", text, "OR1, OR2 or NONE", MessageSet::parse),
        };
        let article_set = self.read("articleSet", line.article_set.as_deref(), "X or V", |text| {
            matches!(text, "X" | "V").then_some(text == "X")
        });
        let disclaimer = self.read(
            "disclaimerCode",
            line.disclaimer_code.as_deref(),
            "one letter",
            |text| (text.len() == 1 && text.bytes().all(|byte| byte.is_ascii_uppercase())).then_some(()),
        );
        let weight = self.weight(line.net_weight_kg.as_deref());
        let country_of_origin = self.read(
            "countryOfOrigin",
            line.country_of_origin.as_deref(),
            "a country of two letters",
            country_code,
        );
        let country_of_export = self.read(
            "countryOfExport",
            line.country_of_export.as_deref(),
            "a country of two letters",
            country_code,
        );
        self.read(
            "portOfEntry",
            line.port_of_entry.as_deref(),
            "a port of 4 letters or digits",
            |text| (text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(()),
        );
        let disposition = self.read(
            "disposition",
            line.disposition.as_deref(),
            "REEXPORT, DONATION, DESTRUCTION or RECONDITION",
            Disposition::parse,
        );
        Some(Checked {
            entry_number: entry_number?,
            is_deletion: line.takes_back(),
            entry_date: entry_date?,
            assumed_date: dated_by.filter(|field| *field != "entryDate"),
            is_article_set_header: article_set == Some(true),
            export_date,
            exporter,
            hts_code: hts_code?,
            message_set: message_set?,
            disclaimer: disclaimer.and(line.disclaimer_code.as_deref()),
            weight,
            country_of_origin: country_of_origin.map(|code| policy.country_of(code)),
            country_of_export: country_of_export.map(|code| policy.country_of(code)),
            disposition,
        })
    }

    /// A repeated line, or numbers that only a message can carry (files with such numbers are refused).
    fn line_number(&mut self, line: &NormalisedLine, repeated: bool) {
        let (number, pga_number) = (line.line_number, line.pga_line_number());
        if number == 0 || pga_number == 0 {
            self.invalid("lineNumber", Problem::NumberZero);
        } else if repeated {
            let problem = Problem::StoodBefore {
                line: number,
                pga_line: pga_number,
            };
            self.invalid("lineNumber", problem);
        }
    }

    fn day(&mut self, field: &'static str, text: Option<&str>) -> Option<Date> {
        self.read(field, text, "a day in the form YYYY-MM-DD", parse_iso)
    }

    fn hts_code(&mut self, text: Option<&str>) -> Option<HtsCode> {
        let Some(text) = text else {
            self.invalid("htsCode", Problem::NoTariffCode);
            return None;
        };
        let code = text.parse().ok();
        if code.is_none() {
            self.invalid("htsCode", Problem::of_tariff_code(text));
        }
        code
    }

    fn weight(&mut self, text: Option<&str>) -> Option<Weight> {
        let text = text?;
        let problem = match text.parse::<Weight>() {
            Ok(Weight::ZERO) => "is zero: a line weighs something",
            Ok(weight) => return Some(weight),
            Err(WeightError::Malformed) => "is not a decimal number of kilograms with at most four decimals",
            Err(WeightError::TooLarge) => "is above 1000000000000 kg",
        };
        self.invalid("netWeightKg", Problem::Weight(Filed::new(text), problem));
        None
    }
}
