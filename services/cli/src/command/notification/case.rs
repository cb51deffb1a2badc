//! `nopic case`: cases of enforcement against importers, and their letters.

use std::io::Write as _;
use std::path::PathBuf;

use nopic_proto::notification::{
    Case, CaseEntry, GetCaseRequest, GetCaseStatisticsRequest, GetLetterRequest, ListCasesRequest,
    SendLetterRequest,
};

use super::{NEED, PAGE};
use crate::command::access::Naming;
use crate::connection::Services;
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output::listing::{Cell, Column, Listing, Page, column, printable};
use crate::output::words::counted;
use crate::output::{self, Style};

const CASES: &[Column] = &[
    column("IMPORTER", "importerNopId"),
    column("OPENED", "openedOn"),
    column("STATE", "state"),
    column("ENDED", "endedOn"),
    column("LAST FINDING", "lastFindingOn"),
    column("LINES", "lines"),
    column("STEP", "step"),
    column("STANDS", "stepState"),
    column("ON", "stepOn"),
];
const ROUNDS: &[Column] = &[
    column("STEP", "step"),
    column("SENT", "sent"),
    column("EXPECTED", "expected"),
    column("DUE", "due"),
    column("OVERTAKEN", "overtaken"),
];

/// Cases of enforcement against importers, and their letters
///
/// A case follows from the lines on record: nobody opens one, and it closes by rule, when no finding has followed for long
/// enough and the importer is certified; so there is no command that closes one. Where the deployment is an authority
/// (`notification.authority`), its people send the letters, or the service itself where the policy says so; any other
/// shows the steps that AMS is expected to take, and what averts the next one.
#[derive(Debug, clap::Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "Example:\n  nopic case list --state OPEN"
)]
pub(crate) enum Command {
    /// List cases, by importer
    #[command(
        after_long_help = "Examples:\n  nopic case list --state OPEN\n  nopic case list --importer 8150000001 --output jsonl"
    )]
    List {
        /// Only those: OPEN or ENDED
        #[arg(long, value_name = "STATE", default_value = "", hide_default_value = true)]
        state: String,
        /// Only of this importer
        #[arg(long, value_name = "NOPID", default_value = "", hide_default_value = true)]
        importer: String,
        /// At most so many [default: all]
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
        /// How they are printed
        #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
        output: Style,
    },
    /// Show a case: its lines, its steps, and what would avert the next one
    #[command(
        after_long_help = "Examples:\n  nopic case show 8150000001\n  nopic case show 8150000001 --opened-on 2026-01-05"
    )]
    Show {
        /// The importer's NOP operation ID
        #[arg(value_name = "NOPID")]
        importer: String,
        /// The case that opened on this day [default: the last one]
        #[arg(long, value_name = "DATE", default_value = "", hide_default_value = true)]
        opened_on: String,
    },
    /// Show a letter: as it was sent, or as it would be sent today
    #[command(after_long_help = "Examples:\n  nopic case letter 8150000001\n  \
                           nopic case letter 8150000001 FIRST_WARNING_LETTER --html letter.html")]
    Letter {
        /// The importer's NOP operation ID
        #[arg(value_name = "NOPID")]
        importer: String,
        /// Of which step, such as FIRST_WARNING_LETTER [default: the one that is due, else the last that was sent]
        #[arg(value_name = "STEP", default_value = "", hide_default_value = true)]
        step: String,
        /// Of the case that opened on this day [default: the last one]
        #[arg(long, value_name = "DATE", default_value = "", hide_default_value = true)]
        opened_on: String,
        /// Write the page to print to this file, instead of showing the text: what has no room on it, the text has
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Send the letter that is due, dated today in New York: for authorities alone
    ///
    /// The letter is on record from then on, and days count from its date. Putting it into the post is yours.
    #[command(after_long_help = "Example:\n  nopic case send 8150000001 FIRST_WARNING_LETTER")]
    Send {
        /// The importer's NOP operation ID
        #[arg(value_name = "NOPID")]
        importer: String,
        /// The step that is due, such as FIRST_WARNING_LETTER
        #[arg(value_name = "STEP")]
        step: String,
        #[command(flatten)]
        naming: Naming,
    },
    /// Count letters by round, and open and cured cases
    #[command(after_long_help = "Example:\n  nopic case statistics --output csv")]
    Statistics {
        /// How the rounds are printed
        #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
        output: Style,
    },
}

pub(crate) async fn run(context: &Context, command: Command) -> Result<Done, Failure> {
    let services = context.connect(NEED).await?;
    match command {
        Command::List {
            state,
            importer,
            limit,
            output,
        } => {
            let request = ListCasesRequest {
                state,
                importer_nop_id: importer,
                page_size: PAGE,
                page_token: String::new(),
            };
            list(context, &services, request, limit, output).await
        }
        Command::Show { importer, opened_on } => {
            let request = GetCaseRequest {
                importer_nop_id: importer,
                opened_on,
            };
            show(&services, request).await
        }
        Command::Letter {
            importer,
            step,
            opened_on,
            html,
        } => {
            let request = GetLetterRequest {
                importer_nop_id: importer,
                step,
                opened_on,
            };
            letter(context, &services, request, html).await
        }
        Command::Send {
            importer,
            step,
            naming,
        } => {
            let request = SendLetterRequest {
                request_id: naming.id()?,
                importer_nop_id: importer,
                step,
            };
            let answer = services.answer(services.cases().send_letter(request).await)?;
            let letter = answer.letter.unwrap_or_default();
            writeln!(
                output::results(),
                "{} to importer {} is on record, dated {}. To print it: nopic case letter {} {} --html FILE",
                letter.step,
                letter.importer_nop_id,
                letter.date,
                letter.importer_nop_id,
                letter.step
            )?;
            Ok(Done::Well)
        }
        Command::Statistics { output } => statistics(context, &services, output).await,
    }
}

