//! `nopic migrate`: schemas, brought up to date.

use std::io::Write as _;

use nopic_host::PARTS;
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
pub(crate) struct Arguments {}

pub(crate) async fn run(context: &Context) -> Result<Done, Failure> {
    if context.options.endpoint.is_some() {
        return Err(
            Failure::new("Schemas are changed in the database, not by a server.")
                .advice("Leave out --endpoint (and NOPIC_ENDPOINT), and name the database with --database."),
        );
    }
    let storage = context.options.storage()?;
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
