//! What may be said of a line that is in order, before its rules: which date they go by, and whether its tariff code is
//! known.

use crate::finding::{Code, Details};

use super::{Case, Knowledge};

impl<K: Knowledge> Case<'_, K> {
    pub(super) fn assumptions(&mut self) {
        let date = self.checked.entry_date;
        if let Some(field) = self.checked.assumed_date {
            let details = vec![("date", date.into()), ("field", field.into())];
            self.findings.add(Code::EntryDateAssumed, details);
        }
        if let Some(details) = self.implausible_date() {
            self.findings.add(Code::EntryDateImplausible, details);
        }
        if !self.is_in_tariff() {
            // Without a report nothing is said of the tariff.
            let report = self.flags.newest_report().unwrap_or(date);
            let details = vec![("hts", self.checked.hts_code.into()), ("report", report.into())];
            self.findings.add(Code::HtsNotInTariff, details);
        }
    }

    fn implausible_date(&self) -> Option<Details> {
        // What is taken back is not put on record, so an old entry can be.
        if self.checked.is_deletion {
            return None;
        }
        let filed = self.knowledge.filing_day()?;
        let span = self.policy.filing_span();
        let after = (self.checked.entry_date - filed).num_days();
        let (days, side) = if after > i64::from(span.days_after) {
            (span.days_after, "after")
        } else if -after > i64::from(span.days_before) {
            (span.days_before, "before")
        } else {
            return None;
        };
        Some(vec![
            ("date", self.checked.entry_date.into()),
            ("filed", filed.into()),
            ("days", days.into()),
            ("side", side.into()),
        ])
    }

    /// Not where a report is held and nothing that is held has ever named the code.
    pub(super) fn is_in_tariff(&self) -> bool {
        self.flags.newest_report().is_none() || self.flags.names(&self.checked.hts_code)
    }
}
