//! `nopic key`: the API keys with which people and jobs come in at a server.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use chrono::{Days, NaiveDate};
use nopic_proto::access::{CreateKeyRequest, Key, ListKeysRequest, RevokeKeyRequest, RotateKeyRequest};

use super::{Naming, PAGE};
use crate::connection::need;
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::options::date;
use crate::output::listing::{Cell, Column, Listing, Page, column};
use crate::output::{self, Style};

const COLUMNS: &[Column] = &[
    column("KEY", "prefix"),
    column("TENANT", "tenant"),
    column("PERSON", "person"),
    column("ROLE", "role"),
    column("STATE", "state"),
    column("CREATED AT", "createdAt"),
    column("CREATED BY", "createdBy"),
    column("ENDS AT", "endsAt"),
    column("REVOKED AT", "revokedAt"),
    column("REPLACED BY", "replacedBy"),
];

/// API keys of people and jobs
///
/// A key is shown once, when it is made: the server keeps its hash. Afterwards it is named by its public part, the 10
/// characters behind `nopic_`.
#[derive(Debug, clap::Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "Example:\n  nopic key create acme maria --out maria.key"
)]
pub(crate) enum Command {
    /// Make a key and print it, once
    #[command(
        after_long_help = "Examples:\n  nopic key create acme maria --out maria.key\n  \
                                 nopic key create acme nightly-job --until 2027-06-30 > job.key"
    )]
    Create {
        /// The tenant
        #[arg(value_name = "TENANT")]
        tenant: String,
        /// The person or job
        #[arg(value_name = "PERSON")]
        person: String,
        #[command(flatten)]
        of: NewKey,
    },
    /// List keys, without the keys themselves
    #[command(after_long_help = "Example:\n  nopic key list acme")]
    List {
        /// Of this tenant only
        #[arg(value_name = "TENANT")]
        tenant: Option<String>,
        /// How they are printed
        #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
        output: Style,
    },
    /// End a key before its time
    #[command(after_long_help = "Example:\n  nopic key revoke 7kq2m9x0ab --reason \"it stood in a mail\"")]
    Revoke {
        /// Its public part
        #[arg(value_name = "KEY")]
        prefix: String,
        /// Why, for the audit log
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        #[command(flatten)]
        naming: Naming,
    },
    /// Make a new key in the place of one and print it, once
    #[command(after_long_help = "Example:\n  nopic key rotate 7kq2m9x0ab --grace 3600 --out maria.new.key")]
    Rotate {
        /// The public part of the old one
        #[arg(value_name = "KEY")]
        prefix: String,
        /// For how many seconds the old one goes on beside the new one
        #[arg(long, value_name = "SECONDS", default_value_t = 0)]
        grace: u32,
        #[command(flatten)]
        of: NewKey,
    },
}

/// A key that is made.
#[derive(Debug, clap::Args)]
pub(crate) struct NewKey {
    /// The last day on which it is good, in UTC [default: it has no end]
    #[arg(long, value_name = "DATE", value_parser = date)]
    until: Option<NaiveDate>,
    /// File to write it to instead, which only you can read; it must not be there yet
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    naming: Naming,
}

impl NewKey {
    /// The moment of its end, as it is asked for.
    fn ends_at(&self) -> String {
        self.until
            .and_then(|day| day.checked_add_days(Days::new(1)))
            .map(|day| format!("{day}T00:00:00Z"))
            .unwrap_or_default()
    }
}

/// Where a key goes. A file is made before the key: one that cannot be written would be lost.
enum Place<'a> {
    Output,
    File(&'a Path, File),
}

impl<'a> Place<'a> {
    fn of(path: Option<&'a Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Ok(Self::Output);
        };
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options
            .open(path)
            .map_err(|error| Failure::writing(path, &error).advice("Name a file that is not there yet."))?;
        Ok(Self::File(path, file))
    }

    /// No key came.
    fn give_up(self) {
        if let Self::File(path, _) = self {
            // An empty file of ours; that it stays harms nobody.
            let _ = std::fs::remove_file(path);
        }
    }

    fn take(self, secret: &str) -> Result<(), Failure> {
        match self {
            Self::Output => {
                let mut out = output::results();
                writeln!(out, "{secret}")?;
                out.flush()?;
            }
            Self::File(path, mut file) => {
                writeln!(file, "{secret}")
                    .and_then(|()| file.sync_all())
                    .map_err(|error| Failure::writing(path, &error))?;
            }
        }
        Ok(())
    }
}

