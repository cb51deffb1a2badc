//! `nopic entry list --set-aside`: filings that could not be finished.

use std::io::Write as _;

use nopic_proto::entry_validation::{ListSetAsideFilingsRequest, SetAsideFiling};

use crate::connection::need;
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output::listing::{Cell, Column, Listing, Page, column};
use crate::output::{self, Style};

const COLUMNS: &[Column] = &[
    column("SET ASIDE AT", "setAsideAt"),
    column("ENTRIES", "entryNumbers"),
    column("TRIES", "tries"),
    column("BECAUSE", "because"),
    column("REQUEST", "requestId"),
];

/// Filings asked for at once.
const PAGE: u32 = 1_000;

/// List filings that were set aside: they could not be finished, however often they were tried
///
/// Their entries are free: file them anew with `nopic entry file --refile`. The log of the server says more about why.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Example:\n  nopic entry list --set-aside\n\nExit status: 0 there is none; 1 there are some."
)]
pub(crate) struct Arguments {
    /// Those that were set aside: nothing else is listed here (see `nopic entry decisions`)
    #[arg(long, required = true)]
    set_aside: bool,
    /// How they are printed
    #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
    output: Style,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Done, Failure> {
    let services = context.connect(need::ALL).await?;
    let mut out = output::results();
    let mut listing = Listing::new(arguments.output, COLUMNS, &context.terminal);
    let ask = async |page_token| {
        let request = ListSetAsideFilingsRequest {
            page_size: PAGE,
            page_token,
        };
        let answer = services.answer(services.records().list_set_aside_filings(request).await)?;
        Ok(Page::new(answer.filings, answer.complete, answer.next_page_token))
    };
    listing.pages(&mut out, None, ask, row).await?;
    let count = listing.count();
    listing.finish(&mut out)?;
    out.flush()?;
    if count == 0 {
        context.terminal.note("no filing was set aside");
        return Ok(Done::Well);
    }
    context
        .terminal
        .note("their entries are free: file them anew with `nopic entry file --refile`");
    Ok(Done::WithFindings)
}

fn row(filing: SetAsideFiling) -> Vec<Cell> {
    vec![
        filing.set_aside_at.into(),
        filing.entry_numbers.into(),
        Cell::Number(filing.tries.into()),
        filing.because.into(),
        filing.request_id.into(),
    ]
}
