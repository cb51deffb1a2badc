//! One entry line as a broker declares it, before anything is judged.

use serde::{Deserialize, Serialize};

use crate::date::{Date, parse_iso};

/// One line of an entry, in the texts that were filed (FORMATS §3).
///
/// The texts stay texts on purpose: a wrong value is a finding about the line, never a reason to lose it.
/// Readers fill this in; [`EntryLine::normalise`] makes the form that the rules judge.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EntryLine {
    /// Filer code, 7 digits, check digit.
    pub entry_number: String,
    /// `ADD`, `REPLACE` or `DELETE`; absent means `ADD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_action: Option<String>,
    /// Line of the entry, from 1.
    pub line_number: u32,
    /// PGA line of the entry line, from 1; absent means 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pga_line_number: Option<u32>,
    /// `YYYY-MM-DD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_date: Option<String>,
    /// `YYYY-MM-DD`: the date of importation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub importation_date: Option<String>,
    /// `YYYY-MM-DD`: the estimated date of arrival.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrival_date: Option<String>,
    /// `YYYY-MM-DD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export_date: Option<String>,
    /// CBP's number of the importer of record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub importer_of_record: Option<String>,
    /// 10 digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub importer_nop_id: Option<String>,
    /// 10 digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exporter_nop_id: Option<String>,
    /// 6, 8 or 10 digits; dots may stand after the 4th, 6th and 8th.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hts_code: Option<String>,
    /// `X` for the header of an article set, `V` for a component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub article_set: Option<String>,
    /// What the goods are called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether the goods are claimed to be organic; absent where the form does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organic_claim: Option<bool>,
    /// `OR1`, `OR2` or `NONE`; absent means `NONE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_set: Option<String>,
    /// One letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disclaimer_code: Option<String>,
    /// The certificate number or special code as filed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_number: Option<String>,
    /// Numbers of other certificates that the line names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub further_certificate_numbers: Vec<String>,
    /// Kilograms in decimal, at most four decimals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub net_weight_kg: Option<String>,
    /// Lot numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lots: Vec<String>,
    /// ISO 3166 alpha-2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country_of_origin: Option<String>,
    /// ISO 3166 alpha-2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country_of_export: Option<String>,
    /// CBP port code, 4 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_of_entry: Option<String>,
    /// `REEXPORT`, `DONATION`, `DESTRUCTION` or `RECONDITION`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disposition: Option<String>,
    /// What is known of treatments since export.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub treatment: Option<Treatment>,
}

/// What the importer states about treatments since export (7 CFR 205.273(d)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Treatment {
    /// The importer verified the two that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
    /// Contact with a prohibited substance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prohibited_substance: Option<bool>,
    /// Ionizing radiation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub irradiated: Option<bool>,
    /// An Emergency Action Notice was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emergency_action_notice: Option<bool>,
}

words! {
    /// What a line declares, whether or not it may.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Declaration {
        /// Organic goods: it has a message set, known or not.
        Organic = "ORGANIC",
        /// Goods that are not organic: it has a disclaimer code, valid or not.
        Disclaimed = "DISCLAIMED",
        /// Neither.
        None = "NONE",
    }
}

/// An entry line in the one form that is judged, recorded and compared (RULES, rule 1): texts trimmed, empty
/// ones absent, codes and the entry number in upper case, the entry number without dashes.
///
/// Only [`EntryLine::normalise`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NormalisedLine(EntryLine);

impl NormalisedLine {
    /// The PGA line number; 1 where the line gives none.
    #[must_use]
    pub fn pga_line_number(&self) -> u32 {
        self.0.pga_line_number.unwrap_or(1)
    }

    /// Whether the line takes the one of its number back.
    #[must_use]
    pub fn takes_back(&self) -> bool {
        self.0.entry_action.as_deref() == Some("DELETE")
    }

    /// Whether the line takes the place of all that its entry has on record.
    #[must_use]
    pub fn replaces(&self) -> bool {
        self.0.entry_action.as_deref() == Some("REPLACE")
    }

    /// What the line declares.
    #[must_use]
    pub fn declaration(&self) -> Declaration {
        match (&self.0.disclaimer_code, self.0.message_set.as_deref()) {
            (Some(_), _) => Declaration::Disclaimed,
            (None, None | Some("NONE")) => Declaration::None,
            (None, Some(_)) => Declaration::Organic,
        }
    }

