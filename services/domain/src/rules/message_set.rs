//! Rules 2 and 3: lines that are disclaimed, and lines without an organic message set.

use crate::finding::{Code, Detail, Details, Filed};
use crate::flags::Flag;

use super::line::MessageSet;
use super::{Case, Knowledge, Next};

impl<K: Knowledge> Case<'_, K> {
    /// Goes on to the number only with a line that carries an organic message set and does not disclaim.
    pub(super) fn message_set(&mut self) -> Next {
        if let Some(disclaimer) = self.checked.disclaimer {
            self.disclaimed(disclaimer);
            return Next::Stop;
        }
        if self.checked.message_set == MessageSet::None {
            // CBP takes no agency data on the header of an article set: the components have them.
            if !self.checked.is_article_set_header {
                self.not_declared();
            }
            return Next::Stop;
        }
        self.number()
    }

    fn disclaimed(&mut self, disclaimer: &str) {
        if !self.policy.takes_disclaimer(disclaimer) {
            self.findings.add(
                Code::DisclaimerInvalid,
                vec![("value", Filed::new(disclaimer).into())],
            );
        }
        if self.flag() == Some(Flag::Am8) {
            let details = self.tariff_details();
            self.findings.add(Code::DisclaimerNotAllowed, details);
        }
        if self.line.organic_claim == Some(true) {
            self.findings.add(Code::DisclaimerContradictsClaim, Vec::new());
        }
    }

    fn not_declared(&mut self) {
        let flag = self.flag();
        if flag == Some(Flag::Am8) || self.line.organic_claim == Some(true) {
            let mut details = self.tariff_details();
            let why = if flag == Some(Flag::Am8) {
                Detail::Am8(self.checked.hts_code, self.checked.entry_date)
            } else {
                "the goods are claimed to be organic".into()
            };
            details.push(("why", why));
            self.findings.add(Code::PgaDataMissing, details);
        } else if flag == Some(Flag::Am7) && self.line.organic_claim.is_none() {
            let details = self.tariff_details();
            self.findings.add(Code::PgaDataMayBeRequired, details);
        }
    }

    pub(super) fn tariff_details(&self) -> Details {
        vec![
            ("hts", self.checked.hts_code.into()),
            ("date", self.checked.entry_date.into()),
        ]
    }
}
