//! Draws as they are asked for, and the client that asks.

use nopic_chassis::principal::AttachPrincipal;
use nopic_chassis::transport::MAX_MESSAGE_BYTES;
use nopic_domain::certificate::{Certificate, CertificateKind, CertificateStatus};
use nopic_domain::date::parse_iso;
use nopic_domain::principal::{Principal, Role};
use nopic_domain::weight::Weight;
use nopic_proto::certificate as wire;
use nopic_proto::certificate::ledger_service_client::LedgerServiceClient;
use nopic_proto::certificate::line_draw::Mode;
use nopic_proto::certificate::line_draw_result::Outcome;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use super::sample::{Random, certificate, entry, number};
use super::{Deployment, principal};

pub(crate) type Client = LedgerServiceClient<InterceptedService<Channel, AttachPrincipal>>;

impl Deployment {
    pub(crate) fn ledger_of(&self, principal: &Principal) -> Client {
        LedgerServiceClient::with_interceptor(self.channel.clone(), AttachPrincipal::new(principal))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// The client of a broker of this tenant.
    pub(crate) fn ledger(&self, tenant: &str) -> Client {
        self.ledger_of(&principal(tenant, Role::Broker))
    }

    /// What stands in the row of the certificate.
    pub(crate) async fn balance(&self, serial: u32) -> wire::GetBalanceResponse {
        self.balance_at(serial, "").await
    }

    pub(crate) async fn balance_at(&self, serial: u32, as_of: &str) -> wire::GetBalanceResponse {
        self.ledger_of(&principal("default", Role::Operator))
            .get_balance(wire::GetBalanceRequest {
                number: number(serial).to_string(),
                as_of: as_of.to_owned(),
            })
            .await
            .unwrap()
            .into_inner()
    }

    /// Every draw on the certificate that the caller may see, in pages of this size.
    pub(crate) async fn history(
        &self,
        caller: &Principal,
        serial: u32,
        as_of: &str,
        page_size: u32,
    ) -> Vec<wire::DrawRecord> {
        let mut client = self.ledger_of(caller);
        let mut draws = Vec::new();
        let mut page_token = String::new();
        loop {
            let page = client
                .list_draws(wire::ListDrawsRequest {
                    number: number(serial).to_string(),
                    as_of: as_of.to_owned(),
                    page_size,
                    page_token,
                })
                .await
                .unwrap()
                .into_inner();
            draws.extend(page.draws);
            assert_eq!(page.complete, page.next_page_token.is_empty());
            if page.complete {
                return draws;
            }
            page_token = page.next_page_token;
        }
    }
}

/// A certificate in force with this total, of this kind.
pub(crate) fn issued(serial: u32, kind: CertificateKind, total_units: i64) -> Certificate {
    Certificate {
        kind,
        status: CertificateStatus::Issued,
        superseded_by: None,
        issued_on: parse_iso("2025-01-15"),
        valid_from: parse_iso("2025-01-20"),
        valid_to: parse_iso("2025-07-20"),
        total_weight_kg: Weight::from_units(total_units),
        ..certificate(serial, &mut Random(u64::from(serial)))
    }
}

pub(crate) fn judged(serial: u32) -> wire::JudgedCertificate {
    wire::JudgedCertificate {
        number: number(serial).number(),
        version: 1,
        tolerance_units: 0,
    }
}

/// A line that draws units from a certificate.
pub(crate) fn draw(line_number: u32, serial: u32, weight_units: i64) -> wire::LineDraw {
    wire::LineDraw {
        line_number,
        pga_line_number: 1,
        mode: Mode::Draw.into(),
        number: number(serial).number(),
        weight_units,
        may_exceed: false,
        may_reuse: false,
        beside_replaced: false,
    }
}

pub(crate) fn nothing(line_number: u32) -> wire::LineDraw {
    wire::LineDraw {
        line_number,
        pga_line_number: 1,
        mode: Mode::Nothing.into(),
        ..wire::LineDraw::default()
    }
}

/// An entry's version that leaves other lines as they are.
pub(crate) fn added(entry_serial: u32, version: u32, lines: &[wire::LineDraw]) -> wire::EntryDraws {
    wire::EntryDraws {
        entry_number: entry(entry_serial).to_string(),
        entry_version: version,
        keep_other_lines: true,
        lines: lines.to_vec(),
    }
}

/// An entry's version that is all there is.
pub(crate) fn replaced(entry_serial: u32, version: u32, lines: &[wire::LineDraw]) -> wire::EntryDraws {
    wire::EntryDraws {
        keep_other_lines: false,
        ..added(entry_serial, version, lines)
    }
}

pub(crate) fn request(
    request_id: &str,
    certificates: &[wire::JudgedCertificate],
    entries: &[wire::EntryDraws],
) -> wire::SetDrawsRequest {
    wire::SetDrawsRequest {
        request_id: request_id.to_owned(),
        entries: entries.to_vec(),
        certificates: certificates.to_vec(),
    }
}

pub(crate) async fn set(client: &mut Client, request: wire::SetDrawsRequest) -> wire::SetDrawsResponse {
    client.set_draws(request).await.unwrap().into_inner()
}

/// Outcome and excess of each line, entry after entry.
pub(crate) fn outcomes(answer: &wire::SetDrawsResponse) -> Vec<(Outcome, i64)> {
    assert_eq!(answer.changed, []);
    answer
        .entries
        .iter()
        .flat_map(|entry| &entry.lines)
        .map(|line| (line.outcome(), line.excess_units))
        .collect()
}

/// Units as the wire states them in kilograms.
pub(crate) fn kilograms(units: i64) -> String {
    Weight::from_units(units).to_string()
}
