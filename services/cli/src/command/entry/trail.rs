//! The trail of an entry: record what is known, look at all of it.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use clap::ValueEnum;
use nopic_domain::identifier::CertifierId;
use nopic_domain::trail::gaps::Level;
use nopic_domain::trail::{Step, Trail, says_organic};
use nopic_proto::entry_validation::trail_item::Content;
use nopic_proto::entry_validation::{
    GetTrailRequest, OrganicCheck, RecordTrailRequest, TrailDocument, TrailItem, TrailStatement,
    TrailWithdrawal,
};
use sha2::{Digest as _, Sha256};

use super::record::request_id;
use crate::connection::need;
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output;
use crate::output::trail::{Report, html, text};

/// How a trail is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Form {
    /// For people at a terminal.
    #[default]
    Text,
    /// One JSON object.
    Json,
    /// One page that needs nothing beside it, to be read and printed.
    Html,
}

/// Show the trail of an entry: where the goods came from, who held and owned them, by which documents, what is missing
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  nopic entry trail B76-0324527-8\n  \
        nopic entry trail B76-0324527-8 --output html > trail.html\n  \
        nopic entry trail B76-0324527-8 --as-of 2026-03-01T12:00:00Z --output json\n\n\
        Exit status: 0 nothing is missing and nothing contradicts; 1 something does.")]
pub(crate) struct TrailArguments {
    /// The entry
    #[arg(value_name = "ENTRY")]
    entry_number: String,
    /// As it stood at this moment, RFC 3339
    #[arg(long, value_name = "MOMENT", default_value = "", hide_default_value = true)]
    as_of: String,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    output: Form,
}

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DocumentKind {
    PurchaseOrder,
    BillOfLading,
    Invoice,
    PackingList,
    Other,
}

impl DocumentKind {
    const fn on_the_wire(self) -> nopic_domain::trail::DocumentKind {
        use nopic_domain::trail::DocumentKind as Kind;
        match self {
            Self::PurchaseOrder => Kind::PurchaseOrder,
            Self::BillOfLading => Kind::BillOfLading,
            Self::Invoice => Kind::Invoice,
            Self::PackingList => Kind::PackingList,
            Self::Other => Kind::Other,
        }
    }
}

/// A question that has an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Answer {
    Yes,
    No,
}

/// Record a document of an entry: its reference, its SHA-256, and whether it says "organic"
///
/// The document itself is not kept. Where the file is a text it is searched for the word; of any other file a person
/// says whether the word is there.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  nopic entry document B76-0324527-8 invoice.txt --kind invoice --reference 4711\n  \
        nopic entry document B76-0324527-8 bill.pdf --kind bill-of-lading --reference MAEU1 --says-organic"
)]
pub(crate) struct DocumentArguments {
    #[command(flatten)]
    entry: EntryArguments,
    /// The document
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What it is
    #[arg(long, value_enum)]
    kind: DocumentKind,
    /// Its number, as those who wrote it call it
    #[arg(long, value_name = "TEXT")]
    reference: String,
    /// The day that it bears
    #[arg(long, value_name = "DATE")]
    dated: Option<NaiveDate>,
    /// A person read it, and it says "organic"; `=no`: it does not
    #[arg(
        long,
        value_enum,
        value_name = "ANSWER",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "yes"
    )]
    says_organic: Option<Answer>,
    /// Who read it [default: you]
    #[arg(long, value_name = "NAME")]
    checked_by: Option<String>,
}

/// Record who held, moved and owned the goods of an entry, step by step
///
/// The file has one JSON object a line: role (PRODUCER, HANDLER, EXPORTER, CARRIER, WAREHOUSE, IMPORTER or OTHER),
/// party {name, nopId}, place, from and to (a day or a moment), owner {name, nopId}, lines and lots (absent: all).
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  nopic entry custody B76-0324527-8 steps.jsonl\n  \
        echo '{\"role\":\"CARRIER\",\"party\":{\"name\":\"Naviera\"},\"place\":\"Veracruz to Houston\",\
        \"from\":\"2026-03-01\",\"to\":\"2026-03-09\",\"owner\":{\"name\":\"Finca\",\"nopId\":\"0120000001\"}}' \
        | nopic entry custody B76-0324527-8 -"
)]
pub(crate) struct CustodyArguments {
    #[command(flatten)]
    entry: EntryArguments,
    /// The file; `-`: standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// What is stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StatementKind {
    /// The importer verified what happened to the goods since export.
    Verification,
    /// An Emergency Action Notice was issued for them.
    EmergencyActionNotice,
    /// A certifier was told of the notice.
    CertifierTold,
}

