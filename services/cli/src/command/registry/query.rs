//! `nopic registry show`, `status` and `search`.

use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use nopic_proto::registry::status_answer::Knowledge;
use nopic_proto::registry::{
    BatchGetStatusRequest, GetOperationRequest, Operation, RevisionChoice, SearchHit,
    SearchOperationsRequest, StatusAnswer, StatusPeriod, StatusQuestion, revision_choice,
};

use crate::connection::Services;
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::options::date;
use crate::output::listing::{Cell, Column, Listing, Page, column, printable};
use crate::output::words::count;
use crate::output::{self, Style};

/// Questions in one call, as the contract allows.
const QUESTIONS: usize = 10_000;
/// Hits in one page, as the contract allows.
const PAGE: u32 = 1_000;

const STATUS_COLUMNS: &[Column] = &[
    column("NOP ID", "nopId"),
    column("ON", "on"),
    column("CERTIFIED", "certified"),
    column("STATUS", "status"),
    column("KNOWN", "knowledge"),
    column("SCOPES", "scopes"),
    column("HISTORY", "history"),
    column("ERROR", "error"),
];
const SEARCH_COLUMNS: &[Column] = &[
    column("NOP ID", "nopId"),
    column("NAME", "name"),
    column("STATUS", "status"),
    column("COUNTRY", "country"),
    column("CERTIFIER", "certifier"),
    column("MATCHED", "matchedName"),
    column("SCORE", "score"),
];

/// Show one operation: its row, its history, its items
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  nopic registry show 0150000001")]
pub(crate) struct ShowArguments {
    /// The operation's NOP ID of 10 digits
    #[arg(value_name = "NOPID")]
    nop_id: String,
    /// As of this revision
    #[arg(long, value_name = "REVISION")]
    revision: Option<u32>,
}

/// Tell the status of operations on dates
///
/// Exit status: 0 all were answered; 1 a question was not understood; 2 nothing could be asked.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
        nopic registry status 0150000001 0150000002@2024-09-19\n  \
        nopic registry status --file importers.txt --output csv")]
pub(crate) struct StatusArguments {
    /// NOP IDs, each with a date where it is not today's status that is asked for
    #[arg(value_name = "NOPID[@DATE]", required_unless_present = "file")]
    questions: Vec<String>,
    /// A file with one NOPID[@DATE] a line; `-`: standard input
    #[arg(long, value_name = "FILE", conflicts_with = "questions")]
    file: Option<PathBuf>,
    /// The date of those without one [default: today]
    #[arg(long, value_name = "DATE", value_parser = date)]
    on: Option<NaiveDate>,
    /// With every change of status that is known
    #[arg(long)]
    history: bool,
    /// As of this revision or a later one
    #[arg(long, value_name = "REVISION", env = "NOPIC_AT_LEAST_REVISION")]
    at_least_revision: Option<u32>,
    /// How they are printed
    #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
    output: Style,
}

/// Search operations by name
///
/// Survives typing errors, accents, trade names and word order.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
        nopic registry search 'sunrize organic farms' --country Mexico\n  \
        nopic registry search --certifier 015 --status Suspended --all")]
pub(crate) struct SearchArguments {
    /// Name or part of one; without it: all that the filters let pass
    #[arg(value_name = "QUERY", default_value = "")]
    query: Vec<String>,
    /// Country
    #[arg(long)]
    country: Option<String>,
    /// Certifier, by name or by its number of 3 digits
    #[arg(long)]
    certifier: Option<String>,
    /// Status, such as Certified or Surrendered
    #[arg(long)]
    status: Option<String>,
    /// Certified for this scope
    #[arg(long, value_parser = ["CROPS", "LIVESTOCK", "WILD_CROPS", "HANDLING"], ignore_case = true)]
    scope: Option<String>,
    /// A word of the certified products
    #[arg(long)]
    product: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// All of them
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// How they are printed
    #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
    output: Style,
}

pub(crate) async fn show(
    _context: &Context,
    services: &Services,
    arguments: ShowArguments,
) -> Result<Done, Failure> {
    let request = GetOperationRequest {
        nop_id: arguments.nop_id,
        revision: arguments.revision.map(|revision| RevisionChoice {
            choice: Some(revision_choice::Choice::Exact(revision)),
        }),
    };
    let answer = services.answer(services.registry().get_operation(request).await)?;
    let revision = answer.revision.unwrap_or_default();
    let mut out = output::results();
    write_operation(&mut out, &answer.operation.unwrap_or_default())?;
    writeln!(
        out,
        "\nas of revision {}, published {}",
        revision.revision, revision.published_on
    )?;
    out.flush()?;
    Ok(Done::Well)
}

