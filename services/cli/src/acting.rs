//! In whose name a step of a certificate's life is taken, and how it is named.

use nopic_domain::identifier::{CertifierId, NopId};
use nopic_domain::principal::{Principal, Role};
use prost::Message;
use sha2::{Digest as _, Sha256};

/// For whom this is done
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Who does it (a server takes this from the API key)")]
pub(crate) struct Acting {
    /// Act as a person of this certifier (3 digits)
    #[arg(
        long,
        value_name = "NNN",
        env = "NOPIC_AS_CERTIFIER",
        conflicts_with = "as_exporter"
    )]
    as_certifier: Option<CertifierId>,
    /// Act as a person of this exporter (NOP operation ID)
    #[arg(long, value_name = "NOPID", env = "NOPIC_AS_EXPORTER")]
    as_exporter: Option<NopId>,
}

impl Acting {
    /// Whether a name is given.
    pub(crate) fn is_given(&self) -> bool {
        self.as_certifier.is_some() || self.as_exporter.is_some()
    }

    /// The person at this machine, in that role.
    pub(crate) fn principal(&self, person: &str) -> Principal {
        let built_in = Principal::built_in(person);
        match (self.as_certifier, self.as_exporter) {
            (Some(certifier), _) => Principal {
                role: Role::Certifier,
                certifier_id: Some(certifier),
                ..built_in
            },
            (None, Some(exporter)) => Principal {
                role: Role::Exporter,
                nop_ids: vec![exporter],
                ..built_in
            },
            (None, None) => built_in,
        }
    }
}

/// Naming a change, so that it is not made twice
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Naming {
    /// Name of the change: with the same name it is made once [default: from its content]
    #[arg(long, value_name = "ID", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    request_id: Option<String>,
}

impl Naming {
    /// Whether a name was given.
    pub(crate) const fn is_given(&self) -> bool {
        self.request_id.is_some()
    }

    /// The name that was given, or one that follows from the content.
    pub(crate) fn id(&self, step: &str, message: &impl Message) -> String {
        self.request_id.clone().unwrap_or_else(|| {
            let mut hash = Sha256::new();
            hash.update(message.encode_to_vec());
            format!("{step}-{}", hex::encode(&hash.finalize()[..16]))
        })
    }
}

#[cfg(test)]
mod tests {
    use nopic_proto::certificate::StartReviewRequest;

    use super::*;

    #[test]
    fn the_same_change_has_the_same_name() {
        let naming = Naming::default();
        let of = |request| {
            naming.id(
                "review",
                &StartReviewRequest {
                    request,
                    ..StartReviewRequest::default()
                },
            )
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert!(of(1).starts_with("review-"));
    }

    #[test]
    fn a_caller_acts_in_one_name() {
        let acting = Acting {
            as_certifier: "015".parse().ok(),
            as_exporter: None,
        };
        let principal = acting.principal("carl");
        assert_eq!(
            (principal.role, principal.certifier_id.map(CertifierId::number)),
            (Role::Certifier, Some(15))
        );
        assert_eq!(Acting::default().principal("x").role, Role::Operator);
    }
}
