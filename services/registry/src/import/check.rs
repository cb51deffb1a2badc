//! Whether a new snapshot looks wrong beside the last one (FORMATS §1, "Rules of an import").

use nopic_domain::date::Date;

use crate::store::SnapshotRow;

/// Where the last snapshot has no more operations than this, nothing is compared: small contents change by large
/// parts. How many the new one has does not matter: one operation after 76,000 is what must not serve.
const LEAST_OPERATIONS: u32 = 1_000;
/// Certifiers that a reason names.
const NAMED: usize = 5;

/// What the new snapshot is compared by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Compared<'a> {
    pub(super) published_on: Date,
    pub(super) today: Date,
    pub(super) is_full: bool,
    pub(super) rows: u32,
    pub(super) certifiers: &'a [String],
    /// Operations whose status is another than the one known before it.
    pub(super) statuses_changed: u32,
}

/// Why the snapshot is held: one sentence each; none: it may serve.
/// `last_full` is the full snapshot before it in the order of publication.
pub(super) fn reasons(new: &Compared<'_>, last_full: Option<&SnapshotRow>) -> Vec<String> {
    let mut reasons = Vec::new();
    if new.published_on > new.today {
        reasons.push(format!(
            "its publication date {} is in the future (today is {})",
            new.published_on, new.today
        ));
    }
    // A partial snapshot names what changed: that it lacks operations or certifiers, or that the status of what it
    // names is another, means nothing.
    let Some(last) = last_full.filter(|last| new.is_full && last.rows > LEAST_OPERATIONS) else {
        return reasons;
    };
    let last_name = format!("revision {} (published {})", last.revision, last.published_on);
    if u64::from(new.rows) * 5 <= u64::from(last.rows) * 4 {
        reasons.push(format!(
            "it has {} where {last_name} has {}: a fifth or more is missing",
            operations(new.rows),
            last.rows
        ));
    }
    let gone: Vec<&str> = last
        .certifiers
        .iter()
        .filter(|certifier| !new.certifiers.contains(certifier))
        .map(String::as_str)
        .collect();
    if !gone.is_empty() {
        let more = if gone.len() > NAMED {
            format!(" and {} more", gone.len() - NAMED)
        } else {
            String::new()
        };
        reasons.push(format!(
            "it has no operation of {}{more}, which {last_name} has",
            gone[..gone.len().min(NAMED)].join(", ")
        ));
    }
    if u64::from(new.statuses_changed) * 20 > u64::from(last.rows) {
        reasons.push(format!(
            "the status of {} operations is another than in {last_name}, more than 5 % of its {}",
            new.statuses_changed, last.rows
        ));
    }
    reasons
}

fn operations(count: u32) -> String {
    if count == 1 {
        "1 operation".to_owned()
    } else {
        format!("{count} operations")
    }
}

/// The share of refused rows that an import may have, in units of 0.0001 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MaxRejects(u64);

const UNITS_A_PERCENT: u64 = 10_000;

impl MaxRejects {
    /// Reads decimal text: `1`, `0.5`; at most four decimals; empty: 1.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() {
            return Some(Self(UNITS_A_PERCENT));
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 3 || fraction.len() > 4 || !digits(whole) || !digits(fraction) {
            return None;
        }
        let fraction: u64 = format!("{fraction:0<4}").parse().ok()?;
        let units = whole.parse::<u64>().ok()? * UNITS_A_PERCENT + fraction;
        (units <= 100 * UNITS_A_PERCENT).then_some(Self(units))
    }

    /// Whether so many refused of all are too many.
    pub(super) fn is_passed_by(self, refused: u32, read: u32) -> bool {
        let all = u64::from(refused) + u64::from(read);
        u64::from(refused) * 100 * UNITS_A_PERCENT > all * self.0
    }
}

impl std::fmt::Display for MaxRejects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, fraction) = (self.0 / UNITS_A_PERCENT, self.0 % UNITS_A_PERCENT);
        if fraction == 0 {
            write!(f, "{whole}")
        } else {
            write!(f, "{}", format!("{whole}.{fraction:04}").trim_end_matches('0'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_decimal_text() {
        for (text, shown) in [
            ("", "1"),
            ("0.5", "0.5"),
            ("100", "100"),
            ("0", "0"),
            ("12.3400", "12.34"),
        ] {
            assert_eq!(MaxRejects::parse(text).unwrap().to_string(), shown);
        }
        for text in ["-1", "1e3", "100.1", "1.23456", ".5", "x", "1,5"] {
            assert_eq!(MaxRejects::parse(text), None, "{text}");
        }
    }

    #[test]
    fn more_than_the_share_is_too_much() {
        let one = MaxRejects::parse("1").unwrap();
        assert!(!one.is_passed_by(1, 99));
        assert!(one.is_passed_by(2, 99));
        assert!(!one.is_passed_by(0, 0));
        assert!(!MaxRejects::parse("100").unwrap().is_passed_by(5, 0));
    }
}