    /// What stands for the entry date: the first of its own field, the date of importation and that of arrival, by its
    /// name in a file.
    #[must_use]
    pub fn entry_date_field(&self) -> Option<(&'static str, &str)> {
        [
            ("entryDate", &self.0.entry_date),
            ("importationDate", &self.0.importation_date),
            ("arrivalDate", &self.0.arrival_date),
        ]
        .into_iter()
        .find_map(|(name, text)| Some((name, text.as_deref()?)))
    }

    /// The day that every rule goes by; absent where none is given or the first that is given is no day.
    #[must_use]
    pub fn rules_date(&self) -> Option<Date> {
        self.entry_date_field().and_then(|(_, text)| parse_iso(text))
    }

    /// The line itself.
    #[must_use]
    pub fn into_inner(self) -> EntryLine {
        self.0
    }
}

impl std::ops::Deref for NormalisedLine {
    type Target = EntryLine;

    fn deref(&self) -> &EntryLine {
        &self.0
    }
}

impl EntryLine {
    /// Trims every text of Unicode white space, makes empty ones absent, puts codes and the entry number in
    /// upper case and takes the dashes out of the latter. Allocates only where something changes.
    #[must_use]
    pub fn normalise(mut self) -> NormalisedLine {
        trim(&mut self.entry_number);
        if self.entry_number.contains('-') {
            self.entry_number.retain(|character| character != '-');
            // White space that stood between dashes must not make the form another when it is read again.
            trim(&mut self.entry_number);
        }
        self.entry_number.make_ascii_uppercase();
        let texts = [
            &mut self.entry_date,
            &mut self.importation_date,
            &mut self.arrival_date,
            &mut self.export_date,
            &mut self.importer_of_record,
            &mut self.importer_nop_id,
            &mut self.exporter_nop_id,
            &mut self.hts_code,
            &mut self.description,
            &mut self.certificate_number,
            &mut self.net_weight_kg,
        ];
        texts.into_iter().for_each(trim_or_absent);
        let codes = [
            &mut self.entry_action,
            &mut self.message_set,
            &mut self.article_set,
            &mut self.disclaimer_code,
            &mut self.country_of_origin,
            &mut self.country_of_export,
            &mut self.port_of_entry,
            &mut self.disposition,
        ];
        for code in codes {
            trim_or_absent(code);
            if let Some(text) = code {
                text.make_ascii_uppercase();
            }
        }
        normalise_list(&mut self.lots);
        normalise_list(&mut self.further_certificate_numbers);
        NormalisedLine(self)
    }
}

/// Trims each text and drops the empty ones.
pub(crate) fn normalise_list(texts: &mut Vec<String>) {
    texts.iter_mut().for_each(trim);
    texts.retain(|text| !text.is_empty());
}

/// Trims a text in place; an empty one becomes absent.
pub(crate) fn trim_or_absent(text: &mut Option<String>) {
    if let Some(inner) = text {
        trim(inner);
        if inner.is_empty() {
            *text = None;
        }
    }
}

/// Trims Unicode white space in place, without allocating.
pub(crate) fn trim(text: &mut String) {
    let end = text.trim_end().len();
    text.truncate(end);
    let start = text.len() - text.trim_start().len();
    if start > 0 {
        text.drain(..start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_normalised_once_and_stays_so() {
        let line = EntryLine {
            entry_number: " b76-0324527-8\u{3000}".into(),
            message_set: Some("or2 ".into()),
            description: Some(" \u{a0} ".into()),
            lots: vec![" L-1".into(), "  ".into()],
            country_of_origin: Some("mx".into()),
            certificate_number: Some("\u{2003}123-draft ".into()),
            ..EntryLine::default()
        }
        .normalise();
        assert_eq!(line.entry_number, "B7603245278");
        assert_eq!(line.message_set.as_deref(), Some("OR2"));
        assert_eq!(line.description, None);
        assert_eq!(line.lots, ["L-1"]);
        assert_eq!(line.country_of_origin.as_deref(), Some("MX"));
        assert_eq!(line.certificate_number.as_deref(), Some("123-draft"));
        assert_eq!(line.clone().into_inner().normalise(), line);
        assert_eq!(line.pga_line_number(), 1);
    }
}
