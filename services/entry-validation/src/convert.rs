//! What is kept of a filing and told of it, between domain and wire: by the calls, the store's codec and the ledger's
//! client.

use std::collections::BTreeMap;
use std::sync::Arc;

use nopic_chassis::principal::{from_wire, to_wire};
use nopic_domain::certificate::{CertificateView, DrawnBy};
use nopic_domain::date::parse_iso;
use nopic_domain::decision::{EntryAnswer, Evidence, FiledEntry, Inputs, Kind, LedgerState};
use nopic_domain::entry::EntryLine;
use nopic_domain::identifier::{CertificateNumber, CertifierId, EntryNumber, NopId};
use nopic_domain::ledger::LineOutcome;
use nopic_domain::rules::{RecordedDraw, certificate_number};
use nopic_domain::weight::Weight;
use nopic_proto::certificate as ledger;
use nopic_proto::certificate::line_draw_result::Outcome;
use nopic_proto::convert::ConversionError;
use nopic_proto::convert::entry_validation::{published_on, registry_state};
use nopic_proto::entry_validation as wire;

/// All but the lines, in two parts: what stands before them and what stands behind them.
pub(crate) fn around_lines(inputs: &Inputs) -> [wire::FilingInputs; 2] {
    let evidence = &*inputs.evidence;
    let before = wire::FilingInputs {
        rules_version: evidence.rules_version.clone(),
        policy_version: evidence.policy_version.clone(),
        flags_version: evidence.flags_version.clone(),
        registry_revision: evidence.registry.map(|registry| registry.revision),
        registry_published_on: published_on(evidence),
        ..wire::FilingInputs::default()
    };
    let behind = wire::FilingInputs {
        certificates: inputs
            .certificates
            .values()
            .map(|view| view.clone().into())
            .collect(),
        certificates_unavailable: !inputs.unavailable_certificates.is_empty(),
        unavailable_certificates: inputs
            .unavailable_certificates
            .iter()
            .map(|number| number.number())
            .collect(),
        operations: inputs
            .operations
            .iter()
            .map(|(id, timeline)| wire::OperationTimeline {
                nop_id: id.number(),
                // A timeline is texts and dates, which always have a form in JSON.
                timeline: serde_json::to_vec(timeline).unwrap_or_default().into(),
            })
            .collect(),
        importers: inputs
            .importers
            .iter()
            .map(|(importer_of_record, nop_id)| wire::ImporterOfRecord {
                importer_of_record: importer_of_record.clone(),
                nop_id: nop_id.number(),
            })
            .collect(),
        entries: inputs
            .entries
            .iter()
            .map(|entry| wire::FiledEntry {
                entry_number: entry.entry_number.clone(),
                line_count: entry.line_count,
                keep_other_lines: entry.keep_other_lines,
                version: entry.version,
            })
            .collect(),
        principal: Some(to_wire(&inputs.principal)),
        reason: inputs.reason.clone(),
        filed_on: inputs.filed_on.to_string(),
        kind: inputs.kind.as_str().to_owned(),
        issuing_for: inputs
            .issuing_for
            .iter()
            .map(|certifier| certifier.number().into())
            .collect(),
        ..wire::FilingInputs::default()
    };
    [before, behind]
}

/// The inputs as they are told.
pub(crate) fn inputs_to_wire(inputs: Inputs) -> wire::FilingInputs {
    let [before, behind] = around_lines(&inputs);
    wire::FilingInputs {
        rules_version: before.rules_version,
        policy_version: before.policy_version,
        flags_version: before.flags_version,
        registry_revision: before.registry_revision,
        registry_published_on: before.registry_published_on,
        lines: inputs
            .lines
            .into_iter()
            .map(|line| line.into_inner().into())
            .collect(),
        ..behind
    }
}

/// A certifier by its 3 digits as a number.
pub(crate) fn certifier_of(number: u32) -> Result<CertifierId, ConversionError> {
    u16::try_from(number)
        .ok()
        .and_then(CertifierId::from_number)
        .ok_or_else(|| ConversionError::new("certifier", "more than 3 digits"))
}