fn write_operation(out: &mut dyn Write, operation: &Operation) -> Result<(), Failure> {
    writeln!(
        out,
        "{}  {}",
        printable(&operation.nop_id),
        printable(&operation.name)
    )?;
    for name in &operation.other_names {
        writeln!(out, "            also {}", printable(name))?;
    }
    writeln!(out, "status      {}", printable(&operation.status))?;
    writeln!(out, "certifier   {}", printable(&operation.certifier))?;
    writeln!(out, "country     {}", printable(&operation.country))?;
    if !operation.history.is_empty() {
        writeln!(out, "\nhistory")?;
        write_periods(out, &operation.history)?;
    }
    for scope in &operation.scopes {
        writeln!(out, "\nscope {}", scope.scope)?;
        write_periods(out, &scope.history)?;
    }
    if !operation.fields.is_empty() {
        writeln!(out, "\nfields")?;
        for field in operation.fields.iter().filter(|field| !field.value.is_empty()) {
            writeln!(
                out,
                "  {:<28} {}",
                printable(&field.name),
                printable(&field.value)
            )?;
        }
    }
    if !operation.items.is_empty() {
        writeln!(out, "\nitems")?;
        for item in &operation.items {
            let parts: Vec<String> = item
                .fields
                .iter()
                .filter(|field| !field.value.is_empty() && field.name != "ci_nopOpID")
                .map(|field| format!("{} {}", printable(&field.name), printable(&field.value)))
                .collect();
            writeln!(out, "  {}", parts.join(", "))?;
        }
    }
    Ok(())
}

fn write_periods(out: &mut dyn Write, periods: &[StatusPeriod]) -> Result<(), Failure> {
    for period in periods {
        writeln!(out, "  from {}  {}", period.from, printable(&period.status))?;
    }
    Ok(())
}

pub(crate) async fn status(
    context: &Context,
    services: &Services,
    arguments: StatusArguments,
) -> Result<Done, Failure> {
    let today = arguments.on.unwrap_or_else(|| context.clock.today()).to_string();
    let texts = match &arguments.file {
        Some(file) => lines_of(file)?,
        None => arguments.questions,
    };
    let questions: Vec<StatusQuestion> = texts.iter().map(|text| question(text, &today)).collect();
    let mut out = output::results();
    let mut listing = Listing::new(arguments.output, STATUS_COLUMNS, &context.terminal);
    let mut misunderstood = false;
    // The batches of one command are answered from one revision, or from a later one.
    let mut at_least = arguments.at_least_revision;
    for batch in questions.chunks(QUESTIONS) {
        let request = BatchGetStatusRequest {
            questions: batch.to_vec(),
            revision: at_least.map(|revision| RevisionChoice {
                choice: Some(revision_choice::Choice::AtLeast(revision)),
            }),
            with_history: arguments.history,
        };
        let answer = services.answer(services.registry().batch_get_status(request).await)?;
        at_least = answer.revision.map(|revision| revision.revision).or(at_least);
        for answer in answer.answers {
            misunderstood |= knowledge(&answer) == Knowledge::Invalid;
            listing.row(&mut out, status_cells(answer))?;
        }
    }
    if listing.count() == 0 {
        context
            .terminal
            .note("no question was asked: the file names no operation");
    }
    listing.finish(&mut out)?;
    Ok(if misunderstood {
        Done::WithFindings
    } else {
        Done::Well
    })
}

fn knowledge(answer: &StatusAnswer) -> Knowledge {
    Knowledge::try_from(answer.knowledge).unwrap_or_default()
}

/// Reads `NOPID`, `NOPID@DATE` or `NOPID,DATE`. What is wrong in it, the registry says.
fn question(text: &str, today: &str) -> StatusQuestion {
    let (nop_id, on) = text.split_once(['@', ',']).unwrap_or((text, today));
    let on = on.trim();
    StatusQuestion {
        nop_id: nop_id.trim().to_owned(),
        on: if on.is_empty() { today } else { on }.to_owned(),
    }
}

fn lines_of(file: &Path) -> Result<Vec<String>, Failure> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().read_to_string(&mut text).map(|_| ())
    } else {
        std::fs::read_to_string(file).map(|content| text = content)
    };
    read.map_err(|error| Failure::reading(file, &error))?;
    Ok(text
        .trim_start_matches('\u{feff}')
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(ToOwned::to_owned)
        .collect())
}

