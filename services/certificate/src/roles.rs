//! Who may call which method. Whose certificate or request it is, the handlers check.

use nopic_chassis::roles::{ENTRY_VALIDATION, Row};
use nopic_domain::principal::Role;

const OPERATOR: &[Role] = &[Role::Operator];
/// Who files entries, for itself or for others.
const FILERS: &[Role] = &[Role::Broker, Role::Compliance, Role::Operator];

/// The certificate service's rows of the table of roles.
pub const ROLES: &[Row] = &[
    Row::roles(
        "nopic.certificate.v1.CertificateService/ImportCertificates",
        OPERATOR,
    ),
    Row::any_role("nopic.certificate.v1.CertificateService/GetCertificate"),
    Row::any_role("nopic.certificate.v1.CertificateService/BatchGetCertificates"),
    Row::any_role("nopic.certificate.v1.CertificateService/ListCertificates"),
    Row::any_role("nopic.certificate.v1.CertificateService/BatchGetForValidation"),
    Row::roles("nopic.certificate.v1.LedgerService/SetDraws", FILERS).from_clients(&[ENTRY_VALIDATION]),
    Row::any_role("nopic.certificate.v1.LedgerService/GetBalance"),
    Row::any_role("nopic.certificate.v1.LedgerService/ListDraws"),
    Row::any_role("nopic.certificate.v1.CertificateLifeService/RequestCertificate"),
    Row::any_role("nopic.certificate.v1.CertificateLifeService/AnswerQuestion"),
    Row::any_role("nopic.certificate.v1.CertificateLifeService/StartReview"),
    Row::any_role("nopic.certificate.v1.CertificateLifeService/AskForMore"),
    Row::any_role("nopic.certificate.v1.CertificateLifeService/ApproveCertificate"),
    Row::any_role("nopic.certificate.v1.CertificateLifeService/EnterIssuedNumber"),
    Row::any_role("nopic.certificate.v1.CertificateLifeService/RejectCertificate"),
    Row::any_role("nopic.certificate.v1.CertificateLifeService/VoidCertificate"),
    Row::any_role("nopic.certificate.v1.CertificateLifeService/AmendCertificate"),
    Row::any_role("nopic.certificate.v1.CertificateLifeService/GetRequest"),
    Row::any_role("nopic.certificate.v1.CertificateLifeService/ListRequests"),
    Row::any_role("nopic.certificate.v1.CertificateLifeService/GetHistory"),
];
