//! `nopic subscription`: which notices are sent to a receiver, and when.

use std::io::Write as _;

use nopic_proto::notification::{
    ListSubscriptionsRequest, RemoveSubscriptionRequest, SetSubscriptionRequest, Subscription,
};

use super::NEED;
use crate::command::access::Naming;
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output::listing::{Cell, Column, Listing, column};
use crate::output::{self, Style};

const COLUMNS: &[Column] = &[
    column("SUBSCRIPTION", "name"),
    column("RECEIVER", "receiver"),
    column("LEAST SEVERITY", "leastSeverity"),
    column("KINDS", "kinds"),
    column("IMPORTERS", "importers"),
    column("EXPORTERS", "exporters"),
    column("CERTIFIERS", "certifiers"),
    column("DAILY AT", "dailyAt"),
    column("QUIET", "quiet"),
    column("TIME ZONE", "timeZone"),
];

/// Which notices are sent to a receiver, and when
#[derive(Debug, clap::Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one, and it is read once")]
#[command(
    arg_required_else_help = true,
    after_long_help = "Example:\n  nopic subscription set urgent --receiver compliance --least-severity ACTION"
)]
pub(crate) enum Command {
    /// Make a subscription, or put it in the place of the one of its name
    #[command(
        after_long_help = "Examples:\n  nopic subscription set urgent --receiver compliance --least-severity ACTION\n  \
                           nopic subscription set morning --receiver compliance --daily-at 07:30 --time-zone America/Chicago\n  \
                           nopic subscription set acme --receiver erp --importer 8150000001 --quiet-from 22:00 --quiet-to 06:00"
    )]
    Set {
        /// Its name: small letters, digits, dots, hyphens and underscores
        #[arg(value_name = "NAME")]
        name: String,
        /// To which receiver
        #[arg(long, value_name = "RECEIVER")]
        receiver: String,
        /// Only what matters at least so much: INFORMATION, WARNING or ACTION [default: INFORMATION]
        #[arg(long, value_name = "SEVERITY", default_value = "", hide_default_value = true)]
        least_severity: String,
        /// Only of this kind, such as LINES_REJECTED; several with commas between them
        #[arg(long, value_name = "KIND", value_delimiter = ',')]
        kind: Vec<String>,
        /// Only about this importer (NOP ID); several with commas between them
        #[arg(long, value_name = "NOPID", value_delimiter = ',')]
        importer: Vec<String>,
        /// Only about this exporter (NOP ID); several with commas between them
        #[arg(long, value_name = "NOPID", value_delimiter = ',')]
        exporter: Vec<String>,
        /// Only about this certifier (3 digits); several with commas between them
        #[arg(long, value_name = "NNN", value_delimiter = ',')]
        certifier: Vec<String>,
        /// All of a day in one message, at this time [default: each at once]
        #[arg(long, value_name = "HH:MM", default_value = "", hide_default_value = true)]
        daily_at: String,
        /// In which these times are [default: America/New_York]
        #[arg(long, value_name = "ZONE", default_value = "", hide_default_value = true)]
        time_zone: String,
        /// Nobody is disturbed from this time on
        #[arg(
            long,
            value_name = "HH:MM",
            default_value = "",
            hide_default_value = true,
            requires = "quiet_to"
        )]
        quiet_from: String,
        /// Up to this time
        #[arg(
            long,
            value_name = "HH:MM",
            default_value = "",
            hide_default_value = true,
            requires = "quiet_from"
        )]
        quiet_to: String,
        #[command(flatten)]
        naming: Naming,
    },
    /// List the subscriptions
    #[command(after_long_help = "Example:\n  nopic subscription list")]
    List {
        /// How they are printed
        #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
        output: Style,
    },
    /// Take a subscription away
    #[command(after_long_help = "Example:\n  nopic subscription remove morning")]
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
        Command::Set {
            name,
            receiver,
            least_severity,
            kind,
            importer,
            exporter,
            certifier,
            daily_at,
            time_zone,
            quiet_from,
            quiet_to,
            naming,
        } => {
            let request = SetSubscriptionRequest {
                request_id: naming.id()?,
                subscription: Some(Subscription {
                    name,
                    receiver,
                    kinds: kind,
                    importers: importer,
                    exporters: exporter,
                    certifiers: certifier,
                    least_severity,
                    daily_at,
                    time_zone,
                    quiet_from,
                    quiet_to,
                }),
            };
            let set = services.answer(client.set_subscription(request).await)?;
            let set = set.subscription.unwrap_or_default();
            writeln!(out, "{}", in_words(&set))?;
        }
        Command::List { output } => {
            let answer = services.answer(client.list_subscriptions(ListSubscriptionsRequest {}).await)?;
            let mut listing = Listing::new(output, COLUMNS, &context.terminal);
            listing.rows(&mut out, answer.subscriptions.into_iter().map(row))?;
            if listing.count() == 0 {
                context.terminal.note(
                    "no subscriptions yet: `nopic subscription set NAME --receiver RECEIVER` makes one",
                );
            }
            listing.finish(&mut out)?;
            return Ok(Done::Well);
        }
        Command::Remove { name, naming } => {
            let request = RemoveSubscriptionRequest {
                request_id: naming.id()?,
                name: name.clone(),
            };
            services.answer(client.remove_subscription(request).await)?;
            writeln!(out, "{name} is removed; what was gathered by it is still sent.")?;
        }
    }
    out.flush()?;
    Ok(Done::Well)
}

/// All of what a subscription is now: what was not said is as it is from the start, whatever it was before.
fn in_words(set: &Subscription) -> String {
    let named = |values: &[String], what: &str| match values {
        [] => String::new(),
        values => format!(" {what} {}", values.join(", ")),
    };
    let kinds = match set.kinds.as_slice() {
        [] => "every kind".to_owned(),
        kinds => kinds.join(", "),
    };
    let when = if set.daily_at.is_empty() {
        "as they come".to_owned()
    } else {
        format!("every day at {} ({})", set.daily_at, set.time_zone)
    };
    let quiet = if set.quiet_from.is_empty() {
        String::new()
    } else {
        format!(
            ", but not from {} to {} ({})",
            set.quiet_from, set.quiet_to, set.time_zone
        )
    };
    format!(
        "{} is set: notices of {kinds}, {} or more{}{}{}, go to {} {when}{quiet}.",
        set.name,
        set.least_severity,
        named(&set.importers, "about the importers"),
        named(&set.exporters, "about the exporters"),
        named(&set.certifiers, "about the certifiers"),
        set.receiver,
    )
}

fn row(subscription: Subscription) -> Vec<Cell> {
    let quiet = if subscription.quiet_from.is_empty() {
        String::new()
    } else {
        format!("{}-{}", subscription.quiet_from, subscription.quiet_to)
    };
    vec![
        subscription.name.into(),
        subscription.receiver.into(),
        subscription.least_severity.into(),
        subscription.kinds.into(),
        subscription.importers.into(),
        subscription.exporters.into(),
        subscription.certifiers.into(),
        subscription.daily_at.into(),
        quiet.into(),
        subscription.time_zone.into(),
    ]
}
