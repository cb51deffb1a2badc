//! Certificates and recorded draws from the certificate service, over its gRPC client.
//!
//! What a certificate states and what was drawn in all may be up to five seconds old, unless the caller asks for the
//! latest; that a certificate is not known, and what the entry itself drew, is always asked anew.

use std::time::Duration;

use moka::sync::Cache;
use nopic_chassis::deadline;
use nopic_chassis::principal::AttachPrincipal;
use nopic_chassis::retry::Retry;
use nopic_chassis::rpc::client::Client;
use nopic_domain::certificate::{CertificateView, Drawers};
use nopic_domain::identifier::{CertificateNumber, EntryNumber};
use nopic_domain::principal::Principal;
use nopic_domain::rules::{Answer, RecordedDraw};
use nopic_domain::weight::Weight;
use nopic_proto::certificate::certificate_service_client::CertificateServiceClient;
use nopic_proto::certificate::{
    BatchGetForValidationRequest, BatchGetForValidationResponse, OwnDrawsQuestion,
};
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};
use std::sync::Arc;

/// Numbers or questions in one call: the bound of the certificate service.
const QUESTIONS_A_CALL: usize = 10_000;
/// How long a certificate may be remembered.
const REMEMBERED_FOR: Duration = Duration::from_secs(5);
/// How long the certificate service may take for one batch; after that nothing is known.
const PATIENCE: Duration = Duration::from_secs(10);
/// Certificates that are remembered: some 100 MB at the most.
const REMEMBERED: u64 = 200_000;

type Views = FxHashMap<CertificateNumber, Arc<CertificateView>>;

/// The certificate service as entry validation sees it.
#[derive(Debug, Clone)]
pub(crate) struct Certificates {
    client: Client,
    retry: Retry,
    /// Keyed by tenant, too: what a tenant may see is the certificate service's business.
    remembered: Cache<(Arc<str>, CertificateNumber), Arc<CertificateView>, FxBuildHasher>,
}

/// What the certificate service answered about the lines of a request.
#[derive(Debug, Default)]
pub(crate) struct CertificateAnswers {
    views: Views,
    /// Asked for, but the service did not answer.
    unavailable: bool,
    own_draws: FxHashMap<(CertificateNumber, EntryNumber), Vec<RecordedDraw>>,
}

impl CertificateAnswers {
    pub(crate) fn certificate(&self, number: CertificateNumber) -> Answer<&CertificateView> {
        match self.views.get(&number) {
            Some(view) => Answer::Found(view),
            None if self.unavailable => Answer::Unavailable,
            None => Answer::Absent,
        }
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
            retry: Retry::default(),
            remembered: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(REMEMBERED_FOR)
                .build_with_hasher(FxBuildHasher),
        }
    }

    /// Asks for these certificates, and for what the entry behind each draws from it.
    pub(crate) async fn ask(
        &self,
        principal: &Principal,
        pairs: &FxHashSet<(CertificateNumber, Option<EntryNumber>)>,
        latest: bool,
    ) -> CertificateAnswers {
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
        for numbers in missing.chunks(QUESTIONS_A_CALL) {
            let request = BatchGetForValidationRequest {
                numbers: numbers.to_vec(),
                own_draws: Vec::new(),
            };
            let Some(response) = self.call(&attach, request).await else {
                answers.unavailable = true;
                break;
            };
            for view in response.views {
                match CertificateView::try_from(view) {
                    Ok(view) => {
                        let number = view.certificate.number;
                        let view = Arc::new(view);
                        self.remembered
                            .insert((Arc::clone(&tenant), number), Arc::clone(&view));
                        answers.views.insert(number, view);
                    }
                    Err(error) => {
                        tracing::error!(%error, "the certificate service answered with a malformed certificate");
                        answers.unavailable = true;
                    }
                }
            }
        }
        self.ask_own_draws(&attach, pairs, &mut answers).await;
        answers
    }

    /// Asks what the entries themselves drew, where the certificate says that they may have.
    async fn ask_own_draws(
        &self,
        attach: &AttachPrincipal,
        pairs: &FxHashSet<(CertificateNumber, Option<EntryNumber>)>,
        answers: &mut CertificateAnswers,
    ) {
        let questions: Vec<OwnDrawsQuestion> = pairs
            .iter()
            .filter_map(|(number, entry)| {
                let entry = (*entry)?;
                let may_have_drawn = match answers.views.get(number)?.drawers {
                    Drawers::None => false,
                    Drawers::One(drawer) => drawer == entry,
                    Drawers::Several => true,
                };
                may_have_drawn.then(|| OwnDrawsQuestion {
                    number: number.number(),
                    entry_number: entry.to_string(),
                })
            })
            .collect();
        for questions in questions.chunks(QUESTIONS_A_CALL) {
            let request = BatchGetForValidationRequest {
                numbers: Vec::new(),
                own_draws: questions.to_vec(),
            };
            let Some(response) = self.call(attach, request).await else {
                // What is left cannot be told without them.
                for question in questions {
                    answers
                        .views
                        .retain(|number, _| number.number() != question.number);
                }
                answers.unavailable = true;
                continue;
            };
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
    ) -> Option<BatchGetForValidationResponse> {
        let client = CertificateServiceClient::with_interceptor(self.client.clone(), attach.clone())
            .max_decoding_message_size(nopic_chassis::transport::MAX_MESSAGE_BYTES);
        let answer = self.retry.call(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.batch_get_for_validation(request).await }
        });
        match deadline::timeout(PATIENCE, answer).await {
            Ok(Ok(response)) => Some(response.into_inner()),
            Ok(Err(status)) => {
                tracing::warn!(%status, "the certificate service did not answer");
                None
            }
            Err(_) => {
                tracing::warn!("the certificate service did not answer in time");
                None
            }
        }
    }
}
