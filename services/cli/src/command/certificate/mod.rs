//! `nopic certificate`: NOP Import Certificates, their life, and what was drawn from them.

mod drawn;
mod form;
mod ledger;
mod lifecycle;
mod printing;
mod steps;

use std::io::Write;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use nopic_proto::certificate::{
    CertificateState, Draw, GetCertificateRequest, ImportCertificatesRequest, ImportCertificatesResponse,
    ImportEnd, ImportOptions, ImportResult, ListCertificatesRequest, import_certificates_request,
    import_certificates_response,
};

use crate::command::columns;
use crate::command::import_answers::{ImportReporter, Step};
use crate::command::several::{Several, named};
use crate::connection::{Services, need};
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::options::date;
use crate::output::listing::{Cell, Column, Listing, Page, column, printable};
use crate::output::naming::name_of;
use crate::output::progress::Progress;
use crate::output::rejects::RejectsFiles;
use crate::output::words::{count, counted};
use crate::output::{self, Style, Terminal};
use crate::upload::{file_name, size_of, upload_file};

/// Certificates asked for at once.
const PAGE: u32 = 1_000;

const COLUMNS: &[Column] = &[
    column("NUMBER", "number"),
    column("STATUS", "status"),
    column("VALID FROM", "validFrom"),
    column("VALID TO", "validTo"),
    column("EXPORTER", "exporterNopId"),
    column("IMPORTER", "importerNopId"),
    column("PRODUCT", "product"),
    column("HTS", "htsCode"),
    column("TOTAL KG", "totalWeightKg"),
    column("DRAWN KG", "drawnKg"),
    column("LEFT KG", "leftKg"),
    column("VERSION", "version"),
];
const DRAW_COLUMNS: &[Column] = &[
    column("ENTRY", "entryNumber"),
    column("LINE", "lineNumber"),
    column("PGA LINE", "pgaLineNumber"),
    column("KG", "weightKg"),
];

/// NOP Import Certificates, their life, and what was drawn from them
#[derive(Debug, clap::Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "Example:\n  nopic certificate import certificates.jsonl && nopic certificate list"
)]
pub(crate) enum Command {
    Import(ImportArguments),
    Columns(ColumnsArguments),
    Show(ShowArguments),
    Ledger(ledger::LedgerArguments),
    List(ListArguments),
    Request(lifecycle::RequestArguments),
    Requests(lifecycle::RequestsArguments),
    #[command(subcommand)]
    Review(lifecycle::Review),
    Void(lifecycle::VoidArguments),
    Amend(Box<lifecycle::AmendArguments>),
    History(lifecycle::HistoryArguments),
}

/// Import certificates from JSON lines, a CSV or a workbook
///
/// `nopic certificate columns` lists the columns.
///
/// A number that is known gets a new version; its draws of earlier imports are replaced. A certificate that was voided
/// or superseded here is not brought back: its line is refused. A refused line leaves its neighbours alone.
///
/// Exit status: 0 imported (what was refused is counted and written to the rejects file); 1 every line was refused (of
/// several files: of one of them); 2 it could not be done, or not with every file.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Example:\n  nopic certificate import certificates.jsonl --rejects-file refused.jsonl"
)]
pub(crate) struct ImportArguments {
    /// Files with one certificate a line; `-`: standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Where refused lines are written [default: FILE.rejects.jsonl in the current folder, when there are any]
    #[arg(long, value_name = "FILE", env = "NOPIC_REJECTS_FILE")]
    rejects_file: Option<PathBuf>,
}

/// List the columns of files of certificates, or write a file to fill in
///
/// The names are those of JSON lines, of the header of a CSV and of that of a workbook. Draws stand in JSON lines only.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  nopic certificate columns\n  \
        nopic certificate columns --template certificates.xlsx")]
pub(crate) struct ColumnsArguments {
    #[command(flatten)]
    options: columns::Options,
}

/// Show one certificate with its balance
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  nopic certificate show 015-0150000001-000001 --draws")]
pub(crate) struct ShowArguments {
    /// Number, as in 015-0150000001-000001
    #[arg(value_name = "NUMBER")]
    number: String,
    /// With what was drawn, by entry
    #[arg(long)]
    draws: bool,
    /// How the draws are printed
    #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
    output: Style,
}

