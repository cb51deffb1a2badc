//! What keeps a record from being taken.

use crate::digest::is_sha256;

use super::{Claim, Document, LONGEST_STATEMENT, LONGEST_TEXT, MOST_NAMED, Party, Point, Statement, Step};

impl Step {
    /// What keeps it from being recorded: the field, and what to do.
    ///
    /// # Errors
    /// A text is missing, too long or not printable, or the step ends before it begins.
    pub fn check(&self) -> Result<(), String> {
        party("party", &self.party)?;
        if let Some(owner) = &self.owner {
            party("owner", owner)?;
        }
        if let Some(place) = &self.place {
            text("place", place)?;
        }
        if let (Some(from), Some(to)) = (self.from, self.to)
            && ends_before(to, from)
        {
            return Err(format!(
                "to: the step ends at {to}, before it begins at {from}; mend one of them"
            ));
        }
        lines(&self.lines)?;
        if self.lots.len() > MOST_NAMED {
            return Err(format!(
                "lots: {}, at most {MOST_NAMED}; name none for all",
                self.lots.len()
            ));
        }
        self.lots.iter().try_for_each(|lot| text("lots", lot))
    }
}

impl Document {
    /// What keeps it from being recorded: the field, and what to do.
    ///
    /// # Errors
    /// A text is missing, too long or not printable, or the hash is none.
    pub fn check(&self) -> Result<(), String> {
        text("reference", &self.reference)?;
        if !is_sha256(&self.sha256) {
            return Err("sha256: give the SHA-256 of the document's content".to_owned());
        }
        match &self.organic {
            Some(check) => text("checked_by", &check.checked_by),
            None => Ok(()),
        }
    }
}

impl Statement {
    /// What keeps it from being recorded: the field, and what to do.
    ///
    /// # Errors
    /// A text is missing, too long or not printable.
    pub fn check(&self) -> Result<(), String> {
        text("stated_by", &self.stated_by)?;
        if let Claim::EmergencyActionNotice { reference } = &self.claim {
            text("reference", reference)?;
        }
        if !self.basis.is_empty() {
            bounded("basis", &self.basis, LONGEST_STATEMENT)?;
        }
        lines(&self.lines)
    }
}

/// Whether it surely does. The end of a day is the begin of the next, and belongs to that.
fn ends_before(to: Point, from: Point) -> bool {
    match to {
        Point::Day(_) => to.latest() <= from.earliest(),
        Point::Moment(_) => to.latest() < from.earliest(),
    }
}

fn party(field: &str, party: &Party) -> Result<(), String> {
    text(&format!("{field}.name"), &party.name)
}

fn lines(lines: &[u32]) -> Result<(), String> {
    if lines.len() > MOST_NAMED {
        return Err(format!(
            "lines: {}, at most {MOST_NAMED}; name none for all",
            lines.len()
        ));
    }
    if lines.contains(&0) {
        return Err("lines: lines of an entry count from 1".to_owned());
    }
    Ok(())
}

fn text(field: &str, text: &str) -> Result<(), String> {
    bounded(field, text, LONGEST_TEXT)
}

fn bounded(field: &str, text: &str, longest: usize) -> Result<(), String> {
    let is_fit = !text.trim().is_empty()
        && text.chars().count() <= longest
        && !text
            .chars()
            .any(|character| character.is_control() && character != '\n');
    if is_fit {
        Ok(())
    } else {
        Err(format!("{field}: give 1 to {longest} printable characters"))
    }
}
