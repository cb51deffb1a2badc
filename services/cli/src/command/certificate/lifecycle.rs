//! What can be typed about a certificate's life.

use std::path::PathBuf;

use chrono::NaiveDate;

use crate::acting::{Acting, Naming};
use crate::options::date;
use crate::output::Style;

/// The example of the form, also read by a test.
macro_rules! form {
    () => {
        r#"{"exporterNopId":"0150000001","importerNopId":"0620000002",
   "product":"Organic almonds","htsCode":"0802120015","countriesOfOrigin":["ES"],
   "lots":["LOT 1"],"totalWeightKg":"20000","kind":"TIME_FRAME",
   "validFrom":"2027-03-01","validTo":"2027-09-30","exportOn":"2027-03-10",
   "portOfLading":"Valencia","portOfUnlading":"2704","transport":"MV Ana",
   "containers":["MSKU1234565"],
   "contract":{"reference":"PO 77","importer":"Green Ridge"}}"#
    };
}
#[cfg(test)]
pub(super) const FORM: &str = form!();

/// Ask a certifier for a certificate
///
/// The form is checked against the registry at once: what fails is refused, what must be looked at waits for the
/// reviewer. Prints the number of the request, its due date and the checks.
#[derive(Debug, clap::Args)]
#[command(after_long_help = concat!(
    "Example:\n  nopic certificate request form.json --as-exporter 0150000001\n\nThe form:\n  ",
    form!()
))]
pub(crate) struct RequestArguments {
    /// JSON file with the form; `-`: standard input
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Options of every step.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Common {
    #[command(flatten)]
    pub(super) acting: Acting,
    #[command(flatten)]
    pub(super) naming: Naming,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
    pub(super) output: Style,
}

/// A step with a request.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct OfRequest {
    /// Number of the request
    #[arg(value_name = "REQUEST")]
    pub(super) request: u64,
    /// The version that was looked at; another one is refused [default: whichever is current]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) expected_version: Option<u32>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// A step with a certificate.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct OfCertificate {
    /// Number, as in 015-0150000001-000001
    #[arg(value_name = "NUMBER")]
    pub(super) number: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: String,
    /// The version that was looked at; another one is refused [default: whichever is current]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) expected_version: Option<u32>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Review requests for certificates
#[derive(Debug, clap::Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "Example:\n  \
        nopic certificate review start 7 --as-certifier 015 && nopic certificate review approve 7 --as-certifier 015"
)]
pub(crate) enum Review {
    Start(StartArguments),
    Show(ShowRequestArguments),
    Ask(AskArguments),
    Answer(AnswerArguments),
    Approve(ApproveArguments),
    Reject(RejectArguments),
    EnterNumber(EnterNumberArguments),
}

/// Begin the review of a request
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  nopic certificate review start 7 --as-certifier 015")]
pub(crate) struct StartArguments {
    #[command(flatten)]
    pub(super) of: OfRequest,
}

/// Show a request with its checks, questions and steps
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  nopic certificate review show 7 --as-of 2026-03-01T12:00:00Z")]
pub(crate) struct ShowRequestArguments {
    /// Number of the request
    #[arg(value_name = "REQUEST")]
    pub(super) request: u64,
    /// As it stood at this moment (RFC 3339) [default: now]
    #[arg(long, value_name = "MOMENT")]
    pub(super) as_of: Option<String>,
    #[command(flatten)]
    pub(super) acting: Acting,
    /// How it is printed
    #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
    pub(super) output: Style,
}

/// Ask the exporter for more
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Example:\n  nopic certificate review ask 7 --question 'Which lots?' --as-certifier 015"
)]
pub(crate) struct AskArguments {
    #[command(flatten)]
    pub(super) of: OfRequest,
    /// What is asked
    #[arg(long, value_name = "TEXT")]
    pub(super) question: String,
}

/// Answer the certifier's question
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Example:\n  nopic certificate review answer 7 --answer 'Lot 2' --as-exporter 0150000001"
)]
pub(crate) struct AnswerArguments {
    #[command(flatten)]
    pub(super) of: OfRequest,
    /// The answer
    #[arg(long, value_name = "TEXT")]
    pub(super) answer: String,
    /// JSON file with the form as it must be from now on (`-`: standard input)
    #[arg(long, value_name = "FILE")]
    pub(super) corrected: Option<PathBuf>,
}

/// Approve a request
///
/// Where this deployment issues for the certifier (NOPIC_ISSUES_FOR), the certificate gets the next number; else the
/// request waits until the number that OID gave is entered.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  \
        nopic certificate review approve 7 --accept PRODUCT_CERTIFIED --as-certifier 015")]
pub(crate) struct ApproveArguments {
    #[command(flatten)]
    pub(super) of: OfRequest,
    /// Accept this finding (its code); may be given several times
    #[arg(long, value_name = "CODE")]
    pub(super) accept: Vec<String>,
    /// First day of validity, in place of the one asked for
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(super) valid_from: Option<NaiveDate>,
    /// Last day of validity, in place of the one asked for
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(super) valid_to: Option<NaiveDate>,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(super) reason: String,
}

