//! Rule 7: the tariff line and the treatment of the goods.

use crate::finding::Code;

use super::{Case, Knowledge};

impl<K: Knowledge> Case<'_, K> {
    pub(super) fn goods(&mut self) {
        if self.flag().is_none() && self.is_in_tariff() {
            let details = self.tariff_details();
            self.findings.add(Code::HtsNotFlagged, details);
        }
        let Some(treatment) = self.line.treatment else {
            return;
        };
        let what = match (treatment.prohibited_substance, treatment.irradiated) {
            (Some(true), Some(true)) => Some("a prohibited substance and ionizing radiation"),
            (Some(true), _) => Some("a prohibited substance"),
            (_, Some(true)) => Some("ionizing radiation"),
            _ => None,
        };
        if let Some(what) = what {
            self.findings
                .add(Code::TreatmentProhibited, vec![("what", what.into())]);
        }
        if treatment.emergency_action_notice == Some(true) {
            self.findings.add(Code::TreatmentEmergencyAction, Vec::new());
        }
    }
}