/// Record what the importer verified, an Emergency Action Notice, or that a certifier was told of it
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  nopic entry statement B76-0324527-8 --kind verification --prohibited-substance no \
        --ionizing-radiation no --basis \"control system, chapter 4\"\n  \
        nopic entry statement B76-0324527-8 --kind emergency-action-notice --reference 523-0017 --line 2\n  \
        nopic entry statement B76-0324527-8 --kind certifier-told --certifier 012 --basis \"letter of 2 March\""
)]
pub(crate) struct StatementArguments {
    #[command(flatten)]
    entry: EntryArguments,
    /// What is stated
    #[arg(long, value_enum)]
    kind: StatementKind,
    /// Whether the goods met a prohibited substance since export
    #[arg(
        long,
        value_enum,
        value_name = "ANSWER",
        required_if_eq("kind", "verification")
    )]
    prohibited_substance: Option<Answer>,
    /// Whether they were treated with ionizing radiation since export
    #[arg(
        long,
        value_enum,
        value_name = "ANSWER",
        required_if_eq("kind", "verification")
    )]
    ionizing_radiation: Option<Answer>,
    /// Number of the notice
    #[arg(long, value_name = "TEXT", required_if_eq("kind", "emergency-action-notice"))]
    reference: Option<String>,
    /// The certifier that was told
    #[arg(long, value_name = "CERTIFIER", required_if_eq("kind", "certifier-told"))]
    certifier: Option<CertifierId>,
    /// Who states it [default: you]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// The day of it [default: today]
    #[arg(long, value_name = "DATE")]
    on: Option<NaiveDate>,
    /// How it is known: the control system, the inspection, the letter
    #[arg(long, value_name = "TEXT")]
    basis: Option<String>,
    /// Only of this line of the entry; may be given several times
    #[arg(long = "line", value_name = "LINE")]
    lines: Vec<u32>,
}

/// Withdraw a record of an entry's trail: it stays to be seen and does not count any more
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Example:\n  nopic entry withdraw B76-0324527-8 17 --reason \"invoice of another entry\""
)]
pub(crate) struct WithdrawArguments {
    #[command(flatten)]
    entry: EntryArguments,
    /// The record, as `trail` names it
    #[arg(value_name = "RECORD")]
    record_id: u64,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(Debug, clap::Args)]
struct EntryArguments {
    /// The entry
    #[arg(value_name = "ENTRY")]
    entry_number: String,
    /// Record it once more, even if this very thing was recorded before
    #[arg(long)]
    anew: bool,
}

pub(super) async fn trail(context: &Context, arguments: TrailArguments) -> Result<Done, Failure> {
    let services = context.connect(need::ALL).await?;
    let request = GetTrailRequest {
        entry_number: arguments.entry_number,
        as_of: arguments.as_of,
    };
    let mut answer = services.answer(services.trails().get_trail(request).await)?;
    let unknown = |error: nopic_proto::convert::ConversionError| {
        Failure::new(format!("The trail cannot be read: {error}."))
            .advice("The server is of another version: use the same.")
    };
    let gaps = std::mem::take(&mut answer.gaps)
        .into_iter()
        .map(|gap| gap.try_into().map_err(unknown))
        .collect::<Result<_, _>>()?;
    let report = Report {
        trail: Trail::try_from(answer).map_err(unknown)?,
        gaps,
    };
    let mut out = output::results();
    match arguments.output {
        Form::Text => text::write(&mut out, &report)?,
        Form::Json => {
            serde_json::to_writer_pretty(&mut out, &report).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
        Form::Html => out.write_all(html::page(&report).as_bytes())?,
    }
    out.flush()?;
    Ok(if report.gaps.iter().any(|gap| gap.level != Level::Advice) {
        Done::WithFindings
    } else {
        Done::Well
    })
}

pub(super) async fn document(context: &Context, arguments: DocumentArguments) -> Result<Done, Failure> {
    let content =
        std::fs::read(&arguments.file).map_err(|error| Failure::reading(&arguments.file, &error))?;
    let stated = arguments.says_organic.map(|answer| answer == Answer::Yes);
    let found = readable(&content).map(says_organic);
    if let (Some(stated), Some(found)) = (stated, found)
        && stated != found
    {
        context.terminal.note(if found {
            "The text does say \"organic\": that is recorded."
        } else {
            "The text does not say \"organic\": that is recorded, not what was stated."
        });
    }
    let check = |says_organic, how: &str| OrganicCheck {
        says_organic,
        how: how.to_owned(),
        checked_by: arguments.checked_by.clone().unwrap_or_default(),
        checked_at: String::new(),
    };
    let organic = match (found, stated) {
        (Some(found), _) => Some(check(found, "TEXT")),
        (None, Some(stated)) => Some(check(stated, "PERSON")),
        (None, None) => {
            context.terminal.note(
                "The file is no text, so nobody knows whether it says \"organic\": read it and say so with \
                 --says-organic.",
            );
            None
        }
    };
    let document = TrailDocument {
        kind: arguments.kind.on_the_wire().as_str().to_owned(),
        reference: arguments.reference,
        dated: arguments.dated.map(|date| date.to_string()).unwrap_or_default(),
        sha256: Sha256::digest(&content).to_vec().into(),
        organic,
    };
    record(context, arguments.entry, vec![Content::Document(document)]).await
}

/// The text of a file that is one.
fn readable(content: &[u8]) -> Option<&str> {
    // The text of a PDF is packed, even where its bytes could be read.
    if content.starts_with(b"%PDF") || content.contains(&0) {
        return None;
    }
    std::str::from_utf8(content).ok()
}

pub(super) async fn custody(context: &Context, arguments: CustodyArguments) -> Result<Done, Failure> {
    let mut content = Vec::new();
    if arguments.file == Path::new("-") {
        std::io::stdin()
            .lock()
            .read_to_end(&mut content)
            .map_err(|error| Failure::new(format!("The standard input cannot be read: {error}.")))?;
    } else {
        content =
            std::fs::read(&arguments.file).map_err(|error| Failure::reading(&arguments.file, &error))?;
    }
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&content);
    let mut items = Vec::new();
    for (number, line) in (1..).zip(content.split(|byte| *byte == b'\n')) {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let step: Step = serde_json::from_slice(line).map_err(|error| wrong(&arguments, number, &error))?;
        step.check()
            .map_err(|problem| wrong(&arguments, number, &problem))?;
        items.push(Content::Step((&step).into()));
    }
    if items.is_empty() {
        return Err(Failure::new("There are no steps to record.")
            .advice("Give one JSON object a line; `nopic entry custody --help` shows one."));
    }
    record(context, arguments.entry, items).await
}

