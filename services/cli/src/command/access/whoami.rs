//! `nopic whoami`: who a server takes the caller for, and what that one may do.

use std::io::Write as _;

use nopic_proto::access::WhoAmIRequest;

use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output::listing::{Column, Listing, column};
use crate::output::{self, Style};

const COLUMNS: &[Column] = &[
    column("TENANT", "tenant"),
    column("PERSON", "actor"),
    column("ROLE", "role"),
    column("FILER CODES", "filerCodes"),
    column("CERTIFIER", "certifierId"),
    column("NOP IDS", "nopIds"),
    column("MAY CALL", "methods"),
];

/// Say who the key in hand is of, and what it may do
///
/// With --endpoint it asks that server, else the one that works on the data folder, with the key of NOPIC_API_KEY or
/// NOPIC_API_KEY_FILE. Where no server is asked, there is nobody who knows a key.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  nopic whoami\n  \
                             NOPIC_API_KEY_FILE=maria.key nopic whoami --endpoint https://nopic.example:50051")]
pub(crate) struct Arguments {
    /// How it is printed
    #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
    output: Style,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Done, Failure> {
    let services = context.connect_to_ask().await?;
    let answer = services.answer(services.access().who_am_i(WhoAmIRequest {}).await)?;
    let who = answer.principal.unwrap_or_default();
    let filer_codes = if who.all_filer_codes {
        vec!["*".to_owned()]
    } else {
        who.filer_codes
    };
    let mut out = output::results();
    if arguments.output == Style::Table {
        writeln!(out, "{} of {}, {}", who.actor, who.tenant, who.role)?;
        let acts = [
            ("files under", filer_codes.join(", ")),
            ("acts for certifier", who.certifier_id),
            ("acts for operations", who.nop_ids.join(", ")),
        ];
        for (what, values) in acts.iter().filter(|(_, values)| !values.is_empty()) {
            writeln!(out, "{what} {values}")?;
        }
        writeln!(out, "may call:")?;
        for method in &answer.methods {
            writeln!(out, "  {method}")?;
        }
        writeln!(
            out,
            "What a call is about may still refuse it: whose certificate or entry it is, and whose filer code."
        )?;
    } else {
        let mut listing = Listing::new(arguments.output, COLUMNS, &context.terminal);
        let row = vec![
            who.tenant.into(),
            who.actor.into(),
            who.role.into(),
            filer_codes.into(),
            who.certifier_id.into(),
            who.nop_ids.into(),
            answer.methods.into(),
        ];
        listing.row(&mut out, row)?;
        listing.finish(&mut out)?;
    }
    out.flush()?;
    Ok(Done::Well)
}
