//! `nopic flags`: which tariff codes AMS flags, from when to when.

use std::io::Write as _;
use std::path::PathBuf;

use chrono::{Days, NaiveDate};
use nopic_proto::entry_validation::{
    GetFlagRequest, ImportFlagsEnd, ImportFlagsOptions, ImportFlagsRequest, ListFlagChangesRequest,
    import_flags_request,
};

use crate::connection::{Services, need};
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::options::date;
use crate::output::listing::{Column, Listing, column};
use crate::output::progress::Progress;
use crate::output::rejects::RejectsLog;
use crate::output::words::{count, counted};
use crate::output::{self, Style};
use crate::upload::{file_name, size_of, upload_file};

const INTERVAL_COLUMNS: &[Column] = &[column("FLAG", "flag"), column("FROM", "from"), column("TO", "to")];
const CHANGE_COLUMNS: &[Column] = &[
    column("ON", "on"),
    column("HTS", "htsCode"),
    column("BEFORE", "before"),
    column("AFTER", "after"),
];

/// Which tariff codes are flagged for organics, from when to when
///
/// AM8: certified-organic tariff lines, which need the organic message set. AM7: lines that may be organic.
#[derive(Debug, clap::Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "Example:\n  nopic flags show 0901.11.0015 --on 2026-02-13"
)]
pub(crate) enum Command {
    Import(ImportArguments),
    Show(ShowArguments),
    Upcoming(UpcomingArguments),
}

/// Import CBP's tariff report, or a CSV with hts,flag,from,to: whole or not at all
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  nopic flags import hts_pga_report.csv\n  nopic flags import flags.csv --replace"
)]
pub(crate) struct ImportArguments {
    /// The report or the CSV; `-`: standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The file becomes the whole table, shipped flags included
    #[arg(long)]
    replace: bool,
    /// Where rows that forbid the import are written [default: FILE.rejects.jsonl, when there are any]
    #[arg(long, value_name = "FILE", env = "NOPIC_REJECTS_FILE")]
    rejects_file: Option<PathBuf>,
}

/// Show the flag of a tariff code on a date, and all that is known of it
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  nopic flags show 0901110015 --on 2026-02-13")]
pub(crate) struct ShowArguments {
    /// Tariff code of 6, 8 or 10 digits; dots allowed
    #[arg(value_name = "CODE")]
    code: String,
    /// The date [default: today]
    #[arg(long, value_name = "DATE", value_parser = date)]
    on: Option<NaiveDate>,
    /// How the intervals are printed
    #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
    output: Style,
}

/// List the flags that change in the days to come
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  nopic flags upcoming --days 60")]
pub(crate) struct UpcomingArguments {
    /// So many days, the first one included
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=36_500))]
    days: u64,
    /// First day [default: today]
    #[arg(long, value_name = "DATE", value_parser = date)]
    from: Option<NaiveDate>,
    /// How they are printed
    #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
    output: Style,
}

pub(crate) async fn run(context: &Context, command: Command) -> Result<Done, Failure> {
    if let Command::Import(arguments) = &command {
        size_of(&arguments.file)?;
    }
    let services = context.connect(need::ALL).await?;
    match command {
        Command::Import(arguments) => import(context, &services, &arguments).await,
        Command::Show(arguments) => show(context, &services, arguments).await,
        Command::Upcoming(arguments) => upcoming(context, &services, &arguments).await,
    }
}