/// Prints a key that was made; everything else is said beside it.
fn made(context: &Context, place: Place<'_>, key: &Key, secret: &str) -> Result<(), Failure> {
    let is_file = matches!(place, Place::File(..));
    place.take(secret)?;
    let end = match key.ends_at.as_str() {
        "" => "without an end".to_owned(),
        end => format!("until {end}"),
    };
    context.terminal.note(&format!(
        "key {} of {} ({}, {}), {end}: it is shown this once",
        key.prefix, key.person, key.tenant, key.role
    ));
    if !is_file {
        context
            .terminal
            .note("keep it in a file that only you can read, and name that by NOPIC_API_KEY_FILE");
    }
    Ok(())
}

pub(crate) async fn run(context: &Context, command: Command) -> Result<Done, Failure> {
    let services = context.connect(need::ACCESS).await?;
    let mut client = services.access();
    let mut out = output::results();
    match command {
        Command::Create { tenant, person, of } => {
            let place = Place::of(of.out.as_deref())?;
            let request = CreateKeyRequest {
                request_id: of.naming.id()?,
                tenant,
                person,
                ends_at: of.ends_at(),
            };
            match services.answer(client.create_key(request).await) {
                Ok(answer) => made(context, place, &answer.key.unwrap_or_default(), &answer.secret)?,
                Err(failure) => {
                    place.give_up();
                    return Err(failure);
                }
            }
        }
        Command::Rotate { prefix, grace, of } => {
            let place = Place::of(of.out.as_deref())?;
            let request = RotateKeyRequest {
                request_id: of.naming.id()?,
                prefix,
                grace_seconds: grace,
                ends_at: of.ends_at(),
            };
            match services.answer(client.rotate_key(request).await) {
                Ok(answer) => {
                    made(context, place, &answer.key.unwrap_or_default(), &answer.secret)?;
                    let old = answer.replaced.unwrap_or_default();
                    context
                        .terminal
                        .note(&format!("the old one, {}, ends at {}", old.prefix, old.ends_at));
                }
                Err(failure) => {
                    place.give_up();
                    return Err(failure);
                }
            }
        }
        Command::List { tenant, output } => {
            let mut listing = Listing::new(output, COLUMNS, &context.terminal);
            let ask = async |page_token| {
                let request = ListKeysRequest {
                    tenant: tenant.clone().unwrap_or_default(),
                    page_size: PAGE,
                    page_token,
                };
                let page = services.answer(client.list_keys(request).await)?;
                Ok(Page::new(page.keys, page.complete, page.next_page_token))
            };
            listing.pages(&mut out, None, ask, row).await?;
            if listing.count() == 0 {
                context
                    .terminal
                    .note("no keys yet: `nopic key create TENANT PERSON` makes one");
            }
            listing.finish(&mut out)?;
        }
        Command::Revoke {
            prefix,
            reason,
            naming,
        } => {
            let request = RevokeKeyRequest {
                request_id: naming.id()?,
                prefix,
                reason,
            };
            let answer = services.answer(client.revoke_key(request).await)?;
            let key = answer.key.unwrap_or_default();
            writeln!(
                out,
                "The key {} of {} is revoked since {}: within 2 seconds nobody comes in by it.",
                key.prefix, key.person, key.revoked_at
            )?;
        }
    }
    out.flush()?;
    Ok(Done::Well)
}

fn row(key: Key) -> Vec<Cell> {
    vec![
        key.prefix.into(),
        key.tenant.into(),
        key.person.into(),
        key.role.into(),
        key.state.into(),
        key.created_at.into(),
        key.created_by.into(),
        key.ends_at.into(),
        key.revoked_at.into(),
        key.replaced_by.into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_good_on_its_last_day() {
        let of = |until: Option<&str>| NewKey {
            until: until.map(|text| date(text).unwrap()),
            out: None,
            naming: Naming::default(),
        };
        assert_eq!(of(Some("2026-12-31")).ends_at(), "2027-01-01T00:00:00Z");
        assert_eq!(of(None).ends_at(), "");
    }
}
