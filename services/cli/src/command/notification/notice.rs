//! `nopic notice`: what people were told, and whether it came there.

use std::io::Write as _;

use nopic_proto::notification::{
    Delivery, GetNoticeRequest, ListDeliveriesRequest, ListNoticesRequest, Notice, RedeliverRequest,
};

use super::{NEED, PAGE};
use crate::command::access::Naming;
use crate::connection::Services;
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output::listing::{Cell, Column, Listing, Page, column};
use crate::output::words::counted;
use crate::output::{self, Style};

const NOTICES: &[Column] = &[
    column("NOTICE", "notice"),
    column("AT", "occurredAt"),
    column("SEVERITY", "severity"),
    column("KIND", "kind"),
    column("SUBJECT", "subject"),
    column("WHAT", "title"),
];
const DELIVERIES: &[Column] = &[
    column("DELIVERY", "delivery"),
    column("RECEIVER", "receiver"),
    column("STATE", "state"),
    column("TRIES", "attempts"),
    column("NEXT", "nextAttemptAt"),
    column("RESULT", "lastResult"),
    column("NOTICES", "notices"),
    column("MADE", "createdAt"),
    column("ENDED", "endedAt"),
    column("MESSAGE", "messageId"),
];

/// What people were told, and whether it came there
///
/// Notices are made of what happens: rejected lines, void certificates, suspended operations, held snapshots, flags that
/// change. `nopic subscription set` says which are sent where.
#[derive(Debug, clap::Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "Example:\n  nopic notice list --least-severity ACTION"
)]
pub(crate) enum Command {
    /// List notices, the newest first
    #[command(
        after_long_help = "Examples:\n  nopic notice list\n  nopic notice list --kind LINES_REJECTED --limit 20"
    )]
    List {
        /// Only of this kind, such as LINES_REJECTED; several with commas between them
        #[arg(long, value_name = "KIND", value_delimiter = ',')]
        kind: Vec<String>,
        /// Only what matters at least so much: INFORMATION, WARNING or ACTION
        #[arg(long, value_name = "SEVERITY", default_value = "", hide_default_value = true)]
        least_severity: String,
        /// Only about this: an entry, a certificate, an operation, a tariff code
        #[arg(long, value_name = "SUBJECT", default_value = "", hide_default_value = true)]
        subject: String,
        /// At most so many [default: all]
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
        /// How they are printed
        #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
        output: Style,
    },
    /// Show a notice, who must do what, and what became of it at each receiver
    #[command(after_long_help = "Example:\n  nopic notice show 12")]
    Show {
        /// Its number
        #[arg(value_name = "NOTICE")]
        notice: i64,
    },
    /// List what is sent, was sent, or could not be, the newest first
    #[command(after_long_help = "Example:\n  nopic notice deliveries --state DEAD")]
    Deliveries {
        /// Only to this receiver
        #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
        receiver: String,
        /// Only in this state: WAITING, DELIVERED or DEAD
        #[arg(long, value_name = "STATE", default_value = "", hide_default_value = true)]
        state: String,
        /// At most so many [default: all]
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
        /// How they are printed
        #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
        output: Style,
    },
    /// Send again what could not be sent: one delivery, all of a receiver, or all
    #[command(
        after_long_help = "Examples:\n  nopic notice redeliver 34\n  nopic notice redeliver --receiver erp\n  \
                           nopic notice redeliver --all"
    )]
    Redeliver {
        /// The delivery, also where it was delivered
        #[arg(
            value_name = "DELIVERY",
            required_unless_present_any = ["receiver", "all"],
            value_parser = clap::value_parser!(i64).range(1..)
        )]
        delivery: Option<i64>,
        /// All to this receiver that could not be sent
        #[arg(long, value_name = "NAME", conflicts_with = "delivery")]
        receiver: Option<String>,
        /// All that could not be sent
        #[arg(long, conflicts_with_all = ["delivery", "receiver"])]
        all: bool,
        #[command(flatten)]
        naming: Naming,
    },
}