/// List certificates in the order of their numbers
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
        nopic certificate list --importer 0150000002 --valid-on 2026-09-01\n  \
        nopic certificate list --status VOIDED --output csv")]
pub(crate) struct ListArguments {
    /// With this status
    #[arg(
        long,
        ignore_case = true,
        value_parser = ["DRAFT", "REQUESTED", "UNDER_REVIEW", "REJECTED", "ISSUED", "VOIDED", "SUPERSEDED"]
    )]
    status: Option<String>,
    /// Of this certifier (3 digits)
    #[arg(long, value_name = "ID")]
    certifier: Option<String>,
    /// Of this exporter
    #[arg(long, value_name = "NOPID")]
    exporter: Option<String>,
    /// For this importer
    #[arg(long, value_name = "NOPID")]
    importer: Option<String>,
    /// Valid on this date
    #[arg(long, value_name = "DATE", value_parser = date)]
    valid_on: Option<NaiveDate>,
    /// At most so many [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// How they are printed
    #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
    output: Style,
}

pub(crate) async fn run(context: &Context, command: Command) -> Result<Done, Failure> {
    match command {
        Command::Import(arguments) => import(context, arguments).await,
        Command::Columns(arguments) => columns::list(
            context,
            &arguments.options,
            &nopic_formats::columns::certificate_columns(),
        ),
        Command::Show(arguments) => {
            let services = context.connect(need::CERTIFICATES).await?;
            show(context, &services, arguments).await
        }
        Command::List(arguments) => {
            let services = context.connect(need::CERTIFICATES).await?;
            list(context, &services, arguments).await
        }
        Command::Ledger(arguments) => ledger::show(context, arguments).await,
        Command::Request(arguments) => steps::request(context, arguments).await,
        Command::Requests(arguments) => steps::list(context, arguments).await,
        Command::Review(command) => steps::review(context, command).await,
        Command::Void(arguments) => steps::void(context, arguments).await,
        Command::Amend(arguments) => steps::amend(context, *arguments).await,
        Command::History(arguments) => steps::history(context, arguments).await,
    }
}

async fn import(context: &Context, arguments: ImportArguments) -> Result<Done, Failure> {
    Several::check(&arguments.files)?;
    let services = context.connect(need::CERTIFICATES).await?;
    let rejects = RejectsFiles::new(arguments.rejects_file, &arguments.files);
    let one = async |file: &Path| send(&context.terminal, &services, file, &rejects).await;
    let mut out = output::results();
    if let [file] = arguments.files.as_slice() {
        let result = one(file).await.map_err(|failure| named(failure, file))?;
        out.write_all(text(&result).as_bytes())?;
        out.flush()?;
        return Ok(import_ended(&result));
    }
    let mut several = Several::default();
    let mut all = ImportResult::default();
    for file in &arguments.files {
        match one(file).await {
            Ok(result) => {
                several.done(import_ended(&result));
                write!(out, "{}: {}", name_of(file), text(&result))?;
                out.flush()?;
                add(&mut all, &result);
            }
            Err(failure) => several.failed(&named(failure, file)),
        }
    }
    write!(out, "{}: {}", several.words(), text(&all))?;
    out.flush()?;
    Ok(several.end())
}

fn import_ended(result: &ImportResult) -> Done {
    if result.certificates == 0 {
        Done::WithFindings
    } else {
        Done::Well
    }
}

fn add(all: &mut ImportResult, result: &ImportResult) {
    all.certificates += result.certificates;
    all.draws += result.draws;
    all.added += result.added;
    all.changed += result.changed;
    all.unchanged += result.unchanged;
    all.rejected += result.rejected;
    all.duplicates += result.duplicates;
}

