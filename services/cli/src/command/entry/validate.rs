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

use super::resuming::{Begun, ResumableAnswers};
use super::validated::Validated;
use crate::connection::{Services, need};
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::input::Input;
use crate::output::printer::{Printed, Printer};
use crate::output::progress::Progress;
use crate::output::rejects::RejectsLog;
use crate::output::verdict_table::{Sentences, VerdictTable, outcomes};
use crate::output::words::{count, counted};
use crate::output::{Style, Terminal};
use crate::upload::{Interruption, Requests, file_name, size_of, upload};

/// Validate a file of entry lines: nothing is recorded
///
/// Reads an ABI transmission (80-character records), a CSV with a header, or JSON lines; which one is found out. A
/// verdict comes for every line that was read, in their order.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
        nopic entry validate entries.abi\n  \
        nopic entry validate entries.csv --output csv > verdicts.csv\n  \
        produce-lines | nopic entry validate - --format jsonl --output jsonl | jq .verdict\n\n\
        Exit status: 0 every line was read and none is rejected or indeterminate; 1 some are, or were refused; 2 the \
        command could not do its work.")]
pub(crate) struct Arguments {
    /// The file; `-`: standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
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
    pub(crate) rejects_file: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Done, Failure> {
    size_of(&arguments.file)?;
    let services = context.connect(need::ALL).await?;
    note_what_is_missing(context, &services).await;
    let printer = printer(context, &services, arguments.output).await?;
    let reading = Reading {
        format: arguments.format,
        freshness: Freshness {
            at_least_revision: arguments.at_least_revision,
            latest_certificates: arguments.latest,
        },
        rejects_file: arguments.rejects_file,
    };
    let terminal = beside_verdicts(context);
    let (validated, printer) = validate(&terminal, &services, &arguments.file, reading, printer).await?;
    context.terminal.note(&summary(&validated, &printer));
    Ok(validated.done())
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
pub(crate) async fn validate(
    terminal: &Terminal,
    services: &Services,
    file: &Path,
    reading: Reading,
    printer: Printer,
) -> Result<(Validated, Printer), Failure> {
    let size = size_of(file)?;
    let rejects = RejectsLog::new(reading.rejects_file.as_deref(), file)?;
    let progress = Progress::of_bytes(terminal, size, "validating");
    // A server in this process does not stop before the command does.
    let input = Input::new(file, !services.is_in_this_process())?;
    let begin = async |place: Option<ResumeAfter>| -> Result<Begun<_>, Failure> {
        let (requests, mut interruption) = requests_of(&input, file, &reading, place, &progress);
        let mut client = services.entry_validation();
        let answers = interruption.or(client.validate_document(requests)).await?;
        Ok((answers, interruption))
    };
    let resumable = ResumableAnswers {
        terminal,
        services,
        rejects,
        progress: progress.clone(),
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

/// The end of a run in words.
pub(crate) fn summary(validated: &Validated, printer: &Printer) -> String {
    let mut text = format!(
        "\n{}",
        counted(validated.tally.lines(), "line was judged", "lines were judged")
    );
    if validated.refused > 0 {
        text.push_str(&format!(", {} could not be read", count(validated.refused)));
    }
    let cancelled = validated.cancelled;
    if cancelled > 0 {
        text.push_str(&format!(
            ", {} taken back",
            counted(cancelled, "entry was", "entries were")
        ));
    }
    let deleted = u64::from(validated.summary.deleted_entries).saturating_sub(cancelled);
    if deleted > 0 {
        text.push_str(&format!(
            ", {} to be deleted had nothing to judge",
            counted(deleted, "entry", "entries")
        ));
    }
    text.push_str(":\n");
    text.push_str(&match &printer.form {
        Printed::Table(table) => table.summary(&validated.tally),
        Printed::Jsonl | Printed::Csv => outcomes(&validated.tally),
    });
    text.trim_end().to_owned()
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
            summary: DocumentSummary {
                deleted_entries: 1,
                ..DocumentSummary::default()
            },
        };
        let text = summary(&validated, &printer);
        assert!(
            text.starts_with(
                "\n20 lines were judged, 2 could not be read, 1 entry to be deleted had nothing to judge:\n"
            ),
            "{text}"
        );
        assert!(text.contains("20 REJECT"), "{text}");
    }
}
