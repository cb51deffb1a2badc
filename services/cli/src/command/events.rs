//! `nopic events`: what happened, in the order in which it came to be.

use std::io::{BufWriter, Stdout, Write as _};
use std::time::Duration;

use nopic_proto::DESCRIPTORS;
use nopic_proto::events::event::What;
use nopic_proto::events::{Event, ReadEventsRequest, ReadEventsResponse, WatchEventsRequest};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use tokio::time::sleep;
use tonic::{Code, Status};

use crate::connection::{Services, need};
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output::listing::{Cell, Column, Listing, column};
use crate::output::{self, Style, Terminal};

const COLUMNS: &[Column] = &[
    column("RECORDED", "recordedAt"),
    column("SERVICE", "service"),
    column("WHAT", "what"),
    column("SUBJECT", "subject"),
    column("POSITION", "position"),
];

/// Events of one call.
const PAGE: u32 = 500;

/// Show what happened, in the order in which it came to be: entries, certificates, the registry, flags
///
/// Events are kept for 30 days. A reader that keeps the position of the last event that it has done with, and gives it to
/// --after, misses none and reads none twice.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  nopic events --output jsonl\n  nopic events --after certificate:0.12,registry:0.3 --follow \
                       --output jsonl"
)]
pub(crate) struct Arguments {
    /// Only what happened behind this position, as an event told it
    #[arg(long, value_name = "POSITION", default_value = "", hide_default_value = true)]
    after: String,
    /// Only of this service: registry, certificate, entry_validation; may be given again
    #[arg(long = "service", value_name = "SERVICE")]
    services: Vec<String>,
    /// At most so many [default: all]
    #[arg(long, value_name = "COUNT", conflicts_with = "follow", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Go on with what happens from now on, until interrupted; needs a server
    #[arg(long)]
    follow: bool,
    /// How they are printed
    #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
    output: Style,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Done, Failure> {
    let services = context.connect(need::ALL).await?;
    if arguments.follow {
        if services.is_in_this_process() {
            return Err(
                Failure::new("Nothing happens here while this command has the folder to itself.")
                    .advice("Start `nopic serve all` and follow it, or leave out --follow."),
            );
        }
        if arguments.output == Style::Table {
            return Err(Failure::new("A table has an end, what is followed has none.")
                .advice("Add --output jsonl or --output csv."));
        }
        return follow(context, &services, arguments).await;
    }
    let mut printing = Printing::new(context, arguments.output)?;
    let mut left = arguments.limit.unwrap_or(u32::MAX);
    let mut request = ReadEventsRequest {
        after: arguments.after,
        limit: PAGE,
        services: arguments.services,
    };
    while left > 0 {
        request.limit = left.min(PAGE);
        let page = services.answer(services.events().read_events(request.clone()).await)?;
        printing.print(&page)?;
        if page.events.is_empty() {
            break;
        }
        left = left.saturating_sub(u32::try_from(page.events.len()).unwrap_or(u32::MAX));
        request.after = page.position;
    }
    if !printing.has_printed && printing.away.is_empty() {
        context.terminal.note("no events");
    }
    let away = std::mem::take(&mut printing.away);
    printing.finish()?;
    if away.is_empty() {
        return Ok(Done::Well);
    }
    Err(Failure::new(format!(
        "What {} tells is missing: no answer came.",
        away.join(" and ")
    ))
    .advice("Run it again later; --after with the position of the last event goes on from there."))
}

/// Pause before a server is asked anew, and how often that is tried before it counts as gone.
const PAUSE: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 30;

async fn follow(context: &Context, services: &Services, arguments: Arguments) -> Result<Done, Failure> {
    let mut printing = Printing::new(context, arguments.output)?;
    let mut after = arguments.after;
    let followed = async {
        let mut failed = 0;
        loop {
            let ended = watch(
                services,
                &arguments.services,
                &mut after,
                &mut printing,
                &mut failed,
            )
            .await?;
            // A server that is restarted ends it, or is away for a while: it goes on there, or at another one.
            if let Err(status) = ended {
                failed += 1;
                if status.code() != Code::Unavailable || failed > ATTEMPTS {
                    return Err(services.failure(&status));
                }
            }
            sleep(PAUSE).await;
        }
    };
    let ended = tokio::select! {
        ended = followed => ended,
        _ = tokio::signal::ctrl_c() => Ok(Done::Well),
    };
    if !after.is_empty() {
        context.terminal.note(&format!("the last position was {after}"));
    }
    ended
}

/// Prints what happens until the server ends it; what is printed is behind the position then.
async fn watch(
    services: &Services,
    of: &[String],
    after: &mut String,
    printing: &mut Printing,
    failed: &mut u32,
) -> Result<Result<(), Status>, Failure> {
    let request = WatchEventsRequest {
        after: after.clone(),
        services: of.to_vec(),
    };
    let mut pages = match services.events().watch_events(request).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => return Ok(Err(status)),
    };
    loop {
        match pages.message().await {
            Ok(Some(page)) => {
                printing.print(&page)?;
                *after = page.position;
                *failed = 0;
            }
            Ok(None) => return Ok(Ok(())),
            Err(status) => return Ok(Err(status)),
        }
    }
}

