//! Entries on record: look at them, amend them, take them back.

use std::io::Write as _;
use std::path::PathBuf;

use nopic_domain::identifier::CertificateNumber;
use nopic_formats::entries::{EntryEvent, Form, read_entries};
use nopic_proto::entry_validation::{
    AmendEntryRequest, CancelEntryRequest, Decision, ExplainDecisionRequest, GetEntryRequest,
    ListDecisionsRequest, Verdict,
};
use sha2::{Digest as _, Sha256};

use super::validate::printer;
use super::validated::Validated;
use crate::connection::need;
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output::listing::{Cell, Column, Listing, column};
use crate::output::verdict_record::{code, outcome};
use crate::output::{self, Style};

/// Decisions asked for at once.
const PAGE: u32 = 1_000;

const DECISIONS: &[Column] = &[
    column("DECISION", "decisionId"),
    column("ENTRY", "entryNumber"),
    column("VERSION", "entryVersion"),
    column("LINE", "lineNumber"),
    column("PGA", "pgaLineNumber"),
    column("VERDICT", "verdict"),
    column("REASONS", "codes"),
    column("CERTIFICATE", "certificateNumber"),
    column("DRAWN KG", "drawnKg"),
    column("RECORDED AT", "recordedAt"),
    column("ENDED AT", "endedAt"),
];
const VERSIONS: &[Column] = &[
    column("ENTRY", "entryNumber"),
    column("VERSION", "version"),
    column("WHAT", "kind"),
    column("FILED ON", "filedOn"),
    column("RECORDED AT", "recordedAt"),
    column("BY", "actor"),
    column("WHY", "reason"),
];

/// Show an entry on record: its versions and the decisions on its lines
///
/// As JSON lines: a line for each version (with `kind`), then one for each decision (with `decisionId`). As CSV: the
/// decisions.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  nopic entry show B76-0324527-8\n  \
        nopic entry show B7603245278 --as-of 2026-03-01T12:00:00Z\n  \
        nopic entry show B7603245278 --output jsonl | jq 'select(.kind)'")]
pub(crate) struct ShowArguments {
    /// The entry
    #[arg(value_name = "ENTRY")]
    entry_number: String,
    /// As it stood at this moment, RFC 3339
    #[arg(long, value_name = "MOMENT", default_value = "", hide_default_value = true)]
    as_of: String,
    /// How it is printed
    #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
    output: Style,
}

/// List decisions on record, the newest first
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  nopic entry decisions --outcome REJECT --from 2026-03-01\n  \
        nopic entry decisions --certificate 012-0120000001-000001 --output csv"
)]
pub(crate) struct DecisionsArguments {
    /// Only of this entry
    #[arg(long, value_name = "ENTRY")]
    entry: Option<String>,
    /// Only of lines that name this certificate
    #[arg(long, value_name = "NUMBER")]
    certificate: Option<String>,
    /// Only of this importer
    #[arg(long, value_name = "NOPID")]
    importer: Option<String>,
    /// Only of this outcome: ACCEPT, WARN, REJECT or INDETERMINATE
    #[arg(long, value_name = "OUTCOME")]
    outcome: Option<String>,
    /// Only with a finding of this code
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// Filed on this day or later
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// Filed on this day or earlier
    #[arg(long, value_name = "DATE")]
    to: Option<String>,
    /// As it was known at this moment, RFC 3339
    #[arg(long, value_name = "MOMENT")]
    as_of: Option<String>,
    /// Also decisions that a later version ended
    #[arg(long)]
    ended: bool,
    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    limit: u32,
    /// How they are printed
    #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
    output: Style,
}

/// Prove a decision: what it rested on, and that it comes out the same
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  nopic entry explain 17\n\n\
        Exit status: 0 the same inputs give the verdict on record; 1 they do not.")]
pub(crate) struct ExplainArguments {
    /// Number of the decision
    #[arg(value_name = "DECISION")]
    decision_id: u64,
}

/// Put a new version of an entry on record in place of the current one; an entry that was taken back is on record
/// again by it
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Example:\n  nopic entry amend B76-0324527-8 corrected.csv --current 1 --reason \"weight \
        corrected\""
)]
pub(crate) struct AmendArguments {
    /// The entry
    #[arg(value_name = "ENTRY")]
    entry_number: String,
    /// File with all lines of the new version
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The version that it replaces, as `show` names it
    #[arg(long, value_name = "VERSION")]
    current: u32,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// How verdicts are printed
    #[arg(long, value_enum, default_value_t, env = "NOPIC_OUTPUT")]
    output: Style,
}

