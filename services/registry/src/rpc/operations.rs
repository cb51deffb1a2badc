//! One operation in full, and the status of many.

use nopic_domain::date::parse_iso;
use nopic_domain::identifier::NopId;
use nopic_domain::registry::{StatusOnDate, Timeline};
use nopic_formats::oid::Fields;
use nopic_proto::registry as wire;
use rustc_hash::FxHashMap;

use super::convert::{choice, histories, revision};
use crate::current::{Answering, Core};
use crate::error::Error;
use crate::store::{Order, StoredObservation, entries_of};

/// Questions of one call.
const MOST_QUESTIONS: usize = nopic_chassis::requests::MAX_BATCH;
/// So many questions are answered from the database rather than by loading every operation for them.
const FEW_QUESTIONS: usize = 500;

pub(super) async fn get(
    core: &Core,
    request: wire::GetOperationRequest,
) -> Result<wire::GetOperationResponse, Error> {
    let id: NopId = request
        .nop_id
        .parse()
        .map_err(|error| Error::Invalid(format!("nop_id: {error}")))?;
    let answering = core.answering_with_content(choice(request.revision)).await?;
    let mut stored = core
        .store
        .observations_of(&[id], &answering.order, answering.revision)
        .await?;
    let said = stored.remove(&id).unwrap_or_default();
    let Some(timeline) = resolve(&answering.order, &said) else {
        return Err(Error::NotFound(format!(
            "operation {id} was never listed (as of revision {})",
            answering.revision
        )));
    };
    let (heading, content) = said
        .into_iter()
        .rev()
        .find_map(|said| said.heading.map(|heading| (heading, said.content)))
        .unwrap_or_default();
    let fields = match content {
        Some(place) => fields_of(core.store.entry(place).await?)?,
        None => Vec::new(),
    };
    let mut items = Vec::new();
    for place in core
        .store
        .items_of(id, &answering.order, answering.revision)
        .await?
    {
        let run = core.store.entry(place).await?;
        for item in entries_of(&run) {
            items.push(wire::Item {
                fields: fields_of(item.to_vec())?,
            });
        }
    }
    let status = answering
        .order
        .newest_on()
        .map(|date| match timeline.status_on(date) {
            StatusOnDate::Known(status) => status.as_str().to_owned(),
            StatusOnDate::Unknown => String::new(),
        })
        .unwrap_or_default();
    let (history, scopes) = histories(&timeline);
    Ok(wire::GetOperationResponse {
        operation: Some(wire::Operation {
            nop_id: id.to_string(),
            name: heading.name,
            other_names: heading.other_names,
            certifier: heading.certifier,
            country: heading.country,
            status,
            history,
            scopes,
            fields,
            items,
        }),
        revision: Some(revision(&answering)),
    })
}

fn fields_of(bytes: Vec<u8>) -> Result<Vec<wire::Field>, Error> {
    let fields = Fields::from_bytes(bytes).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(fields
        .iter()
        .map(|(name, value)| wire::Field {
            name: name.to_owned(),
            value: value.to_owned(),
        })
        .collect())
}

fn resolve(order: &Order, said: &[StoredObservation]) -> Option<Timeline> {
    Timeline::resolve(said.iter().filter_map(|said| {
        let rank = order.rank(said.revision)?;
        Some((order.snapshots()[rank].published_on, &said.observation))
    }))
}

pub(super) async fn batch_get_status(
    core: &Core,
    request: wire::BatchGetStatusRequest,
) -> Result<wire::BatchGetStatusResponse, Error> {
    if request.questions.len() > MOST_QUESTIONS {
        return Err(Error::Invalid(format!(
            "{} questions: at most {MOST_QUESTIONS} in one call",
            request.questions.len()
        )));
    }
    let answering = core.answering_with_content(choice(request.revision)).await?;
    let with_history = request.with_history;
    let is_loaded = answering.is_current() && answering.current.loaded_status().is_some();
    let answers = if is_loaded || request.questions.len() > FEW_QUESTIONS {
        let status = core.status_of(&answering).await?;
        request
            .questions
            .into_iter()
            .map(|question| answer(question, with_history, |id| status.timeline(id)))
            .collect()
    } else {
        let timelines = few(core, &answering, &request.questions).await?;
        request
            .questions
            .into_iter()
            .map(|question| answer(question, with_history, |id| timelines.get(&id)))
            .collect()
    };
    Ok(wire::BatchGetStatusResponse {
        answers,
        revision: Some(revision(&answering)),
    })
}

async fn few(
    core: &Core,
    answering: &Answering,
    questions: &[wire::StatusQuestion],
) -> Result<FxHashMap<NopId, Timeline>, Error> {
    let mut ids: Vec<NopId> = questions
        .iter()
        .filter_map(|question| question.nop_id.parse().ok())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let stored = core
        .store
        .observations_of(&ids, &answering.order, answering.revision)
        .await?;
    Ok(stored
        .into_iter()
        .filter_map(|(id, said)| Some((id, resolve(&answering.order, &said)?)))
        .collect())
}

fn answer<'a>(
    question: wire::StatusQuestion,
    with_history: bool,
    timeline: impl FnOnce(NopId) -> Option<&'a Timeline>,
) -> wire::StatusAnswer {
    use wire::status_answer::Knowledge;
    let mut answer = wire::StatusAnswer {
        nop_id: question.nop_id,
        on: question.on,
        ..wire::StatusAnswer::default()
    };
    let id = match answer.nop_id.parse::<NopId>() {
        Ok(id) => id,
        Err(error) => {
            answer.set_knowledge(Knowledge::Invalid);
            answer.error = format!("nop_id: {error}");
            return answer;
        }
    };
    let Some(on) = parse_iso(&answer.on) else {
        answer.set_knowledge(Knowledge::Invalid);
        answer.error = format!("on: {:?} is not a date, YYYY-MM-DD", answer.on);
        return answer;
    };
    let Some(timeline) = timeline(id) else {
        answer.set_knowledge(Knowledge::NotListed);
        return answer;
    };
    match timeline.status_on(on) {
        StatusOnDate::Known(status) => {
            answer.set_knowledge(Knowledge::Known);
            status.as_str().clone_into(&mut answer.status);
            answer.certified = timeline.is_certified_on(on);
        }
        StatusOnDate::Unknown => answer.set_knowledge(Knowledge::Unknown),
    }
    if with_history {
        (answer.history, answer.scopes) = histories(timeline);
    }
    answer
}
