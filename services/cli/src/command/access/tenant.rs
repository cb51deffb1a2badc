//! `nopic tenant`: the companies and authorities whose people and jobs come in at a server.

use std::io::Write as _;

use nopic_proto::access::{
    CreateTenantRequest, ListTenantsRequest, ResumeTenantRequest, SuspendTenantRequest, Tenant,
};

use super::{Naming, PAGE};
use crate::connection::need;
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output::listing::{Cell, Column, Listing, Page, column};
use crate::output::{self, Style};

const COLUMNS: &[Column] = &[
    column("TENANT", "tenant"),
    column("FILER CODES", "filerCodes"),
    column("CERTIFIER", "certifierId"),
    column("NOP IDS", "nopIds"),
    column("CREATED AT", "createdAt"),
    column("SUSPENDED AT", "suspendedAt"),
];

/// Whose people and jobs come in at a server
///
/// A tenant files under its own filer codes and sees its own entries; nothing of one is seen by another.
#[derive(Debug, clap::Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "Example:\n  nopic tenant create acme --filer-code B76"
)]
pub(crate) enum Command {
    /// Make a tenant
    #[command(
        after_long_help = "Examples:\n  nopic tenant create acme --filer-code B76,XY1\n  \
                           nopic tenant create green-seal --certifier 015\n  \
                           nopic tenant create default --all-filer-codes   (the owner of what a data folder holds)"
    )]
    Create {
        /// Its name: small letters, digits, dots, hyphens and underscores
        #[arg(value_name = "TENANT")]
        tenant: String,
        /// A filer code under which it files; several with commas between them
        #[arg(long, value_name = "CODE", value_delimiter = ',')]
        filer_code: Vec<String>,
        /// It files under every filer code
        #[arg(long, conflicts_with = "filer_code")]
        all_filer_codes: bool,
        /// The certifier that it acts for (3 digits)
        #[arg(long, value_name = "NNN")]
        certifier: Option<String>,
        /// A NOP operation ID that it acts for; several with commas between them
        #[arg(long, value_name = "NOPID", value_delimiter = ',')]
        nop_id: Vec<String>,
        #[command(flatten)]
        naming: Naming,
    },
    /// List the tenants
    #[command(after_long_help = "Example:\n  nopic tenant list --output jsonl")]
    List {
        /// How they are printed
        #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
        output: Style,
    },
    /// Let nobody of a tenant in for the time being
    #[command(after_long_help = "Example:\n  nopic tenant suspend acme --reason \"keys leaked\"")]
    Suspend {
        /// Its name
        #[arg(value_name = "TENANT")]
        tenant: String,
        /// Why, for the audit log
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        #[command(flatten)]
        naming: Naming,
    },
    /// Let those of a suspended tenant in again
    #[command(after_long_help = "Example:\n  nopic tenant resume acme")]
    Resume {
        /// Its name
        #[arg(value_name = "TENANT")]
        tenant: String,
        /// Why, for the audit log
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        #[command(flatten)]
        naming: Naming,
    },
}

pub(crate) async fn run(context: &Context, command: Command) -> Result<Done, Failure> {
    let services = context.connect(need::ACCESS).await?;
    let mut client = services.access();
    let mut out = output::results();
    match command {
        Command::Create {
            tenant,
            filer_code,
            all_filer_codes,
            certifier,
            nop_id,
            naming,
        } => {
            let request = CreateTenantRequest {
                request_id: naming.id()?,
                tenant: Some(Tenant {
                    tenant,
                    all_filer_codes,
                    filer_codes: filer_code,
                    certifier_id: certifier.unwrap_or_default(),
                    nop_ids: nop_id,
                    ..Tenant::default()
                }),
            };
            let answer = services.answer(client.create_tenant(request).await)?;
            let tenant = answer.tenant.unwrap_or_default().tenant;
            writeln!(out, "{tenant} is a tenant.")?;
            context.terminal.note(&format!(
                "next: `nopic person add {tenant} NAME --role ROLE` adds a person or job of it"
            ));
        }
        Command::List { output } => {
            let mut listing = Listing::new(output, COLUMNS, &context.terminal);
            let ask = async |page_token| {
                let request = ListTenantsRequest {
                    page_size: PAGE,
                    page_token,
                };
                let page = services.answer(client.list_tenants(request).await)?;
                Ok(Page::new(page.tenants, page.complete, page.next_page_token))
            };
            listing.pages(&mut out, None, ask, row).await?;
            if listing.count() == 0 {
                context
                    .terminal
                    .note("no tenants yet: `nopic tenant create TENANT` makes one");
            }
            listing.finish(&mut out)?;
        }
        Command::Suspend {
            tenant,
            reason,
            naming,
        } => {
            let request = SuspendTenantRequest {
                request_id: naming.id()?,
                tenant,
                reason,
            };
            let answer = services.answer(client.suspend_tenant(request).await)?;
            let tenant = answer.tenant.unwrap_or_default().tenant;
            writeln!(
                out,
                "{tenant} is suspended: within 2 seconds nobody of it comes in."
            )?;
        }
        Command::Resume {
            tenant,
            reason,
            naming,
        } => {
            let request = ResumeTenantRequest {
                request_id: naming.id()?,
                tenant,
                reason,
            };
            let answer = services.answer(client.resume_tenant(request).await)?;
            let tenant = answer.tenant.unwrap_or_default().tenant;
            writeln!(out, "{tenant} is not suspended.")?;
        }
    }
    out.flush()?;
    Ok(Done::Well)
}

fn row(tenant: Tenant) -> Vec<Cell> {
    let filer_codes = if tenant.all_filer_codes {
        vec!["*".to_owned()]
    } else {
        tenant.filer_codes
    };
    vec![
        tenant.tenant.into(),
        filer_codes.into(),
        tenant.certifier_id.into(),
        tenant.nop_ids.into(),
        tenant.created_at.into(),
        tenant.suspended_at.into(),
    ]
}
