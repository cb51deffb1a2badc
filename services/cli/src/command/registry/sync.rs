//! `nopic registry sync`: a snapshot from an address.

use std::path::PathBuf;
use std::time::Duration;

use nopic_chassis::retry::Backoff;
use nopic_proto::registry::Snapshot;
use nopic_proto::registry::snapshot::State;
use reqwest::Url;

use super::import::{self, ContentArguments, Input, Source, describe};
use super::snapshots::Pages;
use crate::connection::Services;
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output::progress::Progress;
use crate::sync::{Fetched, Retry, Sha256, Validators, Wanted, address, fetch, sha256, shown};

/// Fetch a snapshot from an address and import it, if it is new
///
/// Asks the server only for what it has not sent before, tries again after a passing fault, and checks length and
/// checksum before anything is imported. What serves changes only by a whole import.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Example:\n  nopic registry sync https://example.org/INTEGRITY_Export_20260901.xlsx\n\n\
        Exit status: 0 it serves, or nothing is new; 1 it is held; 2 it could not be fetched or imported, and what \
        served before goes on serving."
)]
pub(crate) struct Arguments {
    /// Address of the snapshot
    #[arg(value_name = "URL", value_parser = address, env = "NOPIC_SYNC_URL")]
    url: Url,
    /// The content must have this SHA-256
    #[arg(long, value_name = "HEX", value_parser = sha256)]
    sha256: Option<Sha256>,
    /// Fetch it even if the server says that nothing is new
    #[arg(long)]
    force: bool,
    /// Attempts altogether
    #[arg(long, value_name = "N", default_value_t = 5, env = "NOPIC_SYNC_ATTEMPTS",
          value_parser = clap::value_parser!(u32).range(1..=100))]
    attempts: u32,
    /// Seconds that all attempts may take together
    #[arg(long, value_name = "SECONDS", default_value_t = 1_800, env = "NOPIC_SYNC_TIMEOUT",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    #[command(flatten)]
    content: ContentArguments,
}

pub(crate) async fn run(
    context: &Context,
    services: &Services,
    arguments: Arguments,
) -> Result<Done, Failure> {
    let source_url = shown(&arguments.url);
    let last = last_from(services, &source_url).await?;
    let wanted = Wanted {
        url: arguments.url,
        known: last
            .as_ref()
            .filter(|_| !arguments.force)
            .map(|snapshot| Validators {
                entity_tag: snapshot.entity_tag.clone(),
                last_modified: snapshot.last_modified.clone(),
            }),
        sha256: arguments.sha256,
        retry: Retry {
            attempts: arguments.attempts,
            pauses: Backoff::new(Duration::from_millis(500), Duration::from_secs(30)),
            most_time: Duration::from_secs(arguments.timeout),
        },
    };
    let progress = Progress::of_bytes(&context.terminal, None, "fetching");
    let fetched = fetch(&wanted, &folder(context, services), &progress).await;
    progress.finish();
    match fetched? {
        Fetched::NotModified => Ok(unchanged(context, &last.unwrap_or_default())),
        Fetched::File(download) => {
            let input = Input {
                path: download.file.path().to_path_buf(),
                name: download.name,
            };
            let source = Source {
                url: source_url,
                entity_tag: download.validators.entity_tag,
                last_modified: download.validators.last_modified,
            };
            let result = import::send(
                &context.terminal,
                services,
                &arguments.content,
                vec![input],
                source,
            )
            .await?;
            import::print(&result)
        }
    }
}

fn unchanged(context: &Context, snapshot: &Snapshot) -> Done {
    let is_held = snapshot.state == i32::from(State::Held);
    context.terminal.note(&format!(
        "nothing is new at the address since the {} ({})",
        describe(snapshot),
        if is_held {
            "held: `nopic registry release` lets it serve, `nopic registry discard` throws it away".to_owned()
        } else {
            format!("revision {}", snapshot.revision)
        }
    ));
    if is_held { Done::WithFindings } else { Done::Well }
}

/// The newest snapshot that came from the address.
async fn last_from(services: &Services, url: &str) -> Result<Option<Snapshot>, Failure> {
    let mut pages = Pages::new(services);
    while let Some(page) = pages.next().await? {
        if let Some(snapshot) = page.into_iter().find(|snapshot| snapshot.source_url == url) {
            return Ok(Some(snapshot));
        }
    }
    Ok(None)
}

/// Where the download lies until it is imported: beside the database, which has room for it.
fn folder(context: &Context, services: &Services) -> PathBuf {
    if services.is_remote() || !context.options.data().is_dir() {
        std::env::temp_dir()
    } else {
        context.options.data().to_path_buf()
    }
}
