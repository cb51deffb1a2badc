//! Certificates and recorded draws from the certificate service, over its gRPC client.
//!
//! What a certificate states and what was drawn in all may be up to five seconds old, unless the caller asks for the
//! latest; that a certificate is not known, and what the entry itself drew, is always asked anew, the latter with what
//! was drawn in all at the same moment.
//!
//! A service that does not answer costs a pre-check little: it is waited for a moment, and after some failures in a row
//! it is left alone, but for one call now and then that tries it again. A filing is for good, and waits.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use nopic_cache::breaker::Breaker;
use nopic_chassis::deadline;
use nopic_chassis::principal::AttachPrincipal;
use nopic_chassis::requests::MAX_BATCH;
use nopic_chassis::rpc::client::Client;
use nopic_domain::certificate::{CertificateView, DrawnBy};
use nopic_domain::identifier::{CertificateNumber, CertifierId, EntryNumber};
use nopic_domain::principal::Principal;
use nopic_domain::rules::{Answer, RecordedDraw};
use nopic_domain::weight::Weight;
use nopic_proto::certificate as wire;
use nopic_proto::certificate::certificate_service_client::CertificateServiceClient;
use nopic_proto::certificate::{
    BatchGetForValidationRequest, BatchGetForValidationResponse, OwnDrawsQuestion,
};
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};
use tokio::time::{Instant, timeout};
use tonic::{Code, Status};
use tracing::Instrument as _;

use crate::convert::certifier_of;
use crate::inquiry::Purpose;

/// How long a certificate may be remembered.
const REMEMBERED_FOR: Duration = Duration::from_secs(5);
/// How long the certificate service may take for one batch of a pre-check; after that nothing is known.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same for a filing.
const PATIENCE_OF_FILING: Duration = Duration::from_secs(10);
/// How long the pre-check waits whose call tries the service again; the call itself may take longer.
const PATIENCE_OF_PROBE: Duration = Duration::from_millis(100);
/// Failures in a row after which pre-checks leave the service alone.
const FAILURES_TO_TRIP: u32 = 5;
/// How long it is left alone before one call tries it again.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// Certificates that are remembered: some 100 MB at the most.
const REMEMBERED: u64 = 200_000;

type Views = FxHashMap<CertificateNumber, Arc<CertificateView>>;

/// The certificate service as entry validation sees it.
#[derive(Debug, Clone)]
pub(crate) struct Certificates {
    client: Client,
    /// Keyed by tenant, too: what a tenant may see is the certificate service's business.
    remembered: Cache<(Arc<str>, CertificateNumber), Arc<CertificateView>, FxBuildHasher>,
    breaker: Arc<Mutex<Breaker>>,
}

/// Who asks, and how freshly and patiently.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) principal: &'a Principal,
    pub(crate) latest: bool,
    pub(crate) purpose: Purpose,
}

/// What the certificate service answered about the lines of a request.
#[derive(Debug, Default)]
pub(crate) struct CertificateAnswers {
    views: Views,
    /// Asked for, but not answered, or not so that it can be read.
    unavailable: FxHashSet<CertificateNumber>,
    own_draws: FxHashMap<(CertificateNumber, EntryNumber), Vec<RecordedDraw>>,
    /// Certifiers that the deployment issues for; told with every number that is not remembered.
    issues_for: Vec<CertifierId>,
}

impl CertificateAnswers {
    pub(crate) fn certificate(&self, number: CertificateNumber) -> Answer<&CertificateView> {
        match self.views.get(&number) {
            Some(view) => Answer::Found(view),
            None if self.unavailable.contains(&number) => Answer::Unavailable,
            None => Answer::Absent,
        }
    }

    /// Nothing is known of these.
    fn lose(&mut self, numbers: &[u64]) {
        for number in numbers.iter().copied().filter_map(CertificateNumber::from_number) {
            self.views.remove(&number);
            self.unavailable.insert(number);
        }
    }

    pub(crate) fn issues_for(&self, certifier: CertifierId) -> bool {
        self.issues_for.contains(&certifier)
    }

    pub(crate) fn recorded_draws(&self, number: CertificateNumber, entry: &EntryNumber) -> &[RecordedDraw] {
        if self.own_draws.is_empty() {
            return &[];
        }
        self.own_draws.get(&(number, *entry)).map_or(&[], Vec::as_slice)
    }
}

