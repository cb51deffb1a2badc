//! `nopic person`: people and jobs of tenants, and their roles.

use std::io::Write as _;

use nopic_domain::principal::Role;
use nopic_proto::access::{AddPersonRequest, ListPeopleRequest, Person, RemovePersonRequest};

use super::{Naming, PAGE};
use crate::connection::need;
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output::listing::{Column, Listing, Page, column};
use crate::output::{self, Style};

const COLUMNS: &[Column] = &[
    column("TENANT", "tenant"),
    column("NAME", "name"),
    column("ROLE", "role"),
    column("CERTIFICATE", "certificateName"),
    column("TOKEN ISSUER", "tokenIssuer"),
    column("TOKEN SUBJECT", "tokenSubject"),
    column("ADDED AT", "addedAt"),
    column("REMOVED AT", "removedAt"),
];

/// People and jobs of a tenant
///
/// Each has one role, which says what it may call, and comes in by an API key (`nopic key create`), by a client
/// certificate or by a token of an identity provider.
#[derive(Debug, clap::Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "Example:\n  nopic person add acme maria --role broker"
)]
pub(crate) enum Command {
    /// Add a person or job to a tenant
    #[command(
        after_long_help = "Examples:\n  nopic person add acme nightly-job --role broker\n  \
                           nopic person add acme maria --role compliance --token-issuer https://login.example \
                           --token-subject 00u1"
    )]
    Add {
        /// The tenant
        #[arg(value_name = "TENANT")]
        tenant: String,
        /// Its name, as it stands in logs and in what it files
        #[arg(value_name = "NAME")]
        name: String,
        /// What it does: broker, exporter, certifier, compliance, operator or authority
        #[arg(long, value_parser = role)]
        role: Role,
        /// The name in the client certificate by which it comes in
        #[arg(long, value_name = "NAME")]
        certificate_name: Option<String>,
        /// The issuer of the tokens by which it comes in
        #[arg(long, value_name = "URL", requires = "token_subject")]
        token_issuer: Option<String>,
        /// Who it is in those tokens (their claim sub)
        #[arg(long, value_name = "ID", requires = "token_issuer")]
        token_subject: Option<String>,
        #[command(flatten)]
        naming: Naming,
    },
    /// List people and jobs
    #[command(after_long_help = "Example:\n  nopic person list acme")]
    List {
        /// Of this tenant only
        #[arg(value_name = "TENANT")]
        tenant: Option<String>,
        /// Also those that were removed
        #[arg(long)]
        removed: bool,
        /// How they are printed
        #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
        output: Style,
    },
    /// Let a person or job in no more, by whatever it shows
    #[command(after_long_help = "Example:\n  nopic person remove acme maria --reason \"left\"")]
    Remove {
        /// The tenant
        #[arg(value_name = "TENANT")]
        tenant: String,
        /// The name
        #[arg(value_name = "NAME")]
        name: String,
        /// Why, for the audit log
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        #[command(flatten)]
        naming: Naming,
    },
}

fn role(text: &str) -> Result<Role, String> {
    Role::ALL
        .into_iter()
        .find(|role| role.as_str().eq_ignore_ascii_case(text))
        .ok_or_else(|| {
            let words: Vec<_> = Role::ALL
                .iter()
                .map(|role| role.as_str().to_ascii_lowercase())
                .collect();
            format!("expected one of {}", words.join(", "))
        })
}

pub(crate) async fn run(context: &Context, command: Command) -> Result<Done, Failure> {
    let services = context.connect(need::ACCESS).await?;
    let mut client = services.access();
    let mut out = output::results();
    match command {
        Command::Add {
            tenant,
            name,
            role,
            certificate_name,
            token_issuer,
            token_subject,
            naming,
        } => {
            let shows_something = certificate_name.is_some() || token_issuer.is_some();
            let request = AddPersonRequest {
                request_id: naming.id()?,
                person: Some(Person {
                    tenant,
                    name,
                    role: role.as_str().to_owned(),
                    certificate_name: certificate_name.unwrap_or_default(),
                    token_issuer: token_issuer.unwrap_or_default(),
                    token_subject: token_subject.unwrap_or_default(),
                    ..Person::default()
                }),
            };
            let answer = services.answer(client.add_person(request).await)?;
            let person = answer.person.unwrap_or_default();
            writeln!(out, "{} of {} is {}.", person.name, person.tenant, person.role)?;
            if !shows_something {
                context.terminal.note(&format!(
                    "next: `nopic key create {} {}` makes a key to come in with",
                    person.tenant, person.name
                ));
            }
        }
        Command::List {
            tenant,
            removed,
            output,
        } => {
            let mut listing = Listing::new(output, COLUMNS, &context.terminal);
            let ask = async |page_token| {
                let request = ListPeopleRequest {
                    tenant: tenant.clone().unwrap_or_default(),
                    page_size: PAGE,
                    page_token,
                    with_removed: removed,
                };
                let page = services.answer(client.list_people(request).await)?;
                Ok(Page::new(page.people, page.complete, page.next_page_token))
            };
            let row = |person: Person| {
                vec![
                    person.tenant.into(),
                    person.name.into(),
                    person.role.into(),
                    person.certificate_name.into(),
                    person.token_issuer.into(),
                    person.token_subject.into(),
                    person.added_at.into(),
                    person.removed_at.into(),
                ]
            };
            listing.pages(&mut out, None, ask, row).await?;
            if listing.count() == 0 {
                context
                    .terminal
                    .note("nobody yet: `nopic person add TENANT NAME --role ROLE` adds somebody");
            }
            listing.finish(&mut out)?;
        }
        Command::Remove {
            tenant,
            name,
            reason,
            naming,
        } => {
            let request = RemovePersonRequest {
                request_id: naming.id()?,
                tenant,
                name,
                reason,
            };
            let answer = services.answer(client.remove_person(request).await)?;
            let person = answer.person.unwrap_or_default();
            writeln!(
                out,
                "{} of {} is removed: within 2 seconds it comes in no more.",
                person.name, person.tenant
            )?;
        }
    }
    out.flush()?;
    Ok(Done::Well)
}