fn status_cells(answer: StatusAnswer) -> Vec<Cell> {
    let knowledge = knowledge(&answer);
    let periods = |history: &[StatusPeriod]| -> Vec<String> {
        history
            .iter()
            .map(|period| format!("{} {}", period.from, period.status))
            .collect()
    };
    let scopes = answer
        .scopes
        .iter()
        .map(|scope| {
            let last = scope.history.last();
            format!(
                "{} {}",
                scope.scope,
                last.map_or("unknown", |period| period.status.as_str())
            )
        })
        .collect::<Vec<_>>();
    vec![
        answer.nop_id.into(),
        answer.on.into(),
        // What is not known is neither a yes nor a no.
        if knowledge == Knowledge::Known || knowledge == Knowledge::NotListed {
            answer.certified.into()
        } else {
            "".into()
        },
        answer.status.into(),
        knowledge.as_str_name().into(),
        optional(scopes),
        optional(periods(&answer.history)),
        answer.error.into(),
    ]
}

fn optional(list: Vec<String>) -> Cell {
    if list.is_empty() { "".into() } else { list.into() }
}

pub(crate) async fn search(
    context: &Context,
    services: &Services,
    arguments: SearchArguments,
) -> Result<Done, Failure> {
    let mut out = output::results();
    let mut listing = Listing::new(arguments.output, SEARCH_COLUMNS, &context.terminal);
    let limit = (!arguments.all).then_some(arguments.limit);
    let mut request = SearchOperationsRequest {
        query: arguments.query.join(" "),
        country: arguments.country.unwrap_or_default(),
        certifier: arguments.certifier.unwrap_or_default(),
        status: arguments.status.unwrap_or_default(),
        scope: arguments.scope.unwrap_or_default().to_ascii_uppercase(),
        product: arguments.product.unwrap_or_default(),
        page_size: limit.unwrap_or(PAGE).min(PAGE),
        page_token: String::new(),
    };
    let ask = async |token| {
        request.page_token = token;
        let page = services.answer(services.registry().search_operations(request.clone()).await)?;
        Ok(Page::new(page.hits, page.complete, page.next_page_token))
    };
    let row = |hit: SearchHit| {
        vec![
            hit.nop_id.into(),
            hit.name.into(),
            hit.status.into(),
            hit.country.into(),
            hit.certifier.into(),
            hit.matched_name.into(),
            hit.score.into(),
        ]
    };
    if listing.pages(&mut out, limit, ask, row).await? {
        context.terminal.note(&format!(
            "the first {}; more follow: --limit N or --all shows them",
            count(listing.count())
        ));
    }
    if listing.count() == 0 {
        context.terminal.note("nothing was found");
    }
    listing.finish(&mut out)?;
    Ok(Done::Well)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_may_have_a_date() {
        let asked = |text| {
            let question = question(text, "2026-11-21");
            (question.nop_id, question.on)
        };
        assert_eq!(asked("0150000001"), ("0150000001".into(), "2026-11-21".into()));
        assert_eq!(
            asked("0150000001@2024-09-19"),
            ("0150000001".into(), "2024-09-19".into())
        );
        assert_eq!(
            asked("0150000001, 2024-09-19"),
            ("0150000001".into(), "2024-09-19".into())
        );
        assert_eq!(asked("0150000001,"), ("0150000001".into(), "2026-11-21".into()));
    }

    #[test]
    fn what_is_not_known_is_neither_yes_nor_no() {
        let cells = |knowledge: Knowledge| {
            status_cells(StatusAnswer {
                knowledge: knowledge.into(),
                ..StatusAnswer::default()
            })[2]
                .clone()
        };
        assert_eq!(cells(Knowledge::Known), Cell::Flag(false));
        assert_eq!(cells(Knowledge::NotListed), Cell::Flag(false));
        assert_eq!(cells(Knowledge::Unknown), Cell::from(""));
        assert_eq!(cells(Knowledge::Invalid), Cell::from(""));
    }

    #[test]
    fn a_file_of_questions_may_have_remarks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("importers.txt");
        std::fs::write(
            &path,
            "\u{feff}# ours\r\n0150000001\r\n\r\n 0150000002@2024-01-01 \n",
        )
        .unwrap();
        assert_eq!(lines_of(&path).unwrap(), ["0150000001", "0150000002@2024-01-01"]);
    }
}
