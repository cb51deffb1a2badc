//! Numbers and enumerations in words.

use nopic_proto::entry_validation::verdict::{Declaration, Outcome, Remedy};

use super::verdict_record::LineKind;

/// A count with commas between the thousands.
pub(crate) fn count(number: impl Into<u64>) -> String {
    let digits = number.into().to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count of things: `1 row`, `2,000 rows`.
pub(crate) fn counted(number: impl Into<u64>, one: &str, several: &str) -> String {
    let number = number.into();
    format!("{} {}", count(number), if number == 1 { one } else { several })
}

/// What a verdict means to the one who files a line of this kind.
pub(crate) fn outcome(outcome: Outcome, kind: LineKind) -> &'static str {
    use LineKind::{Declares, TakesBack};
    match (outcome, kind) {
        (Outcome::Accept, Declares(Declaration::Organic)) => "can be filed as organic",
        (Outcome::Accept, Declares(Declaration::Disclaimed)) => {
            "can be filed with its disclaimer, not as organic"
        }
        (Outcome::Accept, Declares(Declaration::None)) => "can be filed: nothing organic is declared",
        (Outcome::Accept, Declares(Declaration::Unspecified)) => "can be filed",
        (Outcome::Accept, TakesBack) => "takes a line back, and declares nothing",
        (Outcome::Warn, Declares(_)) => "can be filed, but look at the warnings first",
        (Outcome::Warn, TakesBack) => "takes a line back, but look at the warnings first",
        (Outcome::Reject, Declares(Declaration::Organic)) => "cannot be filed as organic as it stands",
        (Outcome::Reject, Declares(_)) => "cannot be filed as it stands",
        (Outcome::Reject, TakesBack) => "takes nothing back as it stands",
        (Outcome::Indeterminate, _) => "not known yet: do not file on this answer",
        (Outcome::Unspecified, _) => "no verdict: the server is of another version",
    }
}

/// What lines of a kind are, behind their count.
pub(crate) fn kind(kind: LineKind) -> &'static str {
    match kind {
        LineKind::Declares(Declaration::Organic) => "organic",
        LineKind::Declares(Declaration::Disclaimed) => "disclaimed",
        LineKind::Declares(Declaration::None) => "not declared",
        LineKind::Declares(Declaration::Unspecified) => "not known what it declares",
        LineKind::TakesBack => "to be taken back",
    }
}

/// What may still be done, in words.
pub(crate) fn remedy(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::CorrectAndRefile => "correct the line and file again",
        Remedy::Reexport => "re-export",
        Remedy::Donation => "donation",
        Remedy::Destruction => "destruction",
        Remedy::Recondition => "reconditioning as conventional goods",
        Remedy::Unspecified => "a way that this version does not know",
    }
}

/// Parts with commas between them and a last word before the last: `a, b or c`.
pub(crate) fn joined(parts: &[&str], last: &str) -> String {
    match parts {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., final_part] => format!("{} {last} {final_part}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_commas() {
        assert_eq!(count(0_u64), "0");
        assert_eq!(count(999_u32), "999");
        assert_eq!(count(1_000_u32), "1,000");
        assert_eq!(count(1_234_567_u32), "1,234,567");
        assert_eq!(counted(1_u32, "row", "rows"), "1 row");
        assert_eq!(counted(76_000_u32, "row", "rows"), "76,000 rows");
    }

    #[test]
    fn parts_are_joined_as_in_speech() {
        assert_eq!(joined(&[], "or"), "");
        assert_eq!(joined(&["a"], "or"), "a");
        assert_eq!(joined(&["a", "b", "c"], "or"), "a, b or c");
    }
}
