//! From frozen inputs to what is asked of the ledger, and from its answer to decisions. Pure.

use nopic_domain::certificate::{CertificateView, Drawers};
use nopic_domain::entry::NormalisedLine;
use nopic_domain::finding::Code;
use nopic_domain::identifier::{CertificateNumber, EntryNumber, NopId};
use nopic_domain::ledger::Ask;
use nopic_domain::registry::Timeline;
use nopic_domain::rules::{
    Answer, Judgement, Knowledge, Outcome, RecordedDraw, RegistryState, ask_of_ledger, certificate_number,
    judge_entry,
};
use nopic_domain::weight::Weight;
use nopic_proto::certificate as ledger;
use nopic_proto::certificate::line_draw::Mode;
use nopic_proto::certificate::line_draw_result::Outcome as DrawOutcome;
use nopic_proto::convert::entry_validation::verdict;
use nopic_proto::entry_validation as wire;
use nopic_sql::Error;
use rustc_hash::FxHashMap;

use super::inputs::Thawed;

/// One decision, before it has a number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decided {
    pub(crate) line: wire::EntryLine,
    pub(crate) verdict: wire::Verdict,
    pub(crate) outcome: Outcome,
    /// Codes of its findings.
    pub(crate) codes: Vec<Code>,
    pub(crate) importer: Option<NopId>,
    pub(crate) certificate: Option<CertificateNumber>,
    /// Whether the line declares organic goods, or must.
    pub(crate) is_organic: bool,
    /// Weight and its part past the limit; absent where nothing is drawn.
    pub(crate) drawn: Option<(Weight, Weight)>,
    /// Whether the decision stands for the line: not where the line takes itself back, or repeats another.
    pub(crate) stands: bool,
}

/// The entries of a filing with their lines, which stand together.
fn entries<'a>(
    thawed: &'a Thawed,
    inputs: &'a wire::FilingInputs,
) -> Result<Vec<(&'a wire::FiledEntry, &'a [NormalisedLine])>, Error> {
    let mut rest = thawed.lines.as_slice();
    let mut entries = Vec::with_capacity(inputs.entries.len());
    for entry in &inputs.entries {
        let (lines, after) = rest
            .split_at_checked(entry.line_count as usize)
            .ok_or_else(|| Error::corrupt("filing.inputs", "fewer lines than its entries have"))?;
        entries.push((entry, lines));
        rest = after;
    }
    Ok(entries)
}

/// What the ledger is asked for: what each line draws if its weight is left.
pub(super) fn draws(
    thawed: &Thawed,
    inputs: &wire::FilingInputs,
    request_id: String,
) -> Result<ledger::SetDrawsRequest, Error> {
    let mut request = ledger::SetDrawsRequest {
        request_id,
        ..ledger::SetDrawsRequest::default()
    };
    let mut judgements = Vec::new();
    for (entry, lines) in entries(thawed, inputs)? {
        judgements.clear();
        judge_entry(lines, &thawed.policy, &thawed.flags, thawed, &mut judgements);
        let lines = lines.iter().zip(&judgements);
        // What has no number of an entry draws nothing and never did.
        if EntryNumber::parse(&entry.entry_number).is_none() {
            continue;
        }
        let mut seen = rustc_hash::FxHashSet::default();
        request.entries.push(ledger::EntryDraws {
            entry_number: entry.entry_number.clone(),
            entry_version: entry.version,
            keep_other_lines: entry.keep_other_lines,
            lines: lines
                .filter(|(line, _)| seen.insert((line.line_number, line.pga_line_number())))
                .filter(|(line, _)| line.line_number > 0 && line.pga_line_number() > 0)
                .map(|(line, judgement)| line_draw(thawed, line, judgement))
                .collect(),
        });
    }
    request.certificates = thawed
        .views()
        .map(|view| ledger::JudgedCertificate {
            number: view.certificate.number.number(),
            version: view.version,
            tolerance_units: thawed
                .policy
                .tolerance_of(view.certificate.total_weight_kg)
                .units(),
        })
        .collect();
    request
        .certificates
        .sort_unstable_by_key(|certificate| certificate.number);
    Ok(request)
}

