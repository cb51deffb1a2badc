//! `nopic importer`: which operation an importer-of-record number stands for.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use nopic_proto::entry_validation::{
    ImporterLink, LinkImporterRequest, ListImporterLinksRequest, UnlinkImporterRequest,
};

use crate::connection::{Services, need};
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output::listing::{Column, Listing, Page, column};
use crate::output::words::counted;
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
    /// Link every row of a CSV with the header importerOfRecord,nopId
    #[command(after_long_help = "Example:\n  nopic importer import importer-links.csv")]
    Import {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
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
    let services = context.connect(need::ALL).await?;
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
            write!(
                out,
                "{} now stands for operation {}",
                link.importer_of_record, link.nop_id
            )?;
            if answer.replaced_nop_id.is_empty() {
                writeln!(out, ".")?;
            } else {
                writeln!(out, ", no longer for {}.", answer.replaced_nop_id)?;
            }
        }
        Command::Import { file } => {
            let linked = import(&services, &file).await?;
            writeln!(out, "{} linked.", counted(linked, "number", "numbers"))?;
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
            let ask = async |page_token| {
                let request = ListImporterLinksRequest {
                    page_size: PAGE,
                    page_token,
                };
                let page = services.answer(client.list_importer_links(request).await)?;
                Ok(Page::new(page.links, page.complete, page.next_page_token))
            };
            let row = |link: ImporterLink| {
                vec![
                    link.importer_of_record.into(),
                    link.nop_id.into(),
                    link.linked_by.into(),
                    link.linked_at.into(),
                ]
            };
            listing.pages(&mut out, None, ask, row).await?;
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

/// Links every row of a file. A row that is refused ends it; the rows before stay linked, and can be linked again.
pub(crate) async fn import(services: &Services, file: &Path) -> Result<u64, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| Failure::reading(file, &error))?;
    let links = parse(&text).map_err(|problem| Failure::new(format!("{}, {problem}", file.display())))?;
    let mut client = services.entry_validation();
    let mut linked = 0;
    for (row, link) in links {
        client.link_importer(link).await.map_err(|status| {
            let failure = services.failure(&status);
            Failure::new(format!("{}, row {row}: {failure}", file.display()))
        })?;
        linked += 1;
    }
    Ok(linked)
}

/// Reads rows with their numbers. Neither number holds a comma, so no cell is quoted for a reason.
fn parse(text: &str) -> Result<Vec<(usize, LinkImporterRequest)>, String> {
    let mut rows = text
        .trim_start_matches('\u{feff}')
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()));
    let cells = |line: &str| -> Vec<String> {
        line.split(',')
            .map(|cell| cell.trim().trim_matches('"').trim().to_owned())
            .collect()
    };
    let header = rows.next().map(|(_, line)| cells(line)).unwrap_or_default();
    if header != ["importerOfRecord", "nopId"] {
        return Err("row 1: expected the header importerOfRecord,nopId".to_owned());
    }
    rows.filter(|(_, line)| !line.is_empty())
        .map(|(row, line)| match <[String; 2]>::try_from(cells(line)) {
            Ok([importer_of_record, nop_id]) => Ok((
                row,
                LinkImporterRequest {
                    importer_of_record,
                    nop_id,
                },
            )),
            Err(cells) => Err(format!("row {row}: expected 2 cells, found {}", cells.len())),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_with_their_numbers() {
        let rows =
            parse("\u{feff}importerOfRecord,nopId\r\n12-3456789AB, 0150000002\r\n\r\n\"x\",y\r\n").unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].1.importer_of_record, "12-3456789AB");
        assert_eq!((rows[1].0, rows[1].1.nop_id.as_str()), (4, "y"));
        assert!(parse("").is_err());
        assert!(
            parse("importerOfRecord,nopId\na,b,c")
                .unwrap_err()
                .starts_with("row 2")
        );
    }
}