async fn list(
    context: &Context,
    services: &Services,
    request: ListCasesRequest,
    limit: Option<u32>,
    style: Style,
) -> Result<Done, Failure> {
    let mut out = output::results();
    let mut listing = Listing::new(style, CASES, &context.terminal);
    let ask = async |page_token| {
        let request = ListCasesRequest {
            page_token,
            ..request.clone()
        };
        let page = services.answer(services.cases().list_cases(request).await)?;
        Ok(Page::new(page.cases, page.complete, page.next_page_token))
    };
    listing.pages(&mut out, limit, ask, case_row).await?;
    if listing.count() == 0 {
        context.terminal.note("no cases");
    }
    listing.finish(&mut out)?;
    Ok(Done::Well)
}

/// A case with the last of its steps.
fn case_row(case: Case) -> Vec<Cell> {
    let last = case.steps.last().cloned().unwrap_or_default();
    vec![
        case.importer_nop_id.into(),
        case.opened_on.into(),
        case.state.into(),
        case.ended_on.into(),
        case.last_finding_on.into(),
        case.lines.into(),
        last.step.into(),
        last.state.into(),
        last.on.into(),
    ]
}

async fn show(services: &Services, request: GetCaseRequest) -> Result<Done, Failure> {
    let answer = services.answer(services.cases().get_case(request).await)?;
    let case = answer.case.unwrap_or_default();
    let mut out = output::results();
    write!(
        out,
        "Case against importer {}, opened on {}: {}",
        case.importer_nop_id, case.opened_on, case.state
    )?;
    if case.ended_on.is_empty() {
        writeln!(out)?;
    } else {
        writeln!(out, " on {}", case.ended_on)?;
    }
    writeln!(
        out,
        "{}, the last recorded on {}",
        counted(u64::from(case.lines), "line counts", "lines count"),
        case.last_finding_on
    )?;
    writeln!(out)?;
    if case.steps.is_empty() {
        writeln!(out, "No step was taken.")?;
    }
    for step in &case.steps {
        writeln!(out, "{}  {:<9}  {}", step.on, step.state, step.step)?;
    }
    for entry in &answer.entries {
        write_entry(&mut out, entry)?;
    }
    if !answer.outlook.is_empty() {
        writeln!(out)?;
    }
    for sentence in &answer.outlook {
        writeln!(out, "{sentence}")?;
    }
    out.flush()?;
    Ok(Done::Well)
}

fn write_entry(out: &mut impl std::io::Write, entry: &CaseEntry) -> Result<(), Failure> {
    writeln!(out, "\nEntry {}", entry.entry_number)?;
    for line in &entry.lines {
        write!(out, "  Line {}", line.line)?;
        if line.pga_line != 0 {
            write!(out, ", PGA line {}", line.pga_line)?;
        }
        let how = if line.origin == "IMPORTED" {
            "brought in as recorded"
        } else {
            "recorded"
        };
        writeln!(out, ", {how} on {}", line.recorded_on)?;
        for finding in &line.findings {
            writeln!(
                out,
                "    {} {}: {}",
                finding.severity,
                finding.code,
                printable(&finding.sentence)
            )?;
        }
    }
    Ok(())
}

async fn letter(
    context: &Context,
    services: &Services,
    request: GetLetterRequest,
    html: Option<PathBuf>,
) -> Result<Done, Failure> {
    let answer = services.answer(services.cases().get_letter(request).await)?;
    let letter = answer.letter.unwrap_or_default();
    let stands = if letter.is_sent {
        format!("Sent by {} at {}.", letter.sent_by, letter.sent_at)
    } else {
        "Not sent yet: this is how it would be, dated today.".to_owned()
    };
    context.terminal.note(&stands);
    if let Some(file) = html {
        std::fs::write(&file, letter.html)
            .map_err(|error| Failure::new(format!("{} cannot be written: {error}.", file.display())))?;
        return Ok(Done::Well);
    }
    let mut out = output::results();
    write!(out, "{}", letter.text)?;
    out.flush()?;
    Ok(Done::Well)
}

async fn statistics(context: &Context, services: &Services, style: Style) -> Result<Done, Failure> {
    let request = GetCaseStatisticsRequest {};
    let answer = services.answer(services.cases().get_case_statistics(request).await)?;
    let mut out = output::results();
    let mut listing = Listing::new(style, ROUNDS, &context.terminal);
    let number = |count: u64| Cell::Number(i64::try_from(count).unwrap_or(i64::MAX));
    for round in answer.rounds {
        let row = vec![
            round.step.into(),
            number(round.sent),
            number(round.expected),
            number(round.due),
            number(round.overtaken),
        ];
        listing.row(&mut out, row)?;
    }
    listing.finish(&mut out)?;
    // Beside the rounds, so that those stay a list that programs read.
    context.terminal.note(&format!(
        "cases: {} open, {} cured, {} withdrawn",
        answer.open, answer.cured, answer.withdrawn
    ));
    Ok(Done::Well)
}
