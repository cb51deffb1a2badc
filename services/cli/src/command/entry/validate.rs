//! `nopic entry validate`: the main job.

use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use nopic_proto::certificate::ListCertificatesRequest;
use nopic_proto::entry_validation::document_options::Form;
use nopic_proto::entry_validation::{
    DocumentOptions, ExplainPolicyRequest, Freshness, ResumeAfter, ValidateDocumentRequest,
    validate_document_request,
};
use nopic_proto::registry::GetCurrentRevisionRequest;

use super::before::Before;
use super::resuming::{Begun, ResumableAnswers};
use super::validated::OfFile;
use super::validated::Validated;
use crate::command::several::{Several, named};
use crate::connection::{Services, need};
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::input::Input;
use crate::output::naming::name_of;
use crate::output::printer::{Printed, Printer};
use crate::output::progress::Progress;
use crate::output::rejects::RejectsFiles;
use crate::output::verdict_table::{Sentences, VerdictTable, declarations, outcomes, outcomes_in_line};
use crate::output::words::{count, counted};
use crate::output::{Style, Terminal};
use crate::upload::{Interruption, Requests, file_name, size_of, upload};

/// Validate files of entry lines: nothing is recorded
///
/// Reads an ABI transmission (80-character records), a CSV or a workbook with a header, or JSON lines; which one is
/// found out. A verdict comes for every line that was read, in their order. `nopic entry columns` lists the columns.
/// A file that cannot be read does not keep the others from being validated.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
        nopic entry validate entries.abi\n  \
        nopic entry validate entries.csv --output csv > verdicts.csv\n  \
        nopic entry validate june/*.xlsx\n  \
        produce-lines | nopic entry validate - --format jsonl --output jsonl | jq .verdict\n\n\
        Exit status: 0 every line was read and none is rejected or indeterminate; 1 some are, or were refused; 2 the \
        command could not do its work, or not that of every file.")]
pub(crate) struct Arguments {
    /// The files; `-`: standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Form of the file
    #[arg(long, value_enum, default_value_t, env = "NOPIC_FORMAT")]
    format: Format,
    /// How verdicts are printed
    #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
    output: Style,
    /// Where lines that could not be read are written [default: FILE.rejects.jsonl in the current folder, when there
    /// are any]
    #[arg(long, value_name = "FILE", env = "NOPIC_REJECTS_FILE")]
    rejects_file: Option<PathBuf>,
    /// Read every certificate anew instead of from a cache of at most 5 seconds
    #[arg(long, env = "NOPIC_LATEST", value_parser = clap::builder::FalseyValueParser::new())]
    latest: bool,
    /// Use this revision of the registry or a later one
    #[arg(long, value_name = "REVISION", env = "NOPIC_AT_LEAST_REVISION")]
    at_least_revision: Option<u32>,
}

/// A form of entry lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// Found out from the content
    #[default]
    Auto,
    /// ABI transmission of CATAIR records
    Abi,
    /// CSV with a header of field names
    Csv,
    /// One JSON object a line
    Jsonl,
    /// Workbook with a header of field names
    Xlsx,
}

impl Format {
    pub(super) fn form(self) -> Form {
        match self {
            Self::Auto => Form::Unspecified,
            Self::Abi => Form::Abi,
            Self::Csv => Form::Csv,
            Self::Jsonl => Form::Jsonl,
            Self::Xlsx => Form::Xlsx,
        }
    }
}

/// How a file is to be read.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) format: Format,
    pub(crate) freshness: Freshness,
    pub(crate) rejects: RejectsFiles,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Done, Failure> {
    Several::check(&arguments.files)?;
    let services = context.connect(need::ALL).await?;
    note_what_is_missing(context, &services).await;
    let printer = printer(context, &services, arguments.output).await?;
    let reading = Reading {
        format: arguments.format,
        freshness: Freshness {
            at_least_revision: arguments.at_least_revision,
            latest_certificates: arguments.latest,
        },
        rejects: RejectsFiles::new(arguments.rejects_file, &arguments.files),
    };
    let terminal = beside_verdicts(context);
    let one = async |file: &Path, printer| validate(&terminal, &services, file, &reading, printer).await;
    let (done, _) = each(context, &services, &arguments.files, printer, one).await?;
    Ok(done)
}

/// Judges file by file, prints the verdicts and says what came of each, and of all of them. How it ends, and how many
/// lines were judged.
pub(super) async fn each(
    context: &Context,
    services: &Services,
    files: &[PathBuf],
    mut printer: Printer,
    mut one: impl AsyncFnMut(&Path, Printer) -> Result<OfFile, Failure>,
) -> Result<(Done, u64), Failure> {
    let terminal = &context.terminal;
    if let [file] = files {
        let (validated, printer) = one(file, printer).await?;
        let validated = validated.map_err(|failure| named(failure, file))?;
        terminal.note(&summary("", &validated, &printer));
        validated.before.tell(terminal, services, file).await;
        return Ok((validated.done(), validated.tally.lines()));
    }
    let mut several = Several::default();
    let mut all = Validated::default();
    for file in files {
        printer.begin_file(&name_of(file))?;
        let validated;
        (validated, printer) = one(file, printer).await?;
        match validated {
            Ok(validated) => {
                several.done(validated.done());
                terminal.note(&format!("{}: {}", name_of(file), in_line(&validated)));
                validated.before.tell(terminal, services, file).await;
                all.add(validated);
            }
            Err(failure) => several.failed(&named(failure, file)),
        }
    }
    let of_all = format!("{}: ", several.words());
    terminal.note(&summary(&of_all, &all, &printer));
    Ok((several.end(), all.tally.lines()))
}

/// Says, before any verdict does line by line, that there is nothing that verdicts could rest on.
pub(super) async fn note_what_is_missing(context: &Context, services: &Services) {
    let place = if services.is_remote() {
        "the server"
    } else if context.options.database.is_some() {
        "this database"
    } else {
        "this folder"
    };
    // Who is not told has other troubles, which the verdicts will name.
    let current = services
        .registry()
        .get_current_revision(GetCurrentRevisionRequest {})
        .await;
    if current.is_ok_and(|answer| answer.into_inner().revision.unwrap_or_default().revision == 0) {
        context.terminal.note(&format!(
            "{place} holds no registry snapshot: nobody's certification is known, so no line can be accepted; import \
             one first (`nopic registry import FILE`, or `nopic registry sync`)"
        ));
    }
    let one = ListCertificatesRequest {
        page_size: 1,
        ..ListCertificatesRequest::default()
    };
    let listed = services.certificates().list_certificates(one).await;
    if listed.is_ok_and(|answer| answer.into_inner().states.is_empty()) {
        context.terminal.note(&format!(
            "{place} holds no certificates: none that a line names is known, which says nothing about the goods; import \
             them first (`nopic certificate import FILE`)"
        ));
    }
}

/// Prints verdicts to the standard output, in this form.
pub(super) async fn printer(
    context: &Context,
    services: &Services,
    output: Style,
) -> Result<Printer, Failure> {
    let form = match output {
        Style::Jsonl => Printed::Jsonl,
        Style::Csv => Printed::Csv,
        Style::Table => Printed::Table(VerdictTable::new(
            &context.terminal,
            sentences(context, services).await?,
        )),
    };
    Ok(Printer::new(form, io::stdout()))
}

/// Verdicts on the same terminal show the progress themselves, and a bar would run through them.
pub(super) fn beside_verdicts(context: &Context) -> Terminal {
    if context.terminal.columns.is_some() {
        context.terminal.without_progress()
    } else {
        context.terminal
    }
}

/// What the policy in use says about each code.
pub(crate) async fn sentences(context: &Context, services: &Services) -> Result<Sentences, Failure> {
    let request = ExplainPolicyRequest {
        on: context.clock.today().to_string(),
    };
    let answer = services.entry_validation().explain_policy(request).await;
    services.answer(answer).map(Sentences::new)
}

/// Sends a file and prints its verdicts as they come: reading, decoding and printing each go on for themselves.
///
/// Fails where nothing can be printed any more.
pub(crate) async fn validate(
    terminal: &Terminal,
    services: &Services,
    file: &Path,
    reading: &Reading,
    printer: Printer,
) -> Result<OfFile, Failure> {
    // A server in this process does not stop before the command does.
    let again = !services.is_in_this_process();
    let opened =
        size_of(file).and_then(|size| Ok((size, reading.rejects.log(file)?, Input::new(file, again)?)));
    let (size, rejects, input) = match opened {
        Ok(opened) => opened,
        Err(failure) => return Ok((Err(failure), printer)),
    };
    let progress = Progress::of_bytes(terminal, size, "validating");
    let begin = async |place: Option<ResumeAfter>| -> Result<Begun<_>, Failure> {
        let (requests, mut interruption) = requests_of(&input, file, reading, place, &progress);
        let mut client = services.entry_validation();
        let answers = interruption.or(client.validate_document(requests)).await?;
        Ok((answers, interruption))
    };
    let resumable = ResumableAnswers {
        terminal,
        services,
        rejects,
        progress: progress.clone(),
        before: Before::default(),
        refuses_entries: false,
    };
    resumable.print(begin, printer).await
}

fn requests_of(
    input: &Input,
    file: &Path,
    reading: &Reading,
    place: Option<ResumeAfter>,
    progress: &Progress,
) -> (Requests<ValidateDocumentRequest>, Interruption) {
    let (input, sent) = (input.clone(), progress.clone());
    let options = DocumentOptions {
        form: reading.format.form().into(),
        file_name: file_name(file),
        freshness: Some(reading.freshness),
        resume_after: place,
        finding_detail: 0,
    };
    upload(move |emit| {
        use validate_document_request::Part;
        let mut part = |part| emit(ValidateDocumentRequest { part: Some(part) });
        if part(Part::Options(options)).is_continue() {
            let _ended_early = input.chunks(&sent, &mut |chunk| part(Part::Chunk(chunk)))?;
        }
        Ok(())
    })
}

/// The end of a run in words, behind what stands before them.
pub(crate) fn summary(of_what: &str, validated: &Validated, printer: &Printer) -> String {
    let mut text = format!("\n{of_what}{}", beginning(validated));
    let outcomes = match &printer.form {
        Printed::Table(table) => table.summary(&validated.tally),
        Printed::Jsonl | Printed::Csv => outcomes(&validated.tally),
    };
    if outcomes.is_empty() {
        text.push('.');
    } else {
        text.push_str(":\n");
        text.push_str(&outcomes);
    }
    text.trim_end().to_owned()
}

/// The end of one of several files in one line.
fn in_line(validated: &Validated) -> String {
    let outcomes = outcomes_in_line(&validated.tally);
    let separator = if outcomes.is_empty() { "" } else { ": " };
    format!("{}{separator}{outcomes}.", beginning(validated))
}

fn beginning(validated: &Validated) -> String {
    let lines = validated.tally.lines();
    let mut text = counted(lines, "line was judged", "lines were judged");
    if lines > 0 {
        text.push_str(&format!(" ({})", declarations(&validated.tally)));
    }
    if validated.refused > 0 {
        text.push_str(&format!(", {} could not be taken", count(validated.refused)));
    }
    let now = validated.cancelled_now;
    if now > 0 {
        text.push_str(&format!(
            ", {} taken back",
            counted(now, "entry was", "entries were")
        ));
    }
    let before = validated.cancelled.saturating_sub(now);
    if before > 0 {
        text.push_str(&format!(
            ", {} taken back before",
            counted(before, "entry had been", "entries had been")
        ));
    }
    let deleted = u64::from(validated.summary.deleted_entries);
    if deleted > 0 {
        text.push_str(&format!(
            ", {} to be deleted had nothing to judge",
            counted(deleted, "entry", "entries")
        ));
    }
    if validated.is_empty() {
        text.push_str(", for nothing was found to judge");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::resuming::start;
    use nopic_proto::entry_validation::DocumentSummary;

    use super::*;
    use crate::output::verdict_record::tests::rejected;

    #[tokio::test]
    async fn printing_keeps_the_order_and_counts() {
        let (sender, printing) = start(Printer::new(Printed::Jsonl, io::sink()));
        for _ in 0..10 {
            sender.send(vec![rejected(), rejected()]).await.unwrap();
        }
        drop(sender);
        let (printer, tally) = printing.await.unwrap().unwrap();
        assert_eq!(tally.lines(), 20);
        let validated = Validated {
            tally,
            refused: 2,
            cancelled: 0,
            cancelled_now: 0,
            before: Before::default(),
            summary: DocumentSummary {
                deleted_entries: 1,
                ..DocumentSummary::default()
            },
        };
        let text = summary("", &validated, &printer);
        assert!(
            text.starts_with(
                "\n20 lines were judged (20 organic, 0 disclaimed, 0 not declared), 2 could not be taken, 1 entry to be \
                 deleted had nothing to judge:\n"
            ),
            "{text}"
        );
        assert!(text.contains("20 REJECT"), "{text}");
        assert!(in_line(&validated).ends_with("nothing to judge: 20 REJECT."));
        let nothing = summary("", &Validated::default(), &printer);
        assert_eq!(nothing, "\n0 lines were judged, for nothing was found to judge.");
    }
}