pub(crate) fn inputs_from_wire(wire: wire::FilingInputs) -> Result<Inputs, ConversionError> {
    let nop_id = |number: u64| {
        NopId::from_number(number).ok_or_else(|| ConversionError::new("nop_id", "more than 10 digits"))
    };
    // What was frozen was normalised, and stays so when it is normalised again.
    let lines: Vec<_> = wire
        .lines
        .into_iter()
        .map(|line| EntryLine::from(line).normalise())
        .collect();
    let certificates = wire
        .certificates
        .into_iter()
        .map(|view| {
            let view = CertificateView::try_from(view)?;
            Ok((view.certificate.number, view))
        })
        .collect::<Result<BTreeMap<_, _>, ConversionError>>()?;
    let unavailable_certificates =
        if wire.certificates_unavailable && wire.unavailable_certificates.is_empty() {
            // Written before each was listed: nothing is known of any that is missing.
            let named = lines.iter().filter_map(certificate_number);
            named
                .filter(|number| !certificates.contains_key(number))
                .collect()
        } else {
            let number = |number| {
                CertificateNumber::from_number(number)
                    .ok_or_else(|| ConversionError::new("unavailable_certificates", number))
            };
            let listed = wire.unavailable_certificates.into_iter().map(number);
            listed.collect::<Result<_, ConversionError>>()?
        };
    Ok(Inputs {
        evidence: Arc::new(Evidence {
            policy_version: wire.policy_version,
            rules_version: wire.rules_version,
            flags_version: wire.flags_version,
            registry: registry_state(wire.registry_revision, &wire.registry_published_on)?,
        }),
        lines,
        certificates,
        unavailable_certificates,
        issuing_for: wire
            .issuing_for
            .into_iter()
            .map(certifier_of)
            .collect::<Result<_, ConversionError>>()?,
        operations: wire
            .operations
            .into_iter()
            .map(|operation| {
                let timeline = serde_json::from_slice(&operation.timeline)
                    .map_err(|error| ConversionError::new("timeline", error))?;
                Ok((nop_id(operation.nop_id)?, timeline))
            })
            .collect::<Result<_, ConversionError>>()?,
        importers: wire
            .importers
            .into_iter()
            .map(|importer| Ok((importer.importer_of_record, nop_id(importer.nop_id)?)))
            .collect::<Result<_, ConversionError>>()?,
        entries: wire
            .entries
            .into_iter()
            .map(|entry| FiledEntry {
                entry_number: entry.entry_number,
                line_count: entry.line_count,
                keep_other_lines: entry.keep_other_lines,
                version: entry.version,
            })
            .collect(),
        principal: wire
            .principal
            .and_then(from_wire)
            .ok_or_else(|| ConversionError::new("principal", "nobody filed it"))?,
        reason: wire.reason,
        filed_on: parse_iso(&wire.filed_on).ok_or_else(|| ConversionError::new("filed_on", "not a day"))?,
        kind: Kind::parse(&wire.kind).ok_or_else(|| ConversionError::new("kind", "not a kind of filing"))?,
    })
}

/// What the ledger answered about an entry, as it is told and kept.
pub(crate) fn answer_to_wire(answer: &EntryAnswer) -> ledger::EntryDrawsResult {
    let line = |outcome: &LineOutcome| {
        let (outcome, excess) = match *outcome {
            LineOutcome::Nothing => (Outcome::Nothing, Weight::ZERO),
            LineOutcome::Drawn { excess } => (Outcome::Drawn, excess),
            LineOutcome::Exceeded => (Outcome::Exceeded, Weight::ZERO),
            LineOutcome::AlreadyUsed => (Outcome::AlreadyUsed, Weight::ZERO),
        };
        ledger::LineDrawResult {
            outcome: outcome.into(),
            excess_units: excess.units(),
        }
    };
    let own = |draw: &RecordedDraw| ledger::RecordedLineDraw {
        line_number: draw.line_number,
        pga_line_number: draw.pga_line_number,
        weight_units: draw.weight.units(),
    };
    let state = |state: &LedgerState| ledger::LedgerState {
        number: state.number.number(),
        drawn_units: state.drawn.units(),
        only_drawer: match state.drawn_by {
            DrawnBy::One(entry) => entry.to_string(),
            DrawnBy::None | DrawnBy::Several => String::new(),
        },
        drawn_by_others: state.drawn_by == DrawnBy::Several,
        own_draws: state.own_draws.iter().map(own).collect(),
    };
    ledger::EntryDrawsResult {
        lines: answer.lines.iter().map(line).collect(),
        states: answer.states.iter().map(state).collect(),
    }
}