fn line_draw(thawed: &Thawed, line: &NormalisedLine, judgement: &Judgement) -> ledger::LineDraw {
    let (mode, number, take) = match ask_of_ledger(line, judgement, &thawed.policy) {
        Ask::Nothing(number) => (Mode::Nothing, number, None),
        Ask::Count(take) => (Mode::Count, Some(take.number), Some(take)),
        Ask::Draw(take) => (Mode::Draw, Some(take.number), Some(take)),
    };
    ledger::LineDraw {
        line_number: line.line_number,
        pga_line_number: line.pga_line_number(),
        mode: mode.into(),
        number: number.map_or(0, CertificateNumber::number),
        weight_units: take.map_or(0, |take| take.weight.units()),
        may_exceed: take.is_some_and(|take| take.may_exceed),
        may_reuse: take.is_some_and(|take| take.may_reuse),
    }
}

/// A line without weight draws zero, which counts as use.
pub(super) fn weight(line: &NormalisedLine) -> Weight {
    line.net_weight_kg
        .as_deref()
        .and_then(|text| text.parse().ok())
        .unwrap_or_default()
}

/// The decisions on every line, by what the ledger answered.
pub(super) fn decide(
    thawed: &Thawed,
    inputs: &wire::FilingInputs,
    results: &[ledger::EntryDrawsResult],
) -> Result<Vec<Decided>, Error> {
    let mut decided = Vec::with_capacity(thawed.lines.len());
    let mut results = results.iter();
    let mut judgements = Vec::new();
    for (entry, lines) in entries(thawed, inputs)? {
        let nothing = ledger::EntryDrawsResult::default();
        let result = if EntryNumber::parse(&entry.entry_number).is_none() {
            &nothing
        } else {
            results
                .next()
                .ok_or_else(|| Error::corrupt("filing.ledger", "fewer entries than the filing has"))?
        };
        let knowledge = OfEntry::new(thawed, entry, result)?;
        judgements.clear();
        judge_entry(lines, &thawed.policy, &thawed.flags, &knowledge, &mut judgements);
        let mut drawn = result.lines.iter();
        let mut seen = rustc_hash::FxHashSet::default();
        for (line, judgement) in lines.iter().zip(&judgements) {
            let is_first = seen.insert((line.line_number, line.pga_line_number()));
            let has_number = line.line_number > 0 && line.pga_line_number() > 0;
            let drawn = if is_first && has_number && !result.lines.is_empty() {
                drawn
                    .next()
                    .filter(|drawn| drawn.outcome() == DrawOutcome::Drawn)
                    .map(|drawn| (weight(line), Weight::from_units(drawn.excess_units)))
            } else {
                None
            };
            let may_file = matches!(judgement.outcome, Outcome::Accept | Outcome::Warn);
            // A line that takes itself back is judged by rule 1 alone, which reads no certificate.
            let draws = may_file && judgement.certificate_version.is_some();
            if draws != drawn.is_some() {
                // The ledger and the rules share their arithmetic, and tests hold them together.
                return Err(Error::corrupt(
                    "filing.ledger",
                    format!(
                        "entry {} line {}: the rules say {}, the ledger {}",
                        line.entry_number,
                        line.line_number,
                        judgement.outcome.as_str(),
                        if drawn.is_some() { "drawn" } else { "not drawn" }
                    ),
                ));
            }
            let is_deletion = line.entry_action.as_deref() == Some("DELETE");
            decided.push(Decided {
                verdict: verdict(
                    line.entry_number.clone(),
                    line.line_number,
                    line.pga_line_number(),
                    judgement,
                    &thawed.policy,
                    &thawed.evidence,
                ),
                outcome: judgement.outcome,
                codes: judgement.findings.iter().map(|finding| finding.code).collect(),
                importer: importer(&knowledge, line),
                certificate: certificate_number(line),
                is_organic: is_organic(line, judgement),
                drawn,
                stands: is_first && !is_deletion,
                line: (**line).clone().into(),
            });
        }
    }
    Ok(decided)
}

