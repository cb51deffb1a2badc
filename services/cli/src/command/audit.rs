//! `nopic audit`: whether what the services noted is as it was written.

use std::io::Write;
use std::path::Path;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use nopic_host::PARTS;
use nopic_host::audit::{MAX_HEADS, head_from_wire, head_to_wire};
use nopic_proto::audit::{
    AuditFinding, ListHeadsRequest, UnseenLog, VerifiedLog, VerifyLogsRequest, audit_finding,
};
use nopic_sql::audit::Head;

use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output::listing::{Cell, Column, Listing, column, printable};
use crate::output::words::counted;
use crate::output::{self, Style};

const FINDINGS: &[Column] = &[
    column("SERVICE", "service"),
    column("FOUND", "kind"),
    column("RECORD", "record"),
    column("SEAL", "seal"),
    column("SEALED AT", "sealed_at"),
    column("ROWS", "rows"),
    column("ROWS BEFORE", "rows_before"),
    column("SAYS", "sentence"),
];
/// The kind of the line that says that a log was not looked at, and why.
const NOT_SEEN: &str = "NOT_SEEN";
/// The kind of the line that says how much of a log was compared; the other lines are findings.
const COMPARED: &str = "COMPARED";
const HEADS: &[Column] = &[
    column("SERVICE", "service"),
    column("SEAL", "seal"),
    column("RECORDS", "records"),
    column("SEALED AT", "sealed_at"),
    column("HASH", "hash"),
];

/// Whether the records of who changed what are as they were written
#[derive(Debug, clap::Subcommand)]
#[command(
    arg_required_else_help = true,
    after_long_help = "Example:\n  nopic audit heads --output jsonl > heads.jsonl\n  (keep heads.jsonl where nobody of \
                       this machine can change it)\n  nopic audit verify --anchor heads.jsonl"
)]
pub(crate) enum Command {
    /// Find records that were changed, removed, reordered, inserted or cut off
    ///
    /// Every record of a change is sealed within a second into a chain of hashes, and the head of the chain is written,
    /// signed, to DATA/heads. This walks the whole chain and compares it with all heads there, and with heads that were
    /// kept elsewhere.
    #[command(
        after_long_help = "Examples:\n  nopic audit verify\n  nopic audit verify --service certificate --anchor \
                           heads.jsonl\n\nExit status: 0 all is as it was written; 1 it is not; 2 the logs, or \
                           some of those behind a gateway, could not be read."
    )]
    Verify {
        /// A head that was kept elsewhere, or a file of them, as `nopic audit heads --output jsonl` prints it
        #[arg(long = "anchor", value_name = "HEAD|FILE")]
        anchors: Vec<String>,
        /// Only the log of this service
        #[arg(long, value_parser = services())]
        service: Option<String>,
        /// How findings are printed; JSON lines and CSV have, before those of each log, a line of the kind COMPARED
        #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
        output: Style,
    },
    /// Print the heads that were exported last, to be kept elsewhere
    #[command(
        after_long_help = "Examples:\n  nopic audit heads\n  nopic audit heads --last 100 --output jsonl > heads.jsonl"
    )]
    Heads {
        /// Only of this service
        #[arg(long, value_parser = services())]
        service: Option<String>,
        /// So many of each service
        #[arg(long, value_name = "COUNT", default_value_t = 1,
              value_parser = clap::value_parser!(u32).range(1..=10_000))]
        last: u32,
        /// How heads are printed: whole, as an anchor, only as JSON lines
        #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
        output: Style,
    },
}

/// The services with tables, in whose logs changes are noted, by the names of their schemas.
fn services() -> impl TypedValueParser<Value = String> {
    let names = PARTS.iter().filter_map(|part| {
        let schema = part.schema?;
        Some(PossibleValue::new(schema.name).alias(part.name).help(part.about))
    });
    PossibleValuesParser::new(names).map(|name| name.replace('-', "_"))
}

pub(crate) async fn run(context: &Context, command: Command) -> Result<Done, Failure> {
    match command {
        Command::Verify {
            anchors,
            service,
            output,
        } => verify(context, &anchors, service, output).await,
        Command::Heads {
            service,
            last,
            output,
        } => heads(context, service, last, output).await,
    }
}