pub(crate) async fn run(context: &Context, command: Command) -> Result<Done, Failure> {
    let services = context.connect(NEED).await?;
    match command {
        Command::List {
            kind,
            least_severity,
            subject,
            limit,
            output,
        } => {
            let request = ListNoticesRequest {
                kinds: kind,
                least_severity,
                subject,
                page_size: PAGE,
                page_token: String::new(),
            };
            list(context, &services, request, limit, output).await
        }
        Command::Show { notice } => show(&services, notice).await,
        Command::Deliveries {
            receiver,
            state,
            limit,
            output,
        } => {
            let request = ListDeliveriesRequest {
                receiver,
                state,
                page_size: PAGE,
                page_token: String::new(),
            };
            deliveries(context, &services, request, limit, output).await
        }
        Command::Redeliver {
            delivery,
            receiver,
            all,
            naming,
        } => {
            let request = RedeliverRequest {
                request_id: naming.id()?,
                delivery: delivery.unwrap_or_default(),
                receiver: receiver.unwrap_or_default(),
                all,
            };
            let answer = services.answer(services.notification().redeliver(request).await)?;
            let messages = counted(answer.count, "message", "messages");
            writeln!(output::results(), "{messages} will be sent again.")?;
            Ok(Done::Well)
        }
    }
}

async fn list(
    context: &Context,
    services: &Services,
    request: ListNoticesRequest,
    limit: Option<u32>,
    style: Style,
) -> Result<Done, Failure> {
    let mut out = output::results();
    let mut listing = Listing::new(style, NOTICES, &context.terminal);
    let ask = async |page_token| {
        let request = ListNoticesRequest {
            page_token,
            ..request.clone()
        };
        let page = services.answer(services.notification().list_notices(request).await)?;
        Ok(Page::new(page.notices, page.complete, page.next_page_token))
    };
    listing.pages(&mut out, limit, ask, notice_row).await?;
    if listing.count() == 0 {
        context.terminal.note("no notices");
    }
    listing.finish(&mut out)?;
    Ok(Done::Well)
}

fn notice_row(notice: Notice) -> Vec<Cell> {
    vec![
        Cell::Number(notice.notice),
        notice.occurred_at.into(),
        notice.severity.into(),
        notice.kind.into(),
        notice.subject.into(),
        notice.title.into(),
    ]
}

async fn show(services: &Services, number: i64) -> Result<Done, Failure> {
    let request = GetNoticeRequest { notice: number };
    let answer = services.answer(services.notification().get_notice(request).await)?;
    let notice = answer.notice.unwrap_or_default();
    let mut out = output::results();
    writeln!(out, "{}", notice.title)?;
    writeln!(
        out,
        "Notice {number}: {}, {}, {}, {}",
        notice.severity, notice.kind, notice.subject, notice.occurred_at
    )?;
    for sentence in &notice.sentences {
        writeln!(out, "\n{sentence}")?;
    }
    for to_do in &notice.to_do {
        write!(out, "\n→ {}: {}", to_do.who, to_do.what)?;
        if !to_do.by.is_empty() {
            write!(out, " By {}.", to_do.by)?;
        }
        writeln!(out)?;
    }
    writeln!(out)?;
    if answer.deliveries.is_empty() {
        writeln!(out, "It was sent to nobody: no subscription asks for it.")?;
    }
    for delivery in answer.deliveries {
        write!(
            out,
            "{} to {} (delivery {}, tried {} times)",
            delivery.state, delivery.receiver, delivery.delivery, delivery.attempts
        )?;
        if delivery.last_result.is_empty() {
            writeln!(out)?;
        } else {
            writeln!(out, ": {}", delivery.last_result)?;
        }
    }
    out.flush()?;
    Ok(Done::Well)
}

async fn deliveries(
    context: &Context,
    services: &Services,
    request: ListDeliveriesRequest,
    limit: Option<u32>,
    style: Style,
) -> Result<Done, Failure> {
    let mut out = output::results();
    let mut listing = Listing::new(style, DELIVERIES, &context.terminal);
    let ask = async |page_token| {
        let request = ListDeliveriesRequest {
            page_token,
            ..request.clone()
        };
        let page = services.answer(services.notification().list_deliveries(request).await)?;
        Ok(Page::new(page.deliveries, page.complete, page.next_page_token))
    };
    listing.pages(&mut out, limit, ask, delivery_row).await?;
    if listing.count() == 0 {
        context.terminal.note("no deliveries");
    }
    listing.finish(&mut out)?;
    Ok(Done::Well)
}

fn delivery_row(delivery: Delivery) -> Vec<Cell> {
    vec![
        Cell::Number(delivery.delivery),
        delivery.receiver.into(),
        delivery.state.into(),
        delivery.attempts.into(),
        delivery.next_attempt_at.into(),
        delivery.last_result.into(),
        Cell::List(delivery.notices.iter().map(ToString::to_string).collect()),
        delivery.created_at.into(),
        delivery.ended_at.into(),
        delivery.message_id.into(),
    ]
}