/// Refuse a request
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Example:\n  nopic certificate review reject 7 --reasons 'not our exporter' --as-certifier 015"
)]
pub(crate) struct RejectArguments {
    #[command(flatten)]
    pub(super) of: OfRequest,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(super) reasons: String,
}

/// Enter the number that OID gave to an approved request
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  \
        nopic certificate review enter-number 7 099-0990000001-000041 --as-certifier 099")]
pub(crate) struct EnterNumberArguments {
    #[command(flatten)]
    pub(super) of: OfRequest,
    /// Number, as in 099-0990000001-000041
    #[arg(value_name = "NUMBER")]
    pub(super) number: String,
    /// Day of issue in OID [default: today]
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(super) issued_on: Option<NaiveDate>,
    /// First day of validity in OID [default: as approved]
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(super) valid_from: Option<NaiveDate>,
    /// Last day of validity in OID [default: as approved]
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(super) valid_to: Option<NaiveDate>,
    /// The number is meant, although it does not begin with the certifier and the exporter
    #[arg(long)]
    pub(super) accept_inconsistent: bool,
}

/// Withdraw an issued certificate
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  \
        nopic certificate void 015-0150000001-000001 --reason 'wrong product' --as-certifier 015")]
pub(crate) struct VoidArguments {
    #[command(flatten)]
    pub(super) of: OfCertificate,
}

/// Replace an issued certificate by a successor
///
/// The successor states what is given here, and the rest as its predecessor; what was drawn moves along.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  \
        nopic certificate amend 015-0150000001-000001 --total-weight-kg 25000 --reason 'larger harvest' \
        --as-certifier 015")]
pub(crate) struct AmendArguments {
    #[command(flatten)]
    pub(super) of: OfCertificate,
    /// NOP operation ID of the importer
    #[arg(long, value_name = "NOPID", default_value = "", hide_default_value = true)]
    pub(super) importer: String,
    /// NOP operation ID of the final handler
    #[arg(long, value_name = "NOPID", default_value = "", hide_default_value = true)]
    pub(super) final_handler: String,
    /// The product as labelled
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(super) product: String,
    /// Tariff code
    #[arg(long, value_name = "CODE", default_value = "", hide_default_value = true)]
    pub(super) hts: String,
    /// What it covers
    #[arg(long, ignore_case = true, value_parser = ["SINGLE_SHIPMENT", "MULTIPLE_SHIPMENTS", "TIME_FRAME"])]
    pub(super) kind: Option<String>,
    /// First day of validity
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(super) valid_from: Option<NaiveDate>,
    /// Last day of validity
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(super) valid_to: Option<NaiveDate>,
    /// Weight in all
    #[arg(long, value_name = "KG", default_value = "", hide_default_value = true)]
    pub(super) total_weight_kg: String,
    /// Country of origin; may be given several times, and replaces those before
    #[arg(long, value_name = "COUNTRY")]
    pub(super) origin: Vec<String>,
    /// Lot; may be given several times, and replaces those before
    #[arg(long, value_name = "LOT")]
    pub(super) lot: Vec<String>,
    /// The successor's number, where OID gave it
    #[arg(long, value_name = "NUMBER", default_value = "", hide_default_value = true)]
    pub(super) successor: String,
    /// The number is meant, although it does not begin with the certifier and the exporter
    #[arg(long)]
    pub(super) accept_inconsistent: bool,
    /// Accept this finding (its code); may be given several times
    #[arg(long, value_name = "CODE")]
    pub(super) accept: Vec<String>,
}

/// Show every version of a certificate: who made it, when and why
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Example:\n  nopic certificate history 015-0150000001-000001 --as-of 2026-03-01T12:00:00Z"
)]
pub(crate) struct HistoryArguments {
    /// Number, as in 015-0150000001-000001
    #[arg(value_name = "NUMBER")]
    pub(super) number: String,
    /// As it stood at this moment (RFC 3339) [default: now]
    #[arg(long, value_name = "MOMENT")]
    pub(super) as_of: Option<String>,
    #[command(flatten)]
    pub(super) acting: Acting,
    /// How it is printed
    #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
    pub(super) output: Style,
}

/// List requests for certificates, the oldest first
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
        nopic certificate requests --stage NUMBER_AWAITED\n  \
        nopic certificate requests --due-by 2026-03-31 --as-certifier 015")]
pub(crate) struct RequestsArguments {
    /// Which wait for this
    #[arg(
        long,
        ignore_case = true,
        value_parser = ["REQUESTED", "UNDER_REVIEW", "ANSWER_AWAITED", "NUMBER_AWAITED", "ISSUED", "REJECTED"]
    )]
    pub(super) stage: Option<String>,
    /// To this certifier (3 digits)
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub(super) certifier: String,
    /// Of this exporter
    #[arg(long, value_name = "NOPID", default_value = "", hide_default_value = true)]
    pub(super) exporter: String,
    /// For this importer
    #[arg(long, value_name = "NOPID", default_value = "", hide_default_value = true)]
    pub(super) importer: String,
    /// Open, and due on this day or before
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub(super) due_by: Option<NaiveDate>,
    /// At most so many [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) limit: Option<u32>,
    #[command(flatten)]
    pub(super) acting: Acting,
    /// How they are printed
    #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
    pub(super) output: Style,
}