/// Sends a file and waits for the result. Refusals are said on the way.
pub(crate) async fn send(
    terminal: &Terminal,
    services: &Services,
    file: &Path,
    rejects: &RejectsFiles,
) -> Result<ImportResult, Failure> {
    let size = size_of(file)?;
    let rejects = rejects.log(file)?;
    let progress = Progress::of_bytes(terminal, size, "importing");
    let part = |part| ImportCertificatesRequest { part: Some(part) };
    let options = ImportOptions {
        file_name: file_name(file),
    };
    let (requests, mut interruption) = upload_file(
        file,
        &progress,
        part(import_certificates_request::Part::Options(options)),
        move |chunk| part(import_certificates_request::Part::Chunk(chunk)),
        part(import_certificates_request::Part::End(ImportEnd {})),
    );
    let mut client = services.certificates();
    let answers = services.answer(interruption.or(client.import_certificates(requests)).await?)?;
    let reporter = ImportReporter {
        services,
        terminal,
        progress,
        rejects,
    };
    let result = reporter.until_result(answers, interruption, step).await?;
    result.ok_or_else(|| {
        Failure::new("The import ended without a result.").advice("It can be repeated safely.")
    })
}

fn step(answer: ImportCertificatesResponse) -> Option<Step<ImportResult>> {
    use import_certificates_response::Part;
    Some(match answer.part? {
        Part::Progress(reached) => {
            Step::Progress(counted(reached.certificates, "certificate", "certificates"))
        }
        Part::Reject(reject) => Step::Reject(reject),
        Part::Overdrawn(overdrawn) => Step::Warning(format!(
            "certificate {} (line {}): its draws come to {} kg more than its {} kg; it was taken, and whatever draws on it \
             is found to exceed it",
            overdrawn.number, overdrawn.record, overdrawn.excess_kg, overdrawn.total_kg
        )),
        Part::Duplicate(duplicate) => Step::Warning(format!(
            "certificate {} stands in lines {} and {}: line {} counts",
            duplicate.number, duplicate.lost_record, duplicate.won_record, duplicate.won_record
        )),
        Part::Result(finished) => Step::Result(finished),
    })
}

fn text(result: &ImportResult) -> String {
    format!(
        "{} read, with {}: {} added, {} changed, {} as before, {} refused, {} in several \
         lines.\n",
        counted(result.certificates, "certificate", "certificates"),
        counted(result.draws, "draw", "draws"),
        count(result.added),
        count(result.changed),
        count(result.unchanged),
        count(result.rejected),
        count(result.duplicates)
    )
}

async fn show(context: &Context, services: &Services, arguments: ShowArguments) -> Result<Done, Failure> {
    let request = GetCertificateRequest {
        number: arguments.number,
        with_draws: arguments.draws,
    };
    let answer = services.answer(services.certificates().get_certificate(request).await)?;
    let mut out = output::results();
    let state = answer.state.unwrap_or_default();
    if arguments.draws && arguments.output != Style::Table {
        return list_draws(context, arguments.output, answer.draws, answer.complete, &mut out);
    }
    write_state(&mut out, &state)?;
    if arguments.draws && !answer.draws.is_empty() {
        writeln!(out)?;
        return list_draws(context, arguments.output, answer.draws, answer.complete, &mut out);
    }
    out.flush()?;
    Ok(Done::Well)
}

fn list_draws(
    context: &Context,
    style: Style,
    draws: Vec<Draw>,
    complete: bool,
    out: &mut dyn Write,
) -> Result<Done, Failure> {
    let mut listing = Listing::new(style, DRAW_COLUMNS, &context.terminal);
    let row = |draw: Draw| {
        vec![
            draw.entry_number.into(),
            draw.line_number.into(),
            draw.pga_line_number.into(),
            draw.weight_kg.into(),
        ]
    };
    listing.rows(out, draws.into_iter().map(row))?;
    if !complete {
        context.terminal.note(&format!(
            "the first {} draws; there are more",
            count(listing.count())
        ));
    }
    listing.finish(out)?;
    Ok(Done::Well)
}

/// A weight for people.
fn kilograms(text: &str) -> String {
    if text.is_empty() {
        "-".to_owned()
    } else {
        format!("{text} kg")
    }
}

