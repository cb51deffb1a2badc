//! Amending: what the successor states is checked, and gets its number here or from OID.

use chrono::{DateTime, Utc};
use nopic_chassis::requests::given;
use nopic_domain::certificate::Certificate;
use nopic_domain::date::day_of;
use nopic_domain::identifier::{CertificateNumber, CertifierId};
use nopic_domain::lifecycle::issued::{move_along, require_amendable, require_checked, successor};
use nopic_domain::lifecycle::refusal::Refusal;
use nopic_domain::lifecycle::{check, require_certifier, require_version};
use nopic_domain::principal::Principal;
use nopic_proto::certificate as wire;

use super::LifecycleRpc;
use crate::convert::certificate_number;
use crate::convert::lifecycle as convert;
use crate::error::Error;
use crate::store::Visibility;
use crate::store::lifecycle::{Act, Amended, SuccessorNumber};

impl LifecycleRpc {
    pub(super) async fn amend(
        &self,
        principal: &Principal,
        act: &Act,
        number: CertificateNumber,
        request: &wire::AmendCertificateRequest,
    ) -> Result<Amended, Error> {
        let amendment = convert::amendment(request)?;
        let accepted = convert::check_codes(&request.accepted)?;
        let visibility = Visibility::of(principal);
        let known = self.store.certificates(&[number], &visibility).await?;
        let known = known.get(&number);
        let known = known.ok_or(Error::NotFound(number))?;
        let certificate = &known.certificate;
        require_certifier(principal, certificate.certifier_id)?;
        let given = self.successor_number(certificate.certifier_id, request)?;
        let importer = amendment.importer_nop_id.unwrap_or(certificate.importer_nop_id);
        let handler = amendment
            .final_handler_nop_id
            .or(certificate.final_handler_nop_id);
        let answers = self
            .registry
            .knowledge(certificate.exporter_nop_id, importer, handler)
            .await;
        let decide = |certificate: &Certificate, current: u32, so_far, at: DateTime<Utc>| {
            require_amendable(certificate, (current, request.expected_version), principal)?;
            // The registry was asked about what this version states.
            require_version(current, known.version)?;
            let next = successor(certificate, amendment.clone(), at)?;
            let checks = check::run(&next, &answers, &self.policy, day_of(at));
            require_checked(certificate, &next, &checks, &accepted)?;
            let taken_over = move_along(certificate, &next, so_far)?;
            Ok::<_, Refusal>((next, taken_over))
        };
        self.store.amend(act, number, given, &decide).await
    }

    fn successor_number(
        &self,
        certifier: CertifierId,
        request: &wire::AmendCertificateRequest,
    ) -> Result<SuccessorNumber, Error> {
        let given = given(&request.successor)
            .map(|text| certificate_number("successor", text))
            .transpose()?;
        match (self.issues_for.contains(&certifier), given) {
            (true, None) => Ok(SuccessorNumber::Next),
            (false, Some(number)) => Ok(SuccessorNumber::Given {
                number,
                accept_inconsistent: request.accept_inconsistent,
            }),
            (true, Some(_)) => Err(Error::invalid(
                "successor",
                format!("certifier {certifier} has its numbers from this deployment: leave it empty"),
            )),
            (false, None) => Err(Error::invalid(
                "successor",
                format!("this deployment gives no numbers for certifier {certifier}: state the one from OID"),
            )),
        }
    }
}