fn wrong(arguments: &CustodyArguments, number: u32, problem: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("{}: line {number}: {problem}.", arguments.file.display()))
        .advice("Mend the file: its steps are recorded all or none.")
}

pub(super) async fn statement(context: &Context, arguments: StatementArguments) -> Result<Done, Failure> {
    let statement = TrailStatement {
        kind: match arguments.kind {
            StatementKind::Verification => "VERIFICATION",
            StatementKind::EmergencyActionNotice => "EMERGENCY_ACTION_NOTICE",
            StatementKind::CertifierTold => "CERTIFIER_TOLD",
        }
        .to_owned(),
        prohibited_substance: arguments.prohibited_substance == Some(Answer::Yes),
        ionizing_radiation: arguments.ionizing_radiation == Some(Answer::Yes),
        reference: arguments.reference.unwrap_or_default(),
        certifier_id: arguments.certifier.map(|id| id.to_string()).unwrap_or_default(),
        stated_by: arguments.by.unwrap_or_default(),
        stated_on: arguments.on.map(|date| date.to_string()).unwrap_or_default(),
        basis: arguments.basis.unwrap_or_default(),
        lines: arguments.lines,
    };
    record(context, arguments.entry, vec![Content::Statement(statement)]).await
}

pub(super) async fn withdraw(context: &Context, arguments: WithdrawArguments) -> Result<Done, Failure> {
    let withdrawal = TrailWithdrawal {
        record_id: arguments.record_id,
        reason: arguments.reason,
    };
    record(context, arguments.entry, vec![Content::Withdrawal(withdrawal)]).await
}

async fn record(context: &Context, entry: EntryArguments, items: Vec<Content>) -> Result<Done, Failure> {
    let services = context.connect(need::ALL).await?;
    let items: Vec<TrailItem> = items
        .into_iter()
        .map(|content| TrailItem {
            content: Some(content),
        })
        .collect();
    let anew = if entry.anew {
        context.clock.now().timestamp_micros().to_string()
    } else {
        String::new()
    };
    // The same thing names the same request.
    let contents = format!("{items:?}");
    let request = RecordTrailRequest {
        request_id: request_id(&["trail", &entry.entry_number, &contents, &anew]),
        entry_number: entry.entry_number,
        items,
    };
    let answer = services.answer(services.trails().record_trail(request).await)?;
    let mut out = output::results();
    for record_id in answer.record_ids {
        writeln!(out, "record {record_id}")?;
    }
    out.flush()?;
    Ok(Done::Well)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_texts_are_searched_for_the_word() {
        assert_eq!(readable("organic café".as_bytes()), Some("organic café"));
        assert_eq!(readable(b"%PDF-1.7 organic"), None);
        assert_eq!(readable(b"PK\x03\x04\0\0organic"), None);
        assert_eq!(readable(b"organic \xff"), None);
    }
}
