//! `nopic receiver`: where notices are sent to.

use std::io::Write as _;

use nopic_proto::notification::{
    CreateReceiverRequest, ListReceiversRequest, PauseReceiverRequest, Receiver, RemoveReceiverRequest,
    ResumeReceiverRequest, RotateSecretRequest, Subscription, TestReceiverRequest,
};
use serde_json::json;

use super::NEED;
use crate::command::access::Naming;
use crate::connection::Services;
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output::listing::{Cell, Column, Listing, column};
use crate::output::words::counted;
use crate::output::{self, Style};

const COLUMNS: &[Column] = &[
    column("RECEIVER", "name"),
    column("CHANNEL", "channel"),
    column("STATE", "state"),
    column("WAITING", "waiting"),
    column("DEAD", "dead"),
    column("FAILING SINCE", "failingSince"),
    column("BECAUSE", "because"),
    column("TO", "destination"),
    column("SETTINGS", "settings"),
];

/// Where notices are sent to: webhooks and mail
#[derive(Debug, clap::Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "Example:\n  nopic receiver create compliance --email compliance@example.com"
)]
pub(crate) enum Command {
    /// Make a receiver; the secret of a webhook is shown once
    ///
    /// Mail brings what somebody must act on at once, and everything of a day the next morning at 07:00 in New York; a
    /// webhook gets everything at once. `nopic subscription` changes that.
    #[command(
        after_long_help = "Examples:\n  nopic receiver create compliance --email compliance@example.com\n  \
                           nopic receiver create erp --webhook https://erp.example.com/nopic --ordered"
    )]
    Create {
        /// Its name: small letters, digits, dots, hyphens and underscores
        #[arg(value_name = "NAME")]
        name: String,
        /// An address for mail; several with commas between them
        #[arg(
            long,
            value_name = "ADDRESS",
            value_delimiter = ',',
            required_unless_present = "webhook"
        )]
        email: Vec<String>,
        /// An address that takes signed CloudEvents (Standard Webhooks)
        #[arg(long, value_name = "URL", conflicts_with = "email")]
        webhook: Option<String>,
        /// Messages about one subject come in their order: one that cannot be sent holds up those behind it
        #[arg(long)]
        ordered: bool,
        /// So many messages a minute at most [default: as many as there are]
        #[arg(long, value_name = "COUNT", default_value_t = 0, hide_default_value = true)]
        per_minute: u32,
        /// Send nothing to it until a subscription is set; otherwise it has the usual ones from the start
        #[arg(long)]
        without_subscriptions: bool,
        #[command(flatten)]
        naming: Naming,
    },
    /// List the receivers, and how they do
    #[command(after_long_help = "Example:\n  nopic receiver list")]
    List {
        /// How they are printed
        #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
        output: Style,
    },
    /// Send a test notice to a receiver
    #[command(after_long_help = "Example:\n  nopic receiver test compliance")]
    Test {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        naming: Naming,
    },
    /// Send nothing more to a receiver until it is resumed
    #[command(after_long_help = "Example:\n  nopic receiver pause erp --reason \"moves to another server\"")]
    Pause {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// Why
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
        #[command(flatten)]
        naming: Naming,
    },
    /// Go on with a receiver that was paused
    #[command(after_long_help = "Example:\n  nopic receiver resume erp")]
    Resume {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        naming: Naming,
    },
    /// Make a new secret for a webhook; the old one signs beside it for a while
    #[command(after_long_help = "Example:\n  nopic receiver rotate-secret erp --grace-hours 48")]
    RotateSecret {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// For so many hours the old secret signs, too; 0: not any more
        #[arg(long, value_name = "HOURS", default_value_t = 24)]
        grace_hours: u32,
        #[command(flatten)]
        naming: Naming,
    },
    /// Take a receiver away, with its subscriptions and what waits for it
    #[command(after_long_help = "Example:\n  nopic receiver remove erp")]
    Remove {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        naming: Naming,
    },
}

