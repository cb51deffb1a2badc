//! `nopic migrate`: schemas, brought up to date.

use std::io::Write as _;
use std::time::Duration;

use nopic_host::{PARTS, Storage};
use nopic_sql::Location;

use crate::connection::{busy, take_folder};
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::lock::Acquired;
use crate::output;
use crate::output::words::counted;

/// Bring the database up to date, once, before the services of a new version start
///
/// Makes what is missing in the schemas of the services in the database that --database names, or in the files of the
/// data folder, and says per schema what it did. Run again, it finds nothing to do. Only
/// one runs at a time. On PostgreSQL no other command changes a schema; a data folder is brought up to date by every
/// command that uses it.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Example:\n  createdb nopic\n  nopic migrate --database postgres://nopic@localhost/nopic"
)]
pub(crate) struct Arguments {
    /// Change nothing, and wait until another one has done it, at most so long: what a server waits for before it starts
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=86_400))]
    wait: Option<u64>,
}

/// How often it is looked whether another one has done it.
const LOOK_EVERY: Duration = Duration::from_secs(2);

pub(crate) async fn run(context: &Context, arguments: &Arguments) -> Result<Done, Failure> {
    if context.options.endpoint.is_some() {
        return Err(
            Failure::new("Schemas are changed in the database, not by a server.")
                .advice("Leave out --endpoint (and NOPIC_ENDPOINT), and name the database with --database."),
        );
    }
    let storage = context.options.storage()?;
    if let Some(seconds) = arguments.wait {
        return wait(context, &storage, Duration::from_secs(seconds)).await;
    }
    // A server's database has a lock of its own.
    let _lock = match storage.location {
        Location::Postgres(_) => None,
        Location::Folder(_) => match take_folder(context)? {
            Acquired::Held(lock) => Some(lock),
            Acquired::Busy(holder) => return Err(busy(&storage.folder, &holder)),
        },
    };
    storage.check().await?;
    let mut out = output::results();
    for schema in PARTS.iter().filter_map(|part| part.schema) {
        let applied = storage.migrate(schema).await?;
        let done = match applied.as_slice() {
            [] => "up to date already".to_owned(),
            steps => format!(
                "{} applied: {}",
                counted(steps.len() as u64, "step", "steps"),
                steps.join(", ")
            ),
        };
        writeln!(out, "{:<17} {done}", schema.name)?;
        // What is done is said even if the next fails.
        out.flush()?;
    }
    context.terminal.note(&format!("{storage} is up to date"));
    Ok(Done::Well)
}

/// Waits until no schema lacks a step. A database that is not there yet is waited for, too.
async fn wait(context: &Context, storage: &Storage, at_most: Duration) -> Result<Done, Failure> {
    if storage.server().is_none() {
        return Err(Failure::new(
            "A data folder is brought up to date by whoever opens it: there is nothing to wait for.",
        )
        .advice("Name a database with --database, or leave out --wait."));
    }
    let end = tokio::time::Instant::now() + at_most;
    let mut told = String::new();
    loop {
        let lacking = match lacking(storage).await {
            Ok(None) => {
                context.terminal.note(&format!("{storage} is up to date"));
                return Ok(Done::Well);
            }
            Ok(Some(lacking)) => lacking,
            Err(failure) => failure,
        };
        if tokio::time::Instant::now() + LOOK_EVERY > end {
            return Err(lacking);
        }
        let why = lacking.to_string();
        if told != why {
            context.terminal.note(&format!("waiting: {why}"));
            told = why;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The first schema that lacks something, said as a failure.
async fn lacking(storage: &Storage) -> Result<Option<Failure>, Failure> {
    storage.check().await?;
    for schema in PARTS.iter().filter_map(|part| part.schema) {
        let missing = storage.missing(schema).await?;
        if missing > 0 {
            return Ok(Some(
                Failure::new(format!(
                    "{storage} is not up to date: the schema {} lacks {} of {}.",
                    schema.name,
                    counted(missing as u64, "step", "steps"),
                    schema.migrations.len()
                ))
                .advice("Run `nopic migrate` of this version, and see what it says."),
            ));
        }
    }
    Ok(None)
}