/// Events as they are printed.
struct Printing {
    form: Form,
    out: BufWriter<Stdout>,
    has_printed: bool,
    /// Services that did not answer.
    away: Vec<String>,
    terminal: Terminal,
}

enum Form {
    /// Each as over HTTP.
    Json(MessageDescriptor),
    Rows(Listing),
}

impl Printing {
    fn new(context: &Context, style: Style) -> Result<Self, Failure> {
        let form = if style == Style::Jsonl {
            let descriptor = DescriptorPool::decode(DESCRIPTORS)
                .ok()
                .and_then(|pool| pool.get_message_by_name("nopic.events.v1.Event"))
                .ok_or_else(|| Failure::new("This program does not know its own contract."))?;
            Form::Json(descriptor)
        } else {
            Form::Rows(Listing::new(style, COLUMNS, &context.terminal))
        };
        Ok(Self {
            form,
            out: output::results(),
            has_printed: false,
            away: Vec::new(),
            terminal: context.terminal,
        })
    }

    fn print(&mut self, page: &ReadEventsResponse) -> Result<(), Failure> {
        for event in &page.events {
            self.has_printed = true;
            match &mut self.form {
                Form::Json(descriptor) => writeln!(self.out, "{}", json(descriptor, event)?)?,
                Form::Rows(listing) => listing.row(&mut self.out, row(event))?,
            }
        }
        if self.away != page.unavailable_services {
            self.away.clone_from(&page.unavailable_services);
            self.terminal.note(&match self.away.as_slice() {
                [] => "every service answers again".to_owned(),
                away => format!(
                    "no answer from {}: what happens there is told later",
                    away.join(" and ")
                ),
            });
        }
        // Whoever follows waits for each line.
        Ok(self.out.flush()?)
    }

    fn finish(mut self) -> Result<(), Failure> {
        match self.form {
            Form::Json(_) => Ok(self.out.flush()?),
            Form::Rows(listing) => listing.finish(&mut self.out),
        }
    }
}

fn row(event: &Event) -> Vec<Cell> {
    vec![
        event.recorded_at.clone().into(),
        event.service.clone().into(),
        word(event.what.as_ref()).into(),
        event.subject.clone().into(),
        event.position.clone().into(),
    ]
}

fn json(descriptor: &MessageDescriptor, event: &Event) -> Result<String, Failure> {
    let unreadable = || Failure::new(format!("The event {} cannot be printed.", event.id));
    let message =
        DynamicMessage::decode(descriptor.clone(), &event.encode_to_vec()[..]).map_err(|_| unreadable())?;
    serde_json::to_string(&message).map_err(|_| unreadable())
}

/// What happened, in a word.
fn word(what: Option<&What>) -> &'static str {
    match what {
        None => "UNKNOWN",
        Some(What::EntryRecorded(entry)) => match entry.kind() {
            nopic_proto::events::entry_recorded::Kind::Unspecified => "ENTRY_RECORDED",
            nopic_proto::events::entry_recorded::Kind::Filed => "ENTRY_FILED",
            nopic_proto::events::entry_recorded::Kind::Amended => "ENTRY_AMENDED",
            nopic_proto::events::entry_recorded::Kind::Cancelled => "ENTRY_CANCELLED",
            nopic_proto::events::entry_recorded::Kind::Imported => "ENTRY_IMPORTED",
        },
        Some(What::EmergencyActionNoticeRecorded(_)) => "EMERGENCY_ACTION_NOTICE",
        Some(What::FlagsChanged(_)) => "FLAGS_CHANGED",
        Some(What::CertificateStepTaken(_)) => "CERTIFICATE_STEP",
        Some(What::CertificateRunningOut(_)) => "CERTIFICATE_RUNNING_OUT",
        Some(What::RevisionPublished(_)) => "REVISION_PUBLISHED",
        Some(What::OperationStatusChanged(_)) => "OPERATION_STATUS_CHANGED",
        Some(What::SnapshotHeld(_)) => "SNAPSHOT_HELD",
    }
}