impl Certificates {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            remembered: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(REMEMBERED_FOR)
                .build_with_hasher(FxBuildHasher),
            breaker: Arc::new(Mutex::new(Breaker::new(FAILURES_TO_TRIP, PROBE_EVERY))),
        }
    }

    /// Asks for these certificates, and for what the entry behind each draws from it.
    pub(crate) async fn ask(
        &self,
        question: Question<'_>,
        pairs: &FxHashSet<(CertificateNumber, Option<EntryNumber>)>,
    ) -> CertificateAnswers {
        let Question {
            principal,
            latest,
            purpose,
        } = question;
        let mut answers = CertificateAnswers::default();
        if pairs.is_empty() {
            return answers;
        }
        let tenant: Arc<str> = principal.tenant.as_str().into();
        let mut missing = FxHashSet::default();
        for (number, _) in pairs {
            if answers.views.contains_key(number) {
                continue;
            }
            match self.remembered.get(&(Arc::clone(&tenant), *number)) {
                Some(view) if !latest => {
                    answers.views.insert(*number, view);
                }
                _ => {
                    missing.insert(*number);
                }
            }
        }
        let attach = AttachPrincipal::new(principal);
        let missing: Vec<u64> = missing.iter().map(|number| number.number()).collect();
        for (index, numbers) in missing.chunks(MAX_BATCH).enumerate() {
            let request = BatchGetForValidationRequest {
                numbers: numbers.to_vec(),
                own_draws: Vec::new(),
            };
            let Some(response) = self.call(&attach, request, purpose).await else {
                answers.lose(&missing[index * MAX_BATCH..]);
                break;
            };
            self.take(&tenant, numbers, response.views, &mut answers);
            answers.issues_for = response
                .issues_for
                .into_iter()
                .filter_map(|certifier| certifier_of(certifier).ok())
                .collect();
        }
        self.ask_own_draws(&attach, purpose, &tenant, pairs, &mut answers)
            .await;
        answers
    }

    /// Takes what certificates state and what was drawn in all, of those that were asked for.
    fn take(
        &self,
        tenant: &Arc<str>,
        asked: &[u64],
        views: Vec<wire::ValidationView>,
        answers: &mut CertificateAnswers,
    ) {
        for view in views {
            let number = view.number;
            match CertificateView::try_from(view) {
                Ok(view) => {
                    let number = view.certificate.number;
                    let view = Arc::new(view);
                    self.remembered
                        .insert((Arc::clone(tenant), number), Arc::clone(&view));
                    answers.views.insert(number, view);
                }
                Err(error) => {
                    tracing::error!(%error, "the certificate service answered with a malformed certificate");
                    // By a number that was not asked for it may be any of those that were.
                    answers.lose(if asked.contains(&number) {
                        std::slice::from_ref(&number)
                    } else {
                        asked
                    });
                }
            }
        }
    }

    /// Asks what the entries themselves drew, on certificates that say that one of them may have, and what was drawn in
    /// all with it: an entry's own draw may be taken only from a sum that it is part of.
    async fn ask_own_draws(
        &self,
        attach: &AttachPrincipal,
        purpose: Purpose,
        tenant: &Arc<str>,
        pairs: &FxHashSet<(CertificateNumber, Option<EntryNumber>)>,
        answers: &mut CertificateAnswers,
    ) {
        let may_have_drawn = |number: &CertificateNumber, entry: &EntryNumber| {
            answers.views.get(number).is_some_and(|view| match view.drawn_by {
                DrawnBy::None => false,
                DrawnBy::One(drawer) => drawer == *entry,
                DrawnBy::Several => true,
            })
        };
        let asked: FxHashSet<CertificateNumber> = pairs
            .iter()
            .filter_map(|(number, entry)| may_have_drawn(number, entry.as_ref()?).then_some(*number))
            .collect();
        let mut questions: Vec<(CertificateNumber, EntryNumber)> = pairs
            .iter()
            .filter_map(|(number, entry)| Some((*number, (*entry)?)))
            .filter(|(number, _)| asked.contains(number))
            .collect();
        questions.sort_unstable_by_key(|(number, _)| number.number());
        for questions in whole_certificates(&questions, MAX_BATCH) {
            let mut numbers: Vec<u64> = questions.iter().map(|(number, _)| number.number()).collect();
            numbers.dedup();
            let request = BatchGetForValidationRequest {
                numbers: numbers.clone(),
                own_draws: questions
                    .iter()
                    .map(|(number, entry)| OwnDrawsQuestion {
                        number: number.number(),
                        entry_number: entry.to_string(),
                    })
                    .collect(),
            };
            let Some(response) = self.call(attach, request, purpose).await else {
                // What is left cannot be told without them.
                answers.lose(&numbers);
                continue;
            };
            self.take(tenant, &numbers, response.views, answers);
            for draw in response.own_draws {
                let (Ok(number), Ok(entry)) = (
                    CertificateNumber::from_number(draw.number).ok_or(()),
                    draw.entry_number.parse(),
                ) else {
                    tracing::error!("the certificate service answered with a malformed draw");
                    continue;
                };
                answers
                    .own_draws
                    .entry((number, entry))
                    .or_default()
                    .push(RecordedDraw {
                        line_number: draw.line_number,
                        pga_line_number: draw.pga_line_number,
                        weight: Weight::from_units(draw.weight_units),
                    });
            }
        }
    }

    async fn call(
        &self,
        attach: &AttachPrincipal,
        request: BatchGetForValidationRequest,
        purpose: Purpose,
    ) -> Option<BatchGetForValidationResponse> {
        let (admits, is_tripped) = {
            let mut breaker = lock(&self.breaker);
            (breaker.admits(Instant::now()), breaker.is_tripped())
        };
        let limit = match purpose {
            Purpose::PreCheck if !is_tripped => PATIENCE,
            _ => PATIENCE_OF_FILING,
        };
        let call = self.clone().bounded(attach.clone(), request, limit);
        match purpose {
            Purpose::PreCheck if !admits => None,
            // A task of its own: an answer that comes when nobody waits for it says that the service is back.
            Purpose::PreCheck if is_tripped => {
                let call = tokio::spawn(call.in_current_span());
                match timeout(PATIENCE_OF_PROBE, call).await {
                    Ok(Ok(answer)) => answer,
                    Ok(Err(_)) | Err(_) => None,
                }
            }
            _ => call.await,
        }
    }

    /// The answer within this time; the breaker hears how it went, unless it was the caller who had less time.
    async fn bounded(
        self,
        attach: AttachPrincipal,
        request: BatchGetForValidationRequest,
        limit: Duration,
    ) -> Option<BatchGetForValidationResponse> {
        let time = deadline::within(limit)?;
        let mut client = CertificateServiceClient::with_interceptor(self.client.clone(), attach)
            .max_decoding_message_size(nopic_chassis::transport::MAX_MESSAGE_BYTES);
        let answer = timeout(time, client.batch_get_for_validation(request))
            .await
            .unwrap_or_else(|_| Err(Status::deadline_exceeded(format!("no answer within {time:?}"))));
        let is_away = answer.as_ref().is_err_and(|status| match status.code() {
            Code::DeadlineExceeded | Code::Cancelled => time == limit,
            Code::Unavailable | Code::Unknown | Code::Internal => true,
            _ => false,
        });
        self.heard(answer.as_ref().err(), is_away);
        match answer {
            Ok(response) => Some(response.into_inner()),
            Err(status) => {
                tracing::warn!(%status, "the certificate service did not answer");
                None
            }
        }
    }

    fn heard(&self, failed: Option<&Status>, is_away: bool) {
        let mut breaker = lock(&self.breaker);
        if is_away {
            if breaker.failed(Instant::now()) {
                tracing::warn!("the certificate service is left alone for a moment: its last calls failed");
            }
        } else if failed
            .is_none_or(|status| !matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled))
        {
            if breaker.is_tripped() {
                tracing::info!("the certificate service answers again and is asked again");
            }
            breaker.succeeded();
        }
    }
}

