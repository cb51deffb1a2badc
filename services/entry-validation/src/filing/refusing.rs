//! What of a request is not filed, and why: it is told by name, and keeps nothing else from being filed.

use std::fmt;

use nopic_domain::date::Date;
use nopic_domain::entry::NormalisedLine;
use nopic_domain::identifier::CertificateNumber;
use nopic_domain::ledger::MAX_DRAWN;
use rustc_hash::FxHashMap;
use thiserror::Error as ThisError;

use crate::error::Error;
use crate::store::Refused;

/// A line of an entry, by its number and that of its PGA line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineName(u32, u32);

impl From<&NormalisedLine> for LineName {
    fn from(line: &NormalisedLine) -> Self {
        Self(line.line_number, line.pga_line_number())
    }
}

impl fmt::Display for LineName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(line, 1) => write!(out, "line {line}"),
            Self(line, pga_line) => write!(out, "line {line}, PGA line {pga_line}"),
        }
    }
}

/// Why an entry, or a line of one, is not filed.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub(super) enum Reason {
    #[error(
        "the lines of this entry weigh more than can be counted on certificate {0}: correct their weights and file the \
         entry again"
    )]
    TooHeavy(CertificateNumber),
    #[error("the entry is not on record: there is nothing to take back")]
    NotOnRecord,
    #[error("the entry was taken back by version {version} on {on}: there is nothing to take back")]
    TakenBack { version: u32, on: Date },
    #[error("{0} of this entry is not on record: there is nothing to take back")]
    LineNotOnRecord(LineName),
    #[error(
        "{line} of this entry is to be taken back, but the line that says so is not valid, so nothing is: {problems}"
    )]
    NotValid { line: LineName, problems: String },
}

impl Reason {
    /// The answer to a request that is filed whole or not at all.
    pub(super) fn of_all(&self, entry_number: &str) -> Error {
        match self {
            Self::TooHeavy(certificate) => Error::Invalid(format!(
                "lines: with those of entry {entry_number}, more than {MAX_DRAWN} kg would be drawn from certificate \
                 {certificate}: correct their weights"
            )),
            Self::NotValid { .. } => Error::Invalid(format!("lines: entry {entry_number:?}: {self}")),
            Self::NotOnRecord | Self::TakenBack { .. } | Self::LineNotOnRecord(_) => {
                Error::NothingToTakeBack(format!("{entry_number}: {self}"))
            }
        }
    }
}

/// Why entries and lines are not filed.
#[derive(Debug, Default)]
pub(super) struct Reasons {
    /// By the number of the entry.
    pub(super) entries: FxHashMap<String, Reason>,
    /// By the place of the line.
    pub(super) lines: FxHashMap<usize, Reason>,
}

/// The lines of a request that may be filed, and what was refused of it.
#[derive(Debug)]
pub(super) struct Sifted {
    pub(super) lines: Vec<NormalisedLine>,
    /// Where each stood in the request.
    places: Vec<u32>,
    pub(super) refused: Vec<Refused>,
}

impl Sifted {
    pub(super) fn new(lines: Vec<NormalisedLine>, refused: Vec<Refused>) -> Self {
        Self {
            // Requests are bounded far below this.
            places: (0..u32::try_from(lines.len()).unwrap_or(u32::MAX)).collect(),
            lines,
            refused,
        }
    }

    /// Takes out what is not filed; of an entry that is not, its first line stands for all.
    ///
    /// # Errors
    /// There is such a thing, and nothing may be left out.
    pub(super) fn refuse(&mut self, reasons: &Reasons, entries_apart: bool) -> Result<(), Error> {
        if reasons.entries.is_empty() && reasons.lines.is_empty() {
            return Ok(());
        }
        let (lines, places) = (std::mem::take(&mut self.lines), std::mem::take(&mut self.places));
        let mut whole = None;
        for (index, (line, place)) in lines.into_iter().zip(places).enumerate() {
            let of_entry = reasons.entries.get(&line.entry_number);
            let Some(reason) = of_entry.or_else(|| reasons.lines.get(&index)) else {
                self.lines.push(line);
                self.places.push(place);
                continue;
            };
            if !entries_apart {
                return Err(reason.of_all(&line.entry_number));
            }
            let entry_number = line.into_inner().entry_number;
            if of_entry.is_some() && whole.replace(entry_number.clone()).as_ref() == Some(&entry_number) {
                continue;
            }
            self.refused.push(Refused {
                place,
                entry_number,
                reason: reason.to_string(),
            });
        }
        Ok(())
    }
}
