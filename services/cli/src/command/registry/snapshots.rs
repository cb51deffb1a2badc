//! `nopic registry list`, `release` and `discard`.

use std::io::Write as _;

use nopic_proto::registry::snapshot::State;
use nopic_proto::registry::{DiscardSnapshotRequest, ListSnapshotsRequest, ReleaseSnapshotRequest, Snapshot};

use super::import::describe;
use crate::connection::Services;
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output::listing::{Column, Listing, column};
use crate::output::{self, Style};

/// Snapshots asked for at once.
const PAGE: u32 = 1_000;

const COLUMNS: &[Column] = &[
    column("REVISION", "revision"),
    column("STATE", "state"),
    column("PUBLISHED", "publishedOn"),
    column("COMPLETE", "full"),
    column("FORM", "form"),
    column("OPERATIONS", "rows"),
    column("ITEMS", "items"),
    column("REFUSED", "rejectedRows"),
    column("IMPORTED", "importedAt"),
    column("BY", "importedBy"),
    column("FILES", "files"),
    column("FROM", "sourceUrl"),
];

/// Let a held snapshot serve
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  nopic registry list && nopic registry release")]
pub(crate) struct ReleaseArguments {}

/// Throw a held snapshot away
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  nopic registry discard")]
pub(crate) struct DiscardArguments {}

/// List the snapshots, newest revision first
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  nopic registry list --output jsonl")]
pub(crate) struct ListArguments {
    /// How they are printed
    #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
    output: Style,
}

pub(crate) async fn release(
    _context: &Context,
    services: &Services,
    _arguments: &ReleaseArguments,
) -> Result<Done, Failure> {
    let answer = services
        .registry()
        .release_snapshot(ReleaseSnapshotRequest {})
        .await;
    let snapshot = services.answer(answer)?.snapshot.unwrap_or_default();
    say(&format!(
        "Revision {} serves: {}.",
        snapshot.revision,
        describe(&snapshot)
    ))
}

pub(crate) async fn discard(
    _context: &Context,
    services: &Services,
    _arguments: &DiscardArguments,
) -> Result<Done, Failure> {
    let answer = services
        .registry()
        .discard_snapshot(DiscardSnapshotRequest {})
        .await;
    let snapshot = services.answer(answer)?.snapshot.unwrap_or_default();
    say(&format!(
        "Thrown away: {}. What served before goes on serving.",
        describe(&snapshot)
    ))
}

pub(crate) async fn list(
    context: &Context,
    services: &Services,
    arguments: ListArguments,
) -> Result<Done, Failure> {
    let mut out = output::results();
    let mut listing = Listing::new(arguments.output, COLUMNS, &context.terminal);
    let mut pages = Pages::new(services);
    while let Some(page) = pages.next().await? {
        for snapshot in page {
            let state = State::try_from(snapshot.state).unwrap_or_default();
            listing.row(
                &mut out,
                vec![
                    snapshot.revision.into(),
                    state.as_str_name().into(),
                    snapshot.published_on.into(),
                    snapshot.full.into(),
                    snapshot.form.into(),
                    snapshot.rows.into(),
                    snapshot.items.into(),
                    snapshot.rejected_rows.into(),
                    snapshot.imported_at.into(),
                    snapshot.imported_by.into(),
                    snapshot.files.into(),
                    snapshot.source_url.into(),
                ],
            )?;
        }
    }
    if listing.count() == 0 {
        context
            .terminal
            .note("no snapshot yet: `nopic registry import FILE` brings the first");
    }
    listing.finish(&mut out)?;
    Ok(Done::Well)
}

/// Every snapshot, a page at a time.
pub(crate) struct Pages<'a> {
    services: &'a Services,
    token: String,
    complete: bool,
}

impl<'a> Pages<'a> {
    /// From the newest revision on.
    pub(crate) fn new(services: &'a Services) -> Self {
        Self {
            services,
            token: String::new(),
            complete: false,
        }
    }

    /// The next page; `None` behind the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Snapshot>>, Failure> {
        if self.complete {
            return Ok(None);
        }
        let request = ListSnapshotsRequest {
            page_size: PAGE,
            page_token: std::mem::take(&mut self.token),
        };
        let page = self
            .services
            .answer(self.services.registry().list_snapshots(request).await)?;
        self.complete = page.complete || page.next_page_token.is_empty();
        self.token = page.next_page_token;
        Ok(Some(page.snapshots))
    }
}

fn say(text: &str) -> Result<Done, Failure> {
    let mut out = output::results();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(Done::Well)
}