pub(crate) async fn run(context: &Context, command: Command) -> Result<Done, Failure> {
    let services = context.connect(NEED).await?;
    let mut client = services.notification();
    let mut out = output::results();
    match command {
        Command::Create {
            name,
            email,
            webhook,
            ordered,
            per_minute,
            without_subscriptions,
            naming,
        } => {
            let (channel, settings) = match webhook {
                Some(url) => ("webhook", json!({ "url": url })),
                None => ("email", json!({ "addresses": email })),
            };
            let request = CreateReceiverRequest {
                request_id: naming.id()?,
                receiver: Some(Receiver {
                    name,
                    channel: channel.to_owned(),
                    settings: settings.to_string(),
                    ordered,
                    per_minute,
                    ..Receiver::default()
                }),
                without_subscriptions,
            };
            let answer = services.answer(client.create_receiver(request).await)?;
            let name = answer.receiver.unwrap_or_default().name;
            writeln!(out, "{name} is a receiver.")?;
            secret(&mut out, &answer.secret)?;
            for subscription in &answer.subscriptions {
                writeln!(out, "{} sends it {}.", subscription.name, in_words(subscription))?;
            }
            context.terminal.note(&format!(
                "next: `nopic receiver test {name}`; `nopic subscription set NAME --receiver {name}` says what it gets"
            ));
        }
        Command::List { output } => return list(context, &services, output).await,
        Command::Test { name, naming } => {
            let request = TestReceiverRequest {
                request_id: naming.id()?,
                name,
            };
            let answer = services.answer(client.test_receiver(request).await)?;
            let delivery = answer.delivery.unwrap_or_default();
            writeln!(
                out,
                "A test is on its way to {} (delivery {}).",
                delivery.receiver, delivery.delivery
            )?;
            context
                .terminal
                .note("next: `nopic notice deliveries` says whether it came there; a server sends it");
        }
        Command::Pause { name, reason, naming } => {
            let request = PauseReceiverRequest {
                request_id: naming.id()?,
                name,
                reason,
            };
            let answer = services.answer(client.pause_receiver(request).await)?;
            let receiver = answer.receiver.unwrap_or_default();
            writeln!(out, "{} is paused: what comes waits.", receiver.name)?;
        }
        Command::Resume { name, naming } => {
            let request = ResumeReceiverRequest {
                request_id: naming.id()?,
                name,
            };
            let answer = services.answer(client.resume_receiver(request).await)?;
            let receiver = answer.receiver.unwrap_or_default();
            writeln!(
                out,
                "{} is active: {} to send.",
                receiver.name,
                counted(receiver.waiting, "message", "messages")
            )?;
        }
        Command::RotateSecret {
            name,
            grace_hours,
            naming,
        } => {
            let request = RotateSecretRequest {
                request_id: naming.id()?,
                name,
                grace_hours: Some(grace_hours),
            };
            let answer = services.answer(client.rotate_secret(request).await)?;
            let name = answer.receiver.unwrap_or_default().name;
            let old = match grace_hours {
                0 => "does not sign any more".to_owned(),
                hours => format!("signs for {hours} hours more"),
            };
            writeln!(out, "{name} has a new secret; the old one {old}.")?;
            secret(&mut out, &answer.secret)?;
        }
        Command::Remove { name, naming } => {
            let request = RemoveReceiverRequest {
                request_id: naming.id()?,
                name,
            };
            let answer = services.answer(client.remove_receiver(request).await)?;
            writeln!(out, "{} is removed.", answer.receiver.unwrap_or_default().name)?;
        }
    }
    out.flush()?;
    Ok(Done::Well)
}

/// What a usual subscription sends.
fn in_words(subscription: &Subscription) -> String {
    let what = match subscription.least_severity.as_str() {
        "ACTION" => "what somebody must act on",
        _ => "everything",
    };
    match subscription.daily_at.as_str() {
        "" => format!("{what} at once"),
        time => format!("{what} of a day at {time} ({})", subscription.time_zone),
    }
}

fn secret(out: &mut impl std::io::Write, secret: &str) -> Result<(), Failure> {
    if !secret.is_empty() {
        writeln!(out, "Its secret, shown this once: {secret}")?;
    }
    Ok(())
}

async fn list(context: &Context, services: &Services, style: Style) -> Result<Done, Failure> {
    let answer = services.answer(
        services
            .notification()
            .list_receivers(ListReceiversRequest {})
            .await,
    )?;
    let mut out = output::results();
    let mut listing = Listing::new(style, COLUMNS, &context.terminal);
    listing.rows(
        &mut out,
        answer.receivers.into_iter().map(|receiver| {
            vec![
                receiver.name.into(),
                receiver.channel.into(),
                receiver.state.into(),
                Cell::Number(i64::try_from(receiver.waiting).unwrap_or(i64::MAX)),
                Cell::Number(i64::try_from(receiver.dead).unwrap_or(i64::MAX)),
                receiver.failing_since.into(),
                receiver.because.into(),
                receiver.destination.into(),
                receiver.settings.into(),
            ]
        }),
    )?;
    if listing.count() == 0 {
        context
            .terminal
            .note("no receivers yet: `nopic receiver create NAME --email ADDRESS` makes one");
    }
    listing.finish(&mut out)?;
    Ok(Done::Well)
}
