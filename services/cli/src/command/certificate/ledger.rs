//! What was drawn from a certificate, at any time.

use std::io::Write as _;

use nopic_proto::certificate::{DrawRecord, GetBalanceRequest, GetBalanceResponse, ListDrawsRequest};

use super::{PAGE, drawn, kilograms};
use crate::connection::need;
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output::listing::{Cell, Column, Listing, Page, column};
use crate::output::{self, Style};

const COLUMNS: &[Column] = &[
    column("ENTRY", "entryNumber"),
    column("LINE", "lineNumber"),
    column("PGA", "pgaLineNumber"),
    column("KG", "weightKg"),
    column("PAST LIMIT KG", "excessKg"),
    column("FROM", "source"),
    column("VERSION", "entryVersion"),
    column("BY", "recordedBy"),
    column("RECORDED AT", "recordedAt"),
    column("ENDED AT", "endedAt"),
    column("TENANT", "tenant"),
];

/// Show what was drawn from a certificate: the balance, and each draw with the entry line that caused it
///
/// Without --as-of: the balance now and every draw that ever stood; one that was given back or replaced has an end.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  nopic certificate ledger 015-0150000001-000001\n  \
        nopic certificate ledger 015-0150000001-000001 --as-of 2026-03-01T12:00:00Z --output csv"
)]
pub(crate) struct LedgerArguments {
    /// Number, as in 015-0150000001-000001
    #[arg(value_name = "NUMBER")]
    number: String,
    /// As it stood at this moment (RFC 3339): only draws that stood then
    #[arg(long, value_name = "MOMENT", default_value = "", hide_default_value = true)]
    as_of: String,
    /// How the draws are printed; the balance stands above the table
    #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
    output: Style,
}

pub(super) async fn show(context: &Context, arguments: LedgerArguments) -> Result<Done, Failure> {
    let services = context.connect(need::CERTIFICATES).await?;
    let mut client = services.ledger();
    let mut out = output::results();
    let balance = GetBalanceRequest {
        number: arguments.number.clone(),
        as_of: arguments.as_of.clone(),
    };
    let balance = services.answer(client.get_balance(balance).await)?;
    if arguments.output == Style::Table {
        write!(out, "{}", balance_text(&balance))?;
    }
    let mut listing = Listing::new(arguments.output, COLUMNS, &context.terminal);
    let mut request = ListDrawsRequest {
        number: arguments.number,
        as_of: arguments.as_of,
        page_size: PAGE,
        page_token: String::new(),
    };
    let ask = async |token| {
        request.page_token = token;
        let page = services.answer(client.list_draws(request.clone()).await)?;
        Ok(Page::new(page.draws, page.complete, page.next_page_token))
    };
    listing.pages(&mut out, None, ask, row).await?;
    // A table is written at its end, so this stands before it.
    if listing.count() > 0 && arguments.output == Style::Table {
        writeln!(out)?;
    }
    listing.finish(&mut out)?;
    Ok(Done::Well)
}

fn balance_text(balance: &GetBalanceResponse) -> String {
    format!(
        "as of   {}\ntotal   {}\ndrawn   {}\nleft    {}\nversion {}\n",
        balance.as_of,
        kilograms(&balance.total_weight_kg),
        drawn::in_words(&balance.drawn_kg, &balance.own_drawn_kg, balance.draw_count),
        kilograms(&balance.left_kg),
        balance.version
    )
}

fn row(draw: DrawRecord) -> Vec<Cell> {
    vec![
        draw.entry_number.into(),
        draw.line_number.into(),
        draw.pga_line_number.into(),
        draw.weight_kg.into(),
        draw.excess_kg.into(),
        draw.source.into(),
        // Those that an import brought name no version.
        match draw.entry_version {
            0 => String::new().into(),
            version => version.into(),
        },
        draw.recorded_by.into(),
        draw.recorded_at.into(),
        draw.ended_at.into(),
        draw.tenant.into(),
    ]
}