/// Take an entry back: what it drew is given back
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Example:\n  nopic entry cancel B76-0324527-8 --current 2 --reason \"never shipped\""
)]
pub(crate) struct CancelArguments {
    /// The entry
    #[arg(value_name = "ENTRY")]
    entry_number: String,
    /// The version that is current, as `show` names it
    #[arg(long, value_name = "VERSION")]
    current: u32,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

fn decision_row(decision: &Decision) -> Vec<Cell> {
    let verdict = decision.verdict.clone().unwrap_or_default();
    let line = decision.line.clone().unwrap_or_default();
    vec![
        Cell::Number(i64::try_from(decision.decision_id).unwrap_or(i64::MAX)),
        verdict.entry_number.as_str().into(),
        decision.entry_version.into(),
        verdict.line_number.into(),
        verdict.pga_line_number.into(),
        outcome(&verdict).as_str_name().into(),
        codes(&verdict).into(),
        line.certificate_number.into(),
        decision.drawn_kg.as_str().into(),
        decision.recorded_at.as_str().into(),
        decision.ended_at.as_str().into(),
    ]
}

fn codes(verdict: &Verdict) -> Vec<String> {
    let name = |finding| code(finding).as_str_name().to_owned();
    verdict.findings.iter().map(name).collect()
}

pub(super) async fn show(context: &Context, arguments: ShowArguments) -> Result<Done, Failure> {
    let services = context.connect(need::ALL).await?;
    let request = GetEntryRequest {
        entry_number: arguments.entry_number,
        as_of: arguments.as_of,
    };
    let entry = services.answer(services.records().get_entry(request).await)?;
    let mut out = output::results();
    // One table of CSV has one header.
    if arguments.output != Style::Csv {
        let (columns, of_entry) = match arguments.output {
            Style::Table => {
                writeln!(out, "Entry {}", entry.entry_number)?;
                (&VERSIONS[1..], None)
            }
            _ => (VERSIONS, Some(Cell::from(entry.entry_number.as_str()))),
        };
        let mut versions = Listing::new(arguments.output, columns, &context.terminal);
        for version in &entry.versions {
            let of_version: [Cell; 6] = [
                version.version.into(),
                version.kind.as_str().into(),
                version.filed_on.as_str().into(),
                version.recorded_at.as_str().into(),
                version.actor.as_str().into(),
                version.reason.as_str().into(),
            ];
            versions.row(&mut out, of_entry.iter().cloned().chain(of_version).collect())?;
        }
        versions.finish(&mut out)?;
        if arguments.output == Style::Table {
            writeln!(out)?;
        }
    }
    let mut decisions = Listing::new(arguments.output, DECISIONS, &context.terminal);
    for decision in &entry.decisions {
        decisions.row(&mut out, decision_row(decision))?;
    }
    decisions.finish(&mut out)?;
    out.flush()?;
    Ok(Done::Well)
}

pub(super) async fn decisions(context: &Context, arguments: DecisionsArguments) -> Result<Done, Failure> {
    let services = context.connect(need::ALL).await?;
    let mut client = services.records();
    let mut out = output::results();
    let mut listing = Listing::new(arguments.output, DECISIONS, &context.terminal);
    let mut request = ListDecisionsRequest {
        entry_number: arguments.entry.unwrap_or_default(),
        certificate_number: arguments.certificate.unwrap_or_default(),
        importer_nop_id: arguments.importer.unwrap_or_default(),
        outcome: arguments.outcome.unwrap_or_default(),
        code: arguments.code.unwrap_or_default(),
        from: arguments.from.unwrap_or_default(),
        to: arguments.to.unwrap_or_default(),
        as_of: arguments.as_of.unwrap_or_default(),
        with_ended: arguments.ended,
        page_size: 0,
        page_token: String::new(),
    };
    let mut left = arguments.limit;
    let mut complete = false;
    while left > 0 && !complete {
        request.page_size = left.min(PAGE);
        let page = services.answer(client.list_decisions(request.clone()).await)?;
        for decision in &page.decisions {
            listing.row(&mut out, decision_row(decision))?;
        }
        left = left.saturating_sub(u32::try_from(page.decisions.len()).unwrap_or(u32::MAX));
        complete = page.complete;
        request.page_token = page.next_page_token;
    }
    if listing.count() == 0 {
        context
            .terminal
            .note("no such decision is on record: `nopic entry file FILE` records some");
    }
    listing.finish(&mut out)?;
    out.flush()?;
    if !complete {
        context
            .terminal
            .note("there are more: name a filter, or raise --limit");
    }
    Ok(Done::Well)
}

pub(super) async fn explain(context: &Context, arguments: ExplainArguments) -> Result<Done, Failure> {
    let services = context.connect(need::ALL).await?;
    let request = ExplainDecisionRequest {
        decision_id: arguments.decision_id,
    };
    let answer = services.answer(services.records().explain_decision(request).await)?;
    let decision = answer.decision.unwrap_or_default();
    let verdict = decision.verdict.clone().unwrap_or_default();
    let inputs = answer.inputs.unwrap_or_default();
    let mut out = output::results();
    writeln!(
        out,
        "Decision {}: entry {}, line {}, PGA line {}, version {} of the entry: {}",
        decision.decision_id,
        verdict.entry_number,
        verdict.line_number,
        verdict.pga_line_number,
        decision.entry_version,
        outcome(&verdict).as_str_name()
    )?;
    for finding in &verdict.findings {
        writeln!(out, "  {}: {}", code(finding).as_str_name(), finding.message)?;
    }
    writeln!(out, "It rested on")?;
    writeln!(
        out,
        "  rules {}, policy {}, flags {}",
        inputs.rules_version, inputs.policy_version, inputs.flags_version
    )?;
    match inputs.registry_revision {
        Some(revision) => writeln!(
            out,
            "  registry revision {revision}, published {}",
            inputs.registry_published_on
        )?,
        None => writeln!(out, "  no registry: it could not be read")?,
    }
    let evidence = verdict.evidence.clone().unwrap_or_default();
    if let Some(version) = evidence.certificate_version {
        let line = decision.line.clone().unwrap_or_default();
        writeln!(
            out,
            "  certificate {}, version {version}",
            line.certificate_number
        )?;
    }
    for number in &inputs.unavailable_certificates {
        if let Some(number) = CertificateNumber::from_number(*number) {
            writeln!(out, "  no certificate {number}: it could not be read")?;
        }
    }
    let principal = inputs.principal.clone().unwrap_or_default();
    writeln!(
        out,
        "Filed on {} by {} ({}), recorded at {}.",
        inputs.filed_on, principal.actor, principal.tenant, decision.recorded_at
    )?;
    if !answer.not_replayed.is_empty() {
        writeln!(out, "Not judged again: {}.", answer.not_replayed)?;
    } else if answer.is_the_same {
        writeln!(out, "The same inputs give the same verdict today.")?;
    } else {
        writeln!(
            out,
            "The same inputs give ANOTHER verdict today: the record or the program was changed. Tell compliance."
        )?;
    }
    out.flush()?;
    Ok(if answer.is_the_same || !answer.not_replayed.is_empty() {
        Done::Well
    } else {
        Done::WithFindings
    })
}

pub(super) async fn amend(context: &Context, arguments: AmendArguments) -> Result<Done, Failure> {
    let content =
        std::fs::read(&arguments.file).map_err(|error| Failure::reading(&arguments.file, &error))?;
    let events = read_entries(Form::Auto, &content)
        .map_err(|error| Failure::new(format!("{}: {error}.", arguments.file.display())))?;
    let mut lines = Vec::new();
    for event in events {
        match event {
            EntryEvent::Line { line, .. } => lines.push(line.into()),
            EntryEvent::Reject(reject) => {
                return Err(Failure::new(format!(
                    "{}: record {}: {}.",
                    arguments.file.display(),
                    reject.record,
                    reject.reason
                ))
                .advice("Mend the file: an entry is amended whole or not at all."));
            }
            EntryEvent::Deleted { .. } => {}
        }
    }
    let services = context.connect(need::ALL).await?;
    let request = AmendEntryRequest {
        request_id: request_id(&[
            "amend",
            &arguments.entry_number,
            &arguments.current.to_string(),
            &arguments.reason,
            &hex::encode(&Sha256::digest(&content)[..16]),
        ]),
        entry_number: arguments.entry_number,
        current_version: arguments.current,
        lines,
        reason: arguments.reason,
    };
    let answer = services.answer(services.records().amend_entry(request).await)?;
    let verdicts: Vec<Verdict> = answer
        .decisions
        .into_iter()
        .filter_map(|decision| decision.verdict)
        .collect();
    let mut printer = printer(context, &services, arguments.output).await?;
    printer.print(&verdicts)?;
    printer.flush()?;
    Ok(Validated::of(&verdicts).done())
}

pub(super) async fn cancel(context: &Context, arguments: CancelArguments) -> Result<Done, Failure> {
    let services = context.connect(need::ALL).await?;
    let request = CancelEntryRequest {
        request_id: request_id(&[
            "cancel",
            &arguments.entry_number,
            &arguments.current.to_string(),
            &arguments.reason,
        ]),
        entry_number: arguments.entry_number.clone(),
        current_version: arguments.current,
        reason: arguments.reason,
    };
    let answer = services.answer(services.records().cancel_entry(request).await)?;
    let mut out = output::results();
    writeln!(
        out,
        "Entry {} is taken back by version {}; what it drew is given back.",
        arguments.entry_number, answer.version
    )?;
    out.flush()?;
    Ok(Done::Well)
}

/// The same change names the same request.
pub(super) fn request_id(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_be_bytes());
        hasher.update(part);
    }
    hex::encode(&hasher.finalize()[..16])
}
