//! `nopic registry`: the mirror of USDA's Organic INTEGRITY Database.

pub(crate) mod import;
mod query;
mod snapshots;
mod sync;
mod watch;

use crate::connection::need;
use crate::context::{Context, Done};
use crate::failure::Failure;

/// The mirror of USDA's Organic INTEGRITY Database
#[derive(Debug, clap::Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "Example:\n  nopic registry import INTEGRITY_Export_20260901.xlsx && nopic registry list"
)]
pub(crate) enum Command {
    Import(import::Arguments),
    Sync(sync::Arguments),
    Release(snapshots::ReleaseArguments),
    Discard(snapshots::DiscardArguments),
    List(snapshots::ListArguments),
    Show(query::ShowArguments),
    Status(query::StatusArguments),
    Search(query::SearchArguments),
    Watch(watch::Arguments),
}

pub(crate) async fn run(context: &Context, command: Command) -> Result<Done, Failure> {
    // What a command line alone can get wrong is found before a database is opened.
    if let Command::Import(arguments) = &command {
        arguments.check()?;
    }
    let services = context.connect(need::REGISTRY).await?;
    match command {
        Command::Import(arguments) => import::run(context, &services, arguments).await,
        Command::Sync(arguments) => sync::run(context, &services, arguments).await,
        Command::Release(arguments) => snapshots::release(context, &services, &arguments).await,
        Command::Discard(arguments) => snapshots::discard(context, &services, &arguments).await,
        Command::List(arguments) => snapshots::list(context, &services, arguments).await,
        Command::Show(arguments) => query::show(context, &services, arguments).await,
        Command::Status(arguments) => query::status(context, &services, arguments).await,
        Command::Search(arguments) => query::search(context, &services, arguments).await,
        Command::Watch(arguments) => watch::run(context, &services, &arguments).await,
    }
}