async fn verify(
    context: &Context,
    anchors: &[String],
    service: Option<String>,
    style: Style,
) -> Result<Done, Failure> {
    let mut given = Vec::new();
    for anchor in anchors {
        given.extend(read_anchor(anchor)?);
    }
    // A head covers all before it, so the last ones say the most.
    let dropped = given.len().saturating_sub(MAX_HEADS);
    if dropped > 0 {
        context.terminal.note(&format!(
            "the last {MAX_HEADS} of {} anchors are compared",
            given.len()
        ));
    }
    let request = VerifyLogsRequest {
        services: service.into_iter().collect(),
        anchors: given.into_iter().skip(dropped).map(head_to_wire).collect(),
    };
    let services = context.connect_to_verify().await?;
    let answer = services.answer(services.audit().verify_logs(request).await)?;
    let mut out = output::results();
    let is_well = answer.logs.iter().all(|log| log.findings.is_empty());
    if style == Style::Table {
        for log in &answer.logs {
            write_log(&mut out, log)?;
        }
        for log in &answer.unseen {
            writeln!(out, "{}: NOT SEEN: {}", log.service, printable(&log.because))?;
        }
        if !is_well {
            write_advice(&mut out)?;
        }
        out.flush()?;
    } else {
        let mut listing = Listing::new(style, FINDINGS, &context.terminal);
        for log in &answer.logs {
            listing.row(&mut out, compared(log))?;
            for finding in &log.findings {
                listing.row(&mut out, row(&log.service, finding))?;
            }
        }
        for log in &answer.unseen {
            listing.row(&mut out, not_seen(log))?;
        }
        listing.finish(&mut out)?;
    }
    if !answer.unseen.is_empty() {
        return Err(unseen(&answer.unseen));
    }
    Ok(if is_well { Done::Well } else { Done::WithFindings })
}

/// A head as JSON, or a file with one a line.
fn read_anchor(anchor: &str) -> Result<Vec<Head>, Failure> {
    if anchor.trim_start().starts_with('{') {
        let head = Head::parse(anchor).map_err(|error| Failure::new(format!("--anchor: {error}.")))?;
        return Ok(vec![head]);
    }
    let path = Path::new(anchor);
    let text = std::fs::read_to_string(path).map_err(|error| Failure::reading(path, &error))?;
    let mut heads = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        heads.push(
            Head::parse(line).map_err(|error| Failure::new(format!("{anchor}, line {number}: {error}.")))?,
        );
    }
    if heads.is_empty() {
        return Err(Failure::new(format!("{anchor} holds no head to compare with."))
            .advice("Give a file that `nopic audit heads --output jsonl` wrote."));
    }
    Ok(heads)
}

fn row(service: &str, finding: &AuditFinding) -> Vec<Cell> {
    let kind = audit_finding::Kind::try_from(finding.kind).unwrap_or_default();
    let number = |number: Option<i64>| number.map_or_else(|| Cell::from(""), Cell::Number);
    vec![
        service.into(),
        kind.as_str_name().into(),
        number(finding.record),
        number(finding.seal),
        finding.sealed_at.as_str().into(),
        "".into(),
        "".into(),
        finding.sentence.as_str().into(),
    ]
}

/// That a log was not looked at, in the columns of a finding.
fn not_seen(log: &UnseenLog) -> Vec<Cell> {
    let mut cells = vec![log.service.as_str().into(), NOT_SEEN.into()];
    cells.extend((2..FINDINGS.len() - 1).map(|_| Cell::from("")));
    cells.push(log.because.as_str().into());
    cells
}

/// Nothing can be said of all logs where some were not seen.
fn unseen(logs: &[UnseenLog]) -> Failure {
    let names: Vec<&str> = logs.iter().map(|log| log.service.as_str()).collect();
    let because: Vec<String> = logs
        .iter()
        .map(|log| format!("{}: {}", log.service, printable(&log.because)))
        .collect();
    Failure::new(format!(
        "The gateway could not ask for the log of {} ({}).",
        names.join(" and "),
        because.join("; ")
    ))
    .advice(
        "See that the service runs, and that its [callers] let the gateway call nopic.audit.v1.AuditService/*; or ask the \
         service itself, by --endpoint.",
    )
}

/// How much of a log was compared, in the columns of a finding.
fn compared(log: &VerifiedLog) -> Vec<Cell> {
    // No log has more.
    let number = |number: u64| Cell::Number(i64::try_from(number).unwrap_or(i64::MAX));
    vec![
        log.service.as_str().into(),
        COMPARED.into(),
        "".into(),
        "".into(),
        "".into(),
        number(log.rows),
        number(log.rows_before),
        seen(log).into(),
    ]
}