/// Cuts questions in the order of their certificates into calls of at most so many, so that those about one certificate
/// stand in one call where they have room in one.
fn whole_certificates<T>(
    questions: &[(CertificateNumber, T)],
    most: usize,
) -> impl Iterator<Item = &[(CertificateNumber, T)]> {
    let mut rest = questions;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = if rest.len() <= most {
            rest.len()
        } else {
            (1..=most)
                .rev()
                .find(|end| rest[*end].0 != rest[*end - 1].0)
                .unwrap_or(most)
        };
        let (call, behind) = rest.split_at(end);
        rest = behind;
        Some(call)
    })
}

/// A panic elsewhere leaves a state that is still whole: every change of it is one assignment.
fn lock(breaker: &Mutex<Breaker>) -> std::sync::MutexGuard<'_, Breaker> {
    breaker.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_cannot_be_read_says_nothing_of_others() {
        let [lost, absent] = ["123-1230000001-000001", "123-1230000001-000002"]
            .map(|number| number.parse::<CertificateNumber>().unwrap());
        let mut answers = CertificateAnswers::default();
        answers.lose(&[lost.number()]);
        assert_eq!(answers.certificate(lost), Answer::Unavailable);
        assert_eq!(answers.certificate(absent), Answer::Absent);
    }

    #[test]
    fn questions_about_one_certificate_stand_in_one_call() {
        let questions = |certificates: &[u32]| -> Vec<(CertificateNumber, usize)> {
            let number = |serial: &u32| format!("123-1230000001-{serial:06}").parse().unwrap();
            certificates
                .iter()
                .enumerate()
                .map(|(index, serial)| (number(serial), index))
                .collect()
        };
        for (certificates, lengths) in [
            (&[][..], &[][..]),
            (&[1, 2, 3], &[3]),
            (&[1, 2, 3, 4], &[3, 1]),
            (&[1, 2, 2, 2, 3], &[1, 3, 1]),
            (&[1, 1, 2, 2, 3, 3], &[2, 2, 2]),
            // No call has room for all of them.
            (&[1, 1, 1, 1, 2], &[3, 2]),
        ] {
            let questions = questions(certificates);
            let calls: Vec<_> = whole_certificates(&questions, 3).collect();
            assert_eq!(calls.concat(), questions, "{certificates:?}");
            let found: Vec<usize> = calls.iter().map(|call| call.len()).collect();
            assert_eq!(found, lengths, "{certificates:?}");
        }
    }
}