async fn import(
    context: &Context,
    services: &Services,
    arguments: &ImportArguments,
) -> Result<Done, Failure> {
    let size = size_of(&arguments.file)?;
    let mut rejects = RejectsLog::new(arguments.rejects_file.as_deref(), &arguments.file)?;
    let progress = Progress::of_bytes(&context.terminal, size, "importing");
    let part = |part| ImportFlagsRequest { part: Some(part) };
    let options = ImportFlagsOptions {
        file_name: file_name(&arguments.file),
        replace: arguments.replace,
    };
    let (requests, mut interruption) = upload_file(
        &arguments.file,
        &progress,
        part(import_flags_request::Part::Options(options)),
        move |chunk| part(import_flags_request::Part::Chunk(chunk)),
        part(import_flags_request::Part::End(ImportFlagsEnd {})),
    );
    let mut client = services.entry_validation();
    let answer = services.answer(interruption.or(client.import_flags(requests)).await?);
    progress.finish();
    let answer = answer?;
    for reject in &answer.rejects {
        rejects.add(reject, &progress)?;
    }
    rejects.finish(&context.terminal)?;
    if rejects.count() > 0 {
        return Err(Failure::new(format!(
            "Nothing was imported: {} of {} cannot be read, and half a table would be worse than the old one.",
            counted(rejects.count(), "row", "rows"),
            arguments.file.display()
        ))
        .advice("Mend these rows and import the file again."));
    }
    let mut out = output::results();
    writeln!(
        out,
        "{}: {}, {} codes AM8, {} codes AM7. {} Version of the table: {}.",
        if answer.form == "REPORT" {
            "CBP's tariff report"
        } else {
            "CSV"
        },
        counted(answer.rows, "row", "rows"),
        count(answer.am8_codes),
        count(answer.am7_codes),
        if answer.changed {
            format!("{} changed.", counted(answer.changed_codes, "code", "codes"))
        } else {
            "Nothing changed.".to_owned()
        },
        answer.flags_version
    )?;
    out.flush()?;
    Ok(Done::Well)
}

async fn show(context: &Context, services: &Services, arguments: ShowArguments) -> Result<Done, Failure> {
    let on = arguments.on.unwrap_or_else(|| context.clock.today()).to_string();
    let request = GetFlagRequest {
        hts_code: arguments.code.clone(),
        on: on.clone(),
    };
    let answer = services.answer(services.entry_validation().get_flag(request).await)?;
    let mut out = output::results();
    let mut listing = Listing::new(arguments.output, INTERVAL_COLUMNS, &context.terminal);
    if arguments.output == Style::Table {
        let meaning = match answer.flag.as_str() {
            "AM8" => "AM8: a certified-organic tariff line; it needs the organic message set",
            "AM7" => "AM7: it may be organic; then it needs the organic message set",
            "" => "not flagged",
            other => other,
        };
        writeln!(out, "{} on {on}: {meaning}", arguments.code)?;
        let digits = arguments.code.bytes().filter(u8::is_ascii_digit).count();
        if digits < 10 {
            writeln!(
                out,
                "{} of 10 digits below it {} at some time",
                counted(answer.codes_below, "code", "codes"),
                if answer.codes_below == 1 {
                    "has a flag"
                } else {
                    "have flags"
                }
            )?;
        }
        if !answer.intervals.is_empty() {
            writeln!(out)?;
        }
    }
    for interval in answer.intervals {
        listing.row(
            &mut out,
            vec![interval.flag.into(), interval.from.into(), interval.to.into()],
        )?;
    }
    listing.finish(&mut out)?;
    Ok(Done::Well)
}

async fn upcoming(
    context: &Context,
    services: &Services,
    arguments: &UpcomingArguments,
) -> Result<Done, Failure> {
    let from = arguments.from.unwrap_or_else(|| context.clock.today());
    let to = from
        .checked_add_days(Days::new(arguments.days - 1))
        .ok_or_else(|| Failure::new("The last day is beyond the calendar: give fewer --days."))?;
    let request = ListFlagChangesRequest {
        from: from.to_string(),
        to: to.to_string(),
    };
    let answer = services.answer(services.entry_validation().list_flag_changes(request).await)?;
    let mut out = output::results();
    let mut listing = Listing::new(arguments.output, CHANGE_COLUMNS, &context.terminal);
    for change in answer.changes {
        listing.row(
            &mut out,
            vec![
                change.on.into(),
                change.hts_code.into(),
                change.before.into(),
                change.after.into(),
            ],
        )?;
    }
    if listing.count() == 0 {
        context
            .terminal
            .note(&format!("no flag changes from {from} to {to}"));
    }
    listing.finish(&mut out)?;
    Ok(Done::Well)
}