fn write_state(out: &mut dyn Write, state: &CertificateState) -> Result<(), Failure> {
    let certificate = state.certificate.clone().unwrap_or_default();
    let status = if certificate.superseded_by.is_empty() {
        certificate.status.clone()
    } else {
        format!("{} by {}", certificate.status, certificate.superseded_by)
    };
    let rows = [
        ("number", certificate.number),
        ("status", status),
        ("kind", certificate.kind),
        ("certifier", certificate.certifier_id),
        ("exporter", certificate.exporter_nop_id),
        ("importer", certificate.importer_nop_id),
        ("final handler", certificate.final_handler_nop_id),
        ("product", certificate.product),
        ("HTS", certificate.hts_code),
        ("issued on", certificate.issued_on),
        ("valid from", certificate.valid_from),
        ("valid to", certificate.valid_to),
        ("origin", certificate.countries_of_origin.join(", ")),
        ("lots", certificate.lots.join(", ")),
        ("total", kilograms(&certificate.total_weight_kg)),
        (
            "drawn",
            drawn::in_words(&state.drawn_kg, &state.own_drawn_kg, state.draw_count),
        ),
        ("left", kilograms(&state.left_kg)),
        ("version", state.version.to_string()),
    ];
    for (name, value) in rows.into_iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(out, "{name:<14} {}", printable(&value))?;
    }
    Ok(())
}

fn certificate_row(state: CertificateState) -> Vec<Cell> {
    let certificate = state.certificate.unwrap_or_default();
    vec![
        certificate.number.into(),
        certificate.status.into(),
        certificate.valid_from.into(),
        certificate.valid_to.into(),
        certificate.exporter_nop_id.into(),
        certificate.importer_nop_id.into(),
        certificate.product.into(),
        certificate.hts_code.into(),
        certificate.total_weight_kg.into(),
        state.drawn_kg.into(),
        state.left_kg.into(),
        state.version.into(),
    ]
}

async fn list(context: &Context, services: &Services, arguments: ListArguments) -> Result<Done, Failure> {
    let mut out = output::results();
    let mut listing = Listing::new(arguments.output, COLUMNS, &context.terminal);
    let mut request = ListCertificatesRequest {
        status: arguments.status.unwrap_or_default().to_ascii_uppercase(),
        certifier_id: arguments.certifier.unwrap_or_default(),
        exporter_nop_id: arguments.exporter.unwrap_or_default(),
        importer_nop_id: arguments.importer.unwrap_or_default(),
        valid_on: arguments
            .valid_on
            .map(|date| date.to_string())
            .unwrap_or_default(),
        page_size: arguments.limit.unwrap_or(PAGE).min(PAGE),
        page_token: String::new(),
    };
    let ask = async |token| {
        request.page_token = token;
        let page = services.answer(services.certificates().list_certificates(request.clone()).await)?;
        Ok(Page::new(page.states, page.complete, page.next_page_token))
    };
    if listing
        .pages(&mut out, arguments.limit, ask, certificate_row)
        .await?
    {
        context
            .terminal
            .note(&format!("the first {}; more follow", count(listing.count())));
    }
    if listing.count() == 0 {
        context.terminal.note("no certificate matches");
    }
    listing.finish(&mut out)?;
    Ok(Done::Well)
}

#[cfg(test)]
mod tests {
    use nopic_proto::certificate::Certificate;

    use super::*;

    #[test]
    fn a_result_is_told_in_words() {
        let result = ImportResult {
            certificates: 1_200,
            added: 1_000,
            changed: 1,
            unchanged: 199,
            rejected: 0,
            draws: 1,
            duplicates: 2,
        };
        assert_eq!(
            text(&result),
            "1,200 certificates read, with 1 draw: 1,000 added, 1 changed, 199 as before, 0 refused, 2 in several \
             lines.\n"
        );
    }

    #[test]
    fn a_certificate_is_shown_with_its_balance() {
        let mut out = Vec::new();
        let state = CertificateState {
            certificate: Some(Certificate {
                number: "015-0150000001-000001".into(),
                status: "SUPERSEDED".into(),
                superseded_by: "015-0150000001-000002".into(),
                total_weight_kg: "1000".into(),
                ..Certificate::default()
            }),
            version: 2,
            drawn_kg: "1200".into(),
            left_kg: "-200".into(),
            draw_count: 1,
            own_drawn_kg: "1200".into(),
        };
        write_state(&mut out, &state).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("status         SUPERSEDED by 015-0150000001-000002\n"),
            "{text}"
        );
        assert!(text.contains("drawn          1200 kg in 1 draw\n"), "{text}");
        assert!(text.contains("left           -200 kg\n"), "{text}");
        assert!(!text.contains("lots"), "{text}");
    }
}
