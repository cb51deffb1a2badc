//! `nopic registry watch`: what changes, as it changes.

use std::io::Write as _;

use nopic_proto::registry::operation_change::Kind;
use nopic_proto::registry::{
    GetCurrentRevisionRequest, OperationChange, WatchChangesRequest, watch_changes_response,
};

use crate::connection::Services;
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output::listing::{Cell, Column, Listing, column, printable};
use crate::output::{self, Style};

const COLUMNS: &[Column] = &[
    column("REVISION", "revision"),
    column("NOP ID", "nopId"),
    column("NAME", "name"),
    column("KIND", "kind"),
    column("STATUS", "status"),
    column("FROM", "from"),
];

/// Print the changes since a revision, then each as it comes
///
/// Ends with Ctrl-C, or with --once when the current revision is reached. To go on later, give the last revision that
/// was said to be reached as --since.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
        nopic registry watch --since 41 --endpoint http://127.0.0.1:50051\n  \
        nopic registry watch --once --output jsonl")]
pub(crate) struct Arguments {
    /// Changes after this revision; 0: from the beginning
    #[arg(long, value_name = "REVISION", default_value_t = 0)]
    since: u32,
    /// End when the current revision is reached
    #[arg(long)]
    once: bool,
    /// How they are printed
    #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
    output: Style,
}

pub(crate) async fn run(
    context: &Context,
    services: &Services,
    arguments: &Arguments,
) -> Result<Done, Failure> {
    let mut registry = services.registry();
    let goal = if arguments.once {
        let current = services.answer(registry.get_current_revision(GetCurrentRevisionRequest {}).await)?;
        Some(current.revision.unwrap_or_default().revision)
    } else {
        None
    };
    if goal.is_some_and(|goal| goal <= arguments.since) {
        return Ok(Done::Well);
    }
    let request = WatchChangesRequest {
        since_revision: arguments.since,
    };
    let mut events = services.answer(registry.watch_changes(request).await)?;
    let mut out = output::results();
    let mut listing = Listing::new(arguments.output, COLUMNS, &context.terminal);
    loop {
        use watch_changes_response::Event;
        let event = tokio::select! {
            event = events.message() => event.map_err(|status| services.failure(&status))?,
            _ = tokio::signal::ctrl_c() => break,
        };
        let Some(event) = event else {
            break;
        };
        match event.event {
            Some(Event::Change(change)) => {
                if arguments.output == Style::Table {
                    writeln!(out, "{}", line(&change))?;
                } else {
                    listing.row(&mut out, cells(change))?;
                }
            }
            Some(Event::Reached(revision)) => {
                out.flush()?;
                context.terminal.note(&format!(
                    "revision {} reached (published {})",
                    revision.revision, revision.published_on
                ));
                if goal.is_some_and(|goal| revision.revision >= goal) {
                    break;
                }
            }
            Some(Event::Heartbeat(_)) | None => {}
        }
    }
    out.flush()?;
    Ok(Done::Well)
}

/// A change as one line: a table that never ends cannot know its widths.
fn line(change: &OperationChange) -> String {
    let kind = match kind(change) {
        Kind::Added => "added",
        Kind::Changed => "changed",
        Kind::Unlisted => "unlisted",
        Kind::Unspecified => "changed in a way that this version does not know",
    };
    format!(
        "{:>8}  {}  {:<8}  {} since {}  {}",
        change.revision,
        printable(&change.nop_id),
        kind,
        printable(&change.status),
        change.from,
        printable(&change.name)
    )
}

fn kind(change: &OperationChange) -> Kind {
    Kind::try_from(change.kind).unwrap_or_default()
}

fn cells(change: OperationChange) -> Vec<Cell> {
    let kind = kind(&change);
    vec![
        change.revision.into(),
        change.nop_id.into(),
        change.name.into(),
        kind.as_str_name().into(),
        change.status.into(),
        change.from.into(),
    ]
}