pub(crate) fn answer_from_wire(wire: ledger::EntryDrawsResult) -> Result<EntryAnswer, ConversionError> {
    let line = |line: ledger::LineDrawResult| {
        Ok(match line.outcome() {
            Outcome::Unspecified => return Err(ConversionError::new("outcome", "not given")),
            Outcome::Nothing => LineOutcome::Nothing,
            Outcome::Drawn => LineOutcome::Drawn {
                excess: Weight::from_units(line.excess_units),
            },
            Outcome::Exceeded => LineOutcome::Exceeded,
            Outcome::AlreadyUsed => LineOutcome::AlreadyUsed,
        })
    };
    let own = |draw: &ledger::RecordedLineDraw| RecordedDraw {
        line_number: draw.line_number,
        pga_line_number: draw.pga_line_number,
        weight: Weight::from_units(draw.weight_units),
    };
    let state = |state: ledger::LedgerState| {
        Ok(LedgerState {
            number: CertificateNumber::from_number(state.number)
                .ok_or_else(|| ConversionError::new("number", state.number))?,
            drawn: Weight::from_units(state.drawn_units),
            drawn_by: match (state.drawn_by_others, state.only_drawer.as_str()) {
                (true, _) => DrawnBy::Several,
                (false, "") => DrawnBy::None,
                (false, drawer) => DrawnBy::One(
                    EntryNumber::parse(drawer).ok_or_else(|| ConversionError::new("only_drawer", drawer))?,
                ),
            },
            own_draws: state.own_draws.iter().map(own).collect(),
        })
    };
    Ok(EntryAnswer {
        lines: wire
            .lines
            .into_iter()
            .map(line)
            .collect::<Result<_, ConversionError>>()?,
        states: wire
            .states
            .into_iter()
            .map(state)
            .collect::<Result<_, ConversionError>>()?,
    })
}

#[cfg(test)]
mod tests {
    use nopic_domain::rules::{Answer, Knowledge as _};

    use super::*;

    const UNREAD: &str = "123-1230000001-000001";
    const ABSENT: &str = "123-1230000001-000002";

    fn frozen(unavailable: &[&str]) -> wire::FilingInputs {
        let number = |text: &str| text.parse::<CertificateNumber>().unwrap().number();
        let line = |certificate: &&str| wire::EntryLine {
            certificate_number: (*certificate).to_owned(),
            ..wire::EntryLine::default()
        };
        wire::FilingInputs {
            lines: [UNREAD, ABSENT].iter().map(line).collect(),
            certificates_unavailable: true,
            unavailable_certificates: unavailable.iter().map(|text| number(text)).collect(),
            principal: Some(to_wire(&nopic_domain::principal::Principal::built_in("test"))),
            filed_on: "2026-01-01".to_owned(),
            kind: "FILED".to_owned(),
            ..wire::FilingInputs::default()
        }
    }

    /// What is known of both certificates, from the inputs and from what is written of them.
    fn known(wire: wire::FilingInputs) -> [Answer<()>; 2] {
        let inputs = inputs_from_wire(wire).unwrap();
        let again = inputs_from_wire(inputs_to_wire(inputs.clone())).unwrap();
        assert_eq!(again, inputs);
        [UNREAD, ABSENT].map(|text| match again.certificate(text.parse().unwrap()) {
            Answer::Found(_) => Answer::Found(()),
            Answer::Absent => Answer::Absent,
            Answer::Unavailable => Answer::Unavailable,
        })
    }

    #[test]
    fn a_certificate_that_could_not_be_read_says_nothing_of_one_that_is_absent() {
        assert_eq!(known(frozen(&[UNREAD])), [Answer::Unavailable, Answer::Absent]);
    }

    #[test]
    fn inputs_that_name_none_know_nothing_of_any_that_is_missing() {
        assert_eq!(known(frozen(&[])), [Answer::Unavailable, Answer::Unavailable]);
    }
}