fn seen(log: &VerifiedLog) -> String {
    format!(
        "{} in {}, {} and {} compared",
        counted(log.records, "record", "records"),
        counted(log.seals, "seal", "seals"),
        counted(log.heads, "head", "heads"),
        counted(log.rows, "row", "rows")
    )
}

fn write_log(out: &mut dyn Write, log: &VerifiedLog) -> Result<(), Failure> {
    let seen = seen(log);
    if log.findings.is_empty() {
        writeln!(out, "{}: all is as it was written: {seen}", log.service)?;
    } else {
        writeln!(out, "{}: NOT AS IT WAS WRITTEN: {seen}", log.service)?;
        for finding in &log.findings {
            writeln!(out, "  - {}", printable(&finding.sentence))?;
        }
        if log.more_findings > 0 {
            writeln!(out, "  - and {} more", log.more_findings)?;
        }
    }
    if log.heads == 0 && log.seals > 0 {
        writeln!(
            out,
            "  (there is no head to compare with: what was cut off at the end is not seen; look for heads/ in the data \
             folder of the server, or name heads that were kept by --anchor)"
        )?;
    }
    if log.rows_before > 0 {
        writeln!(
            out,
            "  ({} from before the log spoke of rows: compared with what they were when it began to)",
            counted(log.rows_before, "row is", "rows are")
        )?;
    }
    if log.unsealed > 0 {
        let waiting = counted(log.unsealed, "record waits", "records wait");
        writeln!(out, "  ({waiting} for a seal; that takes a second)")?;
    }
    if log.unused_numbers > 0 {
        writeln!(
            out,
            "  ({} without a record: of changes that were undone, or removed before they were sealed)",
            counted(log.unused_numbers, "number", "numbers")
        )?;
    }
    Ok(())
}

fn write_advice(out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(
        out,
        "\nWhat was found was done after the moment that stands with it, by someone with access to the database or to\n\
         the files. Keep the database and the folder of heads as they are, and tell compliance: records are kept for\n\
         five years (7 CFR 205.103). A backup that was made before that moment has the records as they were;\n\
         `nopic audit verify` says of a backup, too, whether it is whole."
    )?;
    Ok(())
}

async fn heads(context: &Context, service: Option<String>, last: u32, style: Style) -> Result<Done, Failure> {
    let services = context.connect_to_verify().await?;
    let request = ListHeadsRequest {
        services: service.into_iter().collect(),
        last,
    };
    let answer = services.answer(services.audit().list_heads(request).await)?;
    let mut out = output::results();
    if !answer.unseen.is_empty() {
        return Err(unseen(&answer.unseen));
    }
    let mut listing = Listing::new(style, HEADS, &context.terminal);
    let count = answer.heads.len();
    for head in answer.heads {
        let head =
            head_from_wire(head).map_err(|why| Failure::new(format!("A head cannot be read: {why}.")))?;
        if style == Style::Jsonl {
            writeln!(out, "{}", head.to_json())?;
            continue;
        }
        listing.row(
            &mut out,
            vec![
                head.service.as_str().into(),
                Cell::Number(head.seal),
                Cell::Number(head.records),
                head.sealed_at
                    .to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
                    .into(),
                head.hash_text().into(),
            ],
        )?;
    }
    listing.finish(&mut out)?;
    if count == 0 {
        context
            .terminal
            .note("no head was exported yet: nothing was changed");
    }
    Ok(Done::Well)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_and_those_from_before_told_apart() {
        let log = VerifiedLog {
            service: "certificate".to_owned(),
            rows: 1_234,
            rows_before: 1,
            ..VerifiedLog::default()
        };
        let mut out = Vec::new();
        write_log(&mut out, &log).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("0 heads and 1,234 rows compared\n"), "{out}");
        assert!(
            out.contains("(1 row is from before the log spoke of rows"),
            "{out}"
        );
        assert_eq!(compared(&log)[5..7], [Cell::Number(1_234), Cell::Number(1)]);
    }

    #[test]
    fn that_there_is_no_head_to_compare_with_is_said_where_there_should_be_one() {
        let said = |seals, heads| {
            let log = VerifiedLog {
                seals,
                heads,
                ..VerifiedLog::default()
            };
            let mut out = Vec::new();
            write_log(&mut out, &log).unwrap();
            String::from_utf8(out)
                .unwrap()
                .contains("no head to compare with")
        };
        assert!(said(3, 0));
        assert!(!said(3, 2));
        // Nothing was noted yet.
        assert!(!said(0, 0));
    }
}