/// The importer that is judged: given, linked, or the certificate's.
fn importer(knowledge: &OfEntry<'_>, line: &NormalisedLine) -> Option<NopId> {
    if let Some(given) = &line.importer_nop_id {
        return NopId::parse(given);
    }
    let linked = line
        .importer_of_record
        .as_deref()
        .and_then(|number| knowledge.linked_importer(number));
    linked.or_else(|| match knowledge.certificate(certificate_number(line)?) {
        Answer::Found(view) => Some(view.certificate.importer_nop_id),
        Answer::Absent | Answer::Unavailable => None,
    })
}

/// Whether a line declares organic goods, or must.
fn is_organic(line: &NormalisedLine, judgement: &Judgement) -> bool {
    let declares =
        matches!(line.message_set.as_deref(), Some("OR1" | "OR2")) && line.disclaimer_code.is_none();
    let must = judgement
        .findings
        .iter()
        .any(|finding| matches!(finding.code, Code::PgaDataMissing | Code::DisclaimerNotAllowed));
    declares || line.organic_claim == Some(true) || must
}

/// What is known about one entry: the frozen inputs, with the ledger as it stood before it.
struct OfEntry<'a> {
    thawed: &'a Thawed,
    states: FxHashMap<CertificateNumber, (CertificateView, Vec<RecordedDraw>)>,
}

impl<'a> OfEntry<'a> {
    fn new(
        thawed: &'a Thawed,
        entry: &wire::FiledEntry,
        result: &ledger::EntryDrawsResult,
    ) -> Result<Self, Error> {
        let corrupt = |detail: String| Error::corrupt("filing.ledger", detail);
        let mut states = FxHashMap::default();
        for state in &result.states {
            let number = CertificateNumber::from_number(state.number)
                .ok_or_else(|| corrupt(format!("certificate {}", state.number)))?;
            let Some(view) = thawed.view(number) else {
                continue;
            };
            let mut own: Vec<RecordedDraw> = state
                .own_draws
                .iter()
                .map(|draw| RecordedDraw {
                    line_number: draw.line_number,
                    pga_line_number: draw.pga_line_number,
                    weight: Weight::from_units(draw.weight_units),
                })
                .collect();
            let mut drawn = Weight::from_units(state.drawn_units);
            if !entry.keep_other_lines {
                // All of it is given back, whatever action the lines state.
                drawn = own
                    .iter()
                    .fold(drawn, |drawn, draw| drawn.saturating_sub(draw.weight));
                own.clear();
            }
            let drawers = if state.other_drawers {
                Drawers::Several
            } else if state.only_drawer.is_empty() {
                Drawers::None
            } else {
                let drawer = EntryNumber::parse(&state.only_drawer)
                    .ok_or_else(|| corrupt(format!("drawer {:?}", state.only_drawer)))?;
                Drawers::One(drawer)
            };
            let view = CertificateView {
                drawn,
                drawers,
                ..view.clone()
            };
            states.insert(number, (view, own));
        }
        Ok(Self { thawed, states })
    }
}

impl Knowledge for OfEntry<'_> {
    fn certificate(&self, number: CertificateNumber) -> Answer<&CertificateView> {
        match self.states.get(&number) {
            Some((view, _)) => Answer::Found(view),
            None => self.thawed.certificate(number),
        }
    }

    fn recorded_draws(&self, number: CertificateNumber, _: &EntryNumber) -> &[RecordedDraw] {
        self.states.get(&number).map_or(&[], |(_, own)| own)
    }

    fn registry(&self) -> Option<RegistryState> {
        self.thawed.registry()
    }

    fn operation(&self, id: NopId) -> Option<&Timeline> {
        self.thawed.operation(id)
    }

    fn linked_importer(&self, importer_of_record: &str) -> Option<NopId> {
        self.thawed.linked_importer(importer_of_record)
    }
}
