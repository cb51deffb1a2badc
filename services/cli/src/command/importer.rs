//! `nopic importer`: which operation an importer-of-record number stands for.

use std::io::Write as _;

use nopic_proto::entry_validation::{
    ImporterLink, LinkImporterRequest, ListImporterLinksRequest, UnlinkImporterRequest,
};

use crate::connection::Need;
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output::listing::{Column, Listing, column};
use crate::output::{self, Style};

/// Links asked for at once.
const PAGE: u32 = 1_000;

const COLUMNS: &[Column] = &[
    column("IMPORTER OF RECORD", "importerOfRecord"),
    column("NOP ID", "nopId"),
    column("LINKED BY", "linkedBy"),
    column("LINKED AT", "linkedAt"),
];

/// Which operation an importer-of-record number stands for
///
/// Entries name the importer by its CBP number, the registry by its NOP ID. A link tells one from the other, for lines
/// that do not state the NOP ID themselves.
#[derive(Debug, clap::Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "Example:\n  nopic importer link 12-3456789AB 0150000002"
)]
pub(crate) enum Command {
    /// Link a number to an operation
    #[command(after_long_help = "Example:\n  nopic importer link 12-3456789AB 0150000002")]
    Link {
        /// The importer-of-record number as it stands in entries
        #[arg(value_name = "NUMBER")]
        importer_of_record: String,
        /// The operation's NOP ID of 10 digits
        #[arg(value_name = "NOPID")]
        nop_id: String,
    },
    /// List the links
    #[command(after_long_help = "Example:\n  nopic importer list --output csv")]
    List {
        /// How they are printed
        #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
        output: Style,
    },
    /// Take a link away
    #[command(after_long_help = "Example:\n  nopic importer unlink 12-3456789AB")]
    Unlink {
        /// The importer-of-record number
        #[arg(value_name = "NUMBER")]
        importer_of_record: String,
    },
}

pub(crate) async fn run(context: &Context, command: Command) -> Result<Done, Failure> {
    let services = context.connect(Need::EntryValidation).await?;
    let mut client = services.entry_validation();
    let mut out = output::results();
    match command {
        Command::Link {
            importer_of_record,
            nop_id,
        } => {
            let request = LinkImporterRequest {
                importer_of_record,
                nop_id,
            };
            let answer = services.answer(client.link_importer(request).await)?;
            let link = answer.link.unwrap_or_default();
            write!(out, "{} now stands for operation {}", link.importer_of_record, link.nop_id)?;
            if answer.replaced_nop_id.is_empty() {
                writeln!(out, ".")?;
            } else {
                writeln!(out, ", no longer for {}.", answer.replaced_nop_id)?;
            }
        }
        Command::Unlink { importer_of_record } => {
            let request = UnlinkImporterRequest { importer_of_record };
            let answer = services.answer(client.unlink_importer(request).await)?;
            let link: ImporterLink = answer.link.unwrap_or_default();
            writeln!(
                out,
                "{} no longer stands for operation {}.",
                link.importer_of_record, link.nop_id
            )?;
        }
        Command::List { output } => {
            let mut listing = Listing::new(output, COLUMNS, &context.terminal);
            let mut page_token = String::new();
            loop {
                let request = ListImporterLinksRequest {
                    page_size: PAGE,
                    page_token,
                };
                let page = services.answer(client.list_importer_links(request).await)?;
                for link in page.links {
                    listing.row(
                        &mut out,
                        vec![
                            link.importer_of_record.into(),
                            link.nop_id.into(),
                            link.linked_by.into(),
                            link.linked_at.into(),
                        ],
                    )?;
                }
                if page.complete || page.next_page_token.is_empty() {
                    break;
                }
                page_token = page.next_page_token;
            }
            if listing.count() == 0 {
                context
                    .terminal
                    .note("no links yet: `nopic importer link NUMBER NOPID` makes one");
            }
            listing.finish(&mut out)?;
        }
    }
    out.flush()?;
    Ok(Done::Well)
}
