//! Which lines of a call belong to an entry of it: those of one stand together, and are at most ten thousand.

use std::collections::HashSet;

use nopic_domain::identifier::EntryNumber;
use nopic_domain::rules::MAX_LINES_PER_ENTRY;
use thiserror::Error;

/// Entries of one call: each is remembered, so that its lines in a second place are found.
const MAX_ENTRIES: usize = 2_000_000;

/// Why a line is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    /// Lines of another entry stood between it and the others of its entry.
    #[error(
        "lines of this entry stood before, and lines of another one between them: it is judged and filed as a whole, so \
         those from the second place on are not taken; put them together"
    )]
    SecondPlace,
    /// Its entry has too many lines.
    #[error("this entry has more than {MAX_LINES_PER_ENTRY} lines, which is the most that an entry may have")]
    TooLong,
    /// The call has too many entries.
    #[error("more than {MAX_ENTRIES} entries come in one call: send the others in another one")]
    TooManyEntries,
}

/// Where a line stands that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It is the first of its entry.
    Begins,
    /// It follows another one of its entry.
    Goes,
}

/// The entries of a call, as their lines come.
#[derive(Debug, Default)]
pub(crate) struct EntryScope {
    open: Option<Open>,
    /// Entries that were complete before. What is no entry's number is none, and may come again.
    complete: HashSet<EntryNumber>,
}

#[derive(Debug)]
struct Open {
    entry_number: String,
    lines: usize,
    refused: Option<Refusal>,
}

impl EntryScope {
    /// Takes the next line, by its normalised entry number.
    ///
    /// # Errors
    /// It is not one that is judged or filed.
    pub(crate) fn line(&mut self, entry_number: &str) -> Result<Place, Refusal> {
        if let Some(open) = &mut self.open
            && open.entry_number == entry_number
        {
            if open.lines == MAX_LINES_PER_ENTRY {
                open.refused.get_or_insert(Refusal::TooLong);
            }
            open.lines += 1;
            return open.refused.map_or(Ok(Place::Goes), Err);
        }
        if let Some(number) = self
            .open
            .take()
            .and_then(|open| EntryNumber::parse(&open.entry_number))
        {
            self.complete.insert(number);
        }
        let refused = match EntryNumber::parse(entry_number) {
            Some(number) if self.complete.contains(&number) => Some(Refusal::SecondPlace),
            Some(_) if self.complete.len() >= MAX_ENTRIES => Some(Refusal::TooManyEntries),
            _ => None,
        };
        self.open = Some(Open {
            entry_number: entry_number.to_owned(),
            lines: 1,
            refused,
        });
        refused.map_or(Ok(Place::Begins), Err)
    }
}

impl EntryScope {
    /// An entry was complete before the first line, by its normalised number.
    pub(crate) fn complete(&mut self, entry_number: &str) {
        self.complete.extend(EntryNumber::parse(entry_number));
    }

    /// An entry is taken back here: what is filed of it behind is another entry, as it were. Whether lines of it stood
    /// before.
    pub(crate) fn deleted(&mut self, entry_number: &str) -> bool {
        if let Some(open) = self.open.take()
            && let Some(number) = EntryNumber::parse(&open.entry_number)
        {
            self.complete.insert(number);
        }
        EntryNumber::parse(entry_number).is_some_and(|number| self.complete.remove(&number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "B7600000015";
    const OTHER: &str = "B7600000023";

    #[test]
    fn lines_of_an_entry_stand_together() {
        let mut scope = EntryScope::default();
        let places = [ONE, ONE, OTHER, ONE, ONE, OTHER].map(|number| scope.line(number));
        let again = Err(Refusal::SecondPlace);
        assert_eq!(
            places,
            [
                Ok(Place::Begins),
                Ok(Place::Goes),
                Ok(Place::Begins),
                again,
                again,
                again
            ]
        );
        // What is no number of an entry may come anywhere: each line gets its finding.
        assert_eq!(
            ["x", ONE, "x"].map(|number| scope.line(number).is_ok()),
            [true, false, true]
        );
    }

    #[test]
    fn an_entry_has_ten_thousand_lines_at_most() {
        let mut scope = EntryScope::default();
        for _ in 0..MAX_LINES_PER_ENTRY {
            scope.line(ONE).unwrap();
        }
        assert_eq!(scope.line(ONE), Err(Refusal::TooLong));
        assert_eq!(scope.line(ONE), Err(Refusal::TooLong));
        assert_eq!(scope.line(OTHER), Ok(Place::Begins));
        // One in a second place stays that, however long it is: what waits of others is not its.
        for _ in 0..=MAX_LINES_PER_ENTRY {
            assert_eq!(scope.line(ONE), Err(Refusal::SecondPlace));
        }
    }

    #[test]
    fn an_entry_that_is_taken_back_may_come_anew() {
        let mut scope = EntryScope::default();
        assert!(scope.line(ONE).is_ok() && scope.line(OTHER).is_ok());
        assert!(scope.deleted(ONE) && !scope.deleted(ONE));
        assert_eq!(scope.line(ONE), Ok(Place::Begins));
        // The one that was open is complete.
        assert_eq!(scope.line(OTHER), Err(Refusal::SecondPlace));
    }
}
