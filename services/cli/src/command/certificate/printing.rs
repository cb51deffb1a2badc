//! How requests, their steps and the past of certificates are printed.

use std::io::Write;

use nopic_proto::certificate::{CertificateState, GetHistoryResponse, LifeStep, RequestState};

use super::{COLUMNS, certificate_row, write_state};
use crate::failure::Failure;
use crate::output::listing::{Cell, Column, Listing, column, printable};
use crate::output::{Style, Terminal};

const REQUEST_COLUMNS: &[Column] = &[
    column("REQUEST", "request"),
    column("STAGE", "stage"),
    column("DUE ON", "dueOn"),
    column("OVERDUE", "overdue"),
    column("CERTIFIER", "certifierId"),
    column("EXPORTER", "exporterNopId"),
    column("IMPORTER", "importerNopId"),
    column("PRODUCT", "product"),
    column("TOTAL KG", "totalWeightKg"),
    column("OPEN", "openChecks"),
    column("NUMBER", "number"),
    column("VERSION", "version"),
];
const STEP_COLUMNS: &[Column] = &[
    column("OF", "of"),
    column("VERSION", "version"),
    column("STEP", "step"),
    column("AT", "at"),
    column("BY", "actor"),
    column("REASON", "reason"),
    column("STATUS", "status"),
    column("TOTAL KG", "totalWeightKg"),
];

fn request_row(state: RequestState) -> Vec<Cell> {
    let requested = state.requested.unwrap_or_default();
    let open: Vec<String> = state
        .checks
        .into_iter()
        .filter(|check| check.outcome != "PASSED" && !state.accepted.contains(&check.code))
        .map(|check| check.code)
        .collect();
    vec![
        Cell::Text(state.request.to_string()),
        state.stage.into(),
        state.due_on.into(),
        state.overdue.into(),
        requested.certifier_id.into(),
        requested.exporter_nop_id.into(),
        requested.importer_nop_id.into(),
        requested.product.into(),
        requested.total_weight_kg.into(),
        open.into(),
        state.number.into(),
        state.version.into(),
    ]
}

pub(super) fn print_requests(
    out: &mut dyn Write,
    terminal: &Terminal,
    style: Style,
    states: Vec<RequestState>,
) -> Result<(), Failure> {
    let mut listing = Listing::new(style, REQUEST_COLUMNS, terminal);
    listing.rows(out, states.into_iter().map(request_row))?;
    listing.finish(out)
}

/// One request: in full for people, as a row of the list for programs.
pub(super) fn print_request(
    out: &mut dyn Write,
    terminal: &Terminal,
    style: Style,
    state: RequestState,
    steps: &[LifeStep],
) -> Result<(), Failure> {
    if style != Style::Table {
        return print_requests(out, terminal, style, vec![state]);
    }
    write_request(out, &state)?;
    if !steps.is_empty() {
        writeln!(out)?;
        let mut listing = Listing::new(style, STEP_COLUMNS, terminal);
        for step in steps {
            let of = format!("request {}", state.request);
            listing.row(out, step_row(of, step, String::new(), String::new()))?;
        }
        listing.finish(out)?;
    }
    out.flush()?;
    Ok(())
}

fn write_request(out: &mut dyn Write, state: &RequestState) -> Result<(), Failure> {
    let requested = state.requested.clone().unwrap_or_default();
    let contract = requested.contract.clone().unwrap_or_default();
    let overdue = if state.overdue { " (overdue)" } else { "" };
    let rows = [
        ("request", state.request.to_string()),
        ("stage", state.stage.clone()),
        ("possible", state.possible.join(", ")),
        ("due on", format!("{}{overdue}", state.due_on)),
        ("number", state.number.clone()),
        ("certifier", requested.certifier_id),
        ("exporter", requested.exporter_nop_id),
        ("final handler", requested.final_handler_nop_id),
        ("importer", requested.importer_nop_id),
        ("product", requested.product),
        ("HTS", requested.hts_code),
        ("kind", requested.kind),
        ("total", format!("{} kg", requested.total_weight_kg)),
        ("origin", requested.countries_of_origin.join(", ")),
        ("lots", requested.lots.join(", ")),
        (
            "validity",
            format!("{} to {}", requested.valid_from, requested.valid_to),
        ),
        ("export on", requested.export_on),
        ("lading", requested.port_of_lading),
        ("unlading", requested.port_of_unlading),
        ("transport", requested.transport),
        ("containers", requested.containers.join(", ")),
        ("contract", contract.reference),
        ("names", contract.importer),
        ("rejected", state.rejected_because.clone()),
        ("version", state.version.to_string()),
    ];
    for (name, value) in rows.into_iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(out, "{name:<14} {}", printable(&value))?;
    }
    for check in &state.checks {
        let accepted = if state.accepted.contains(&check.code) {
            " (accepted)"
        } else {
            ""
        };
        writeln!(
            out,
            "{:<14} {}: {}{accepted}",
            check.outcome.to_ascii_lowercase(),
            check.code,
            printable(&check.message)
        )?;
        for evidence in &check.evidence {
            writeln!(out, "{:<14}   {}", "", printable(evidence))?;
        }
    }
    for question in &state.questions {
        writeln!(out, "{:<14} {}", "question", printable(&question.question))?;
        if !question.answer.is_empty() {
            writeln!(out, "{:<14} {}", "answer", printable(&question.answer))?;
        }
    }
    Ok(())
}

fn step_row(of: String, step: &LifeStep, status: String, total: String) -> Vec<Cell> {
    vec![
        of.into(),
        step.version.into(),
        step.step.clone().into(),
        step.at.clone().into(),
        step.actor.clone().into(),
        step.reason.clone().into(),
        status.into(),
        total.into(),
    ]
}

pub(super) fn print_certificate(
    out: &mut dyn Write,
    style: Style,
    terminal: &Terminal,
    state: CertificateState,
) -> Result<(), Failure> {
    if style == Style::Table {
        write_state(out, &state)?;
        out.flush()?;
        return Ok(());
    }
    let mut listing = Listing::new(style, COLUMNS, terminal);
    listing.row(out, certificate_row(state))?;
    listing.finish(out)
}

pub(super) fn print_history(
    out: &mut dyn Write,
    terminal: &Terminal,
    style: Style,
    history: GetHistoryResponse,
) -> Result<(), Failure> {
    if !history.supersedes.is_empty() {
        terminal.note(&format!("it took the place of {}", history.supersedes));
    }
    let mut listing = Listing::new(style, STEP_COLUMNS, terminal);
    for step in &history.request_steps {
        let of = format!("request {}", history.request);
        listing.row(out, step_row(of, step, String::new(), String::new()))?;
    }
    for version in history.versions {
        let certificate = version.certificate.unwrap_or_default();
        let status = if certificate.superseded_by.is_empty() {
            certificate.status
        } else {
            format!("{} by {}", certificate.status, certificate.superseded_by)
        };
        let step = version.step.unwrap_or_default();
        listing.row(
            out,
            step_row(certificate.number, &step, status, certificate.total_weight_kg),
        )?;
    }
    listing.finish(out)
}
