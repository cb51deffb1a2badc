//! The answer to a change of draws, by value: it is kept beside its request, and sent again as it is.

use nopic_domain::certificate::DrawnBy;
use nopic_domain::ledger::LineOutcome;
use nopic_domain::weight::Weight;
use nopic_proto::certificate as wire;
use nopic_proto::certificate::line_draw_result::Outcome;
use prost::Message as _;

use super::{DrawSet, EntryDrawn, StateBefore};

/// Encodes it.
pub(super) fn draw_set(set: &DrawSet) -> Vec<u8> {
    match set {
        DrawSet::Changed(changed) => wire::SetDrawsResponse {
            changed: changed
                .iter()
                .map(|(number, version)| wire::ChangedCertificate {
                    number: number.number(),
                    version: *version,
                })
                .collect(),
            entries: Vec::new(),
        },
        DrawSet::Drawn(entries) => wire::SetDrawsResponse {
            changed: Vec::new(),
            entries: entries.iter().map(entry_drawn).collect(),
        },
    }
    .encode_to_vec()
}

fn entry_drawn(entry: &EntryDrawn) -> wire::EntryDrawsResult {
    wire::EntryDrawsResult {
        lines: entry.lines.iter().map(line_result).collect(),
        states: entry.states.iter().map(state_before).collect(),
    }
}

fn line_result(outcome: &LineOutcome) -> wire::LineDrawResult {
    let (outcome, excess) = match outcome {
        LineOutcome::Nothing => (Outcome::Nothing, Weight::ZERO),
        LineOutcome::Drawn { excess } => (Outcome::Drawn, *excess),
        LineOutcome::Exceeded => (Outcome::Exceeded, Weight::ZERO),
        LineOutcome::AlreadyUsed => (Outcome::AlreadyUsed, Weight::ZERO),
    };
    wire::LineDrawResult {
        outcome: outcome.into(),
        excess_units: excess.units(),
    }
}

fn state_before(state: &StateBefore) -> wire::LedgerState {
    wire::LedgerState {
        number: state.number.number(),
        drawn_units: state.drawn.units(),
        only_drawer: match state.drawn_by {
            DrawnBy::One(entry) => entry.to_string(),
            DrawnBy::None | DrawnBy::Several => String::new(),
        },
        drawn_by_others: state.drawn_by == DrawnBy::Several,
        own_draws: state
            .own
            .iter()
            .map(|(line_number, pga_line_number, weight)| wire::RecordedLineDraw {
                line_number: *line_number,
                pga_line_number: *pga_line_number,
                weight_units: weight.units(),
            })
            .collect(),
    }
}
