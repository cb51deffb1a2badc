//! The calls: convert, load, decide, save, convert.

mod ledger;
pub(crate) mod lifecycle;

use std::fmt;
use std::sync::Arc;

use nopic_chassis::answers::{AnswerStream, answer};
use nopic_chassis::clock::Clock;
use nopic_chassis::principal;
use nopic_chassis::requests::{MAX_BATCH, Page, at_most, page_token};
use nopic_chassis::uploads::Upload;
use nopic_domain::identifier::CertifierId;
use nopic_proto::certificate as wire;
use nopic_proto::certificate::certificate_service_server::CertificateService;
use tonic::{Request, Response, Status, Streaming};

use crate::convert;
use crate::error::Error;
use crate::import_call::ImportCall;
use crate::store::{CertificateStore, Visibility};

/// Draws that are listed with a certificate.
const MAX_DRAWS_LISTED: u32 = 1_000;
/// Answers of an import under way before the reader of the file waits for the caller.
const ANSWERS_UNDER_WAY: usize = 256;

/// What [`crate::CertificateService::service`] gives to a server.
#[derive(Clone)]
pub struct Rpc {
    pub(crate) store: Arc<dyn CertificateStore>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Certifiers whose certificates this deployment issues.
    pub(crate) issues_for: Arc<[CertifierId]>,
}

impl fmt::Debug for Rpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rpc").finish_non_exhaustive()
    }
}

#[tonic::async_trait]
impl CertificateService for Rpc {
    type ImportCertificatesStream = AnswerStream<wire::ImportCertificatesResponse>;

    async fn import_certificates(
        &self,
        request: Request<Streaming<wire::ImportCertificatesRequest>>,
    ) -> Result<Response<Self::ImportCertificatesStream>, Status> {
        let principal = principal::of(request.extensions())?.clone();
        let (store, clock) = (self.store.clone(), self.clock.clone());
        Ok(Response::new(answer(ANSWERS_UNDER_WAY, |answers| {
            let call = ImportCall {
                store,
                clock,
                principal,
                answers,
            };
            call.import(Upload::new(request.into_inner()))
        })))
    }

    async fn get_certificate(
        &self,
        request: Request<wire::GetCertificateRequest>,
    ) -> Result<Response<wire::GetCertificateResponse>, Status> {
        let visibility = Visibility::of(principal::of(request.extensions())?);
        let request = request.into_inner();
        let number = convert::certificate_number("number", &request.number)?;
        // One more than is listed tells whether that is all.
        let asked = if request.with_draws {
            MAX_DRAWS_LISTED + 1
        } else {
            0
        };
        let (stored, mut draws) = self
            .store
            .certificate_with_draws(number, &visibility, asked)
            .await
            .map_err(Error::from)?
            .ok_or(Error::NotFound(number))?;
        let complete = request.with_draws && draws.len() <= MAX_DRAWS_LISTED as usize;
        draws.truncate(MAX_DRAWS_LISTED as usize);
        Ok(Response::new(wire::GetCertificateResponse {
            state: Some(convert::state(&stored)),
            draws: draws.iter().map(|stored| (&stored.draw).into()).collect(),
            complete,
        }))
    }

    async fn batch_get_certificates(
        &self,
        request: Request<wire::BatchGetCertificatesRequest>,
    ) -> Result<Response<wire::BatchGetCertificatesResponse>, Status> {
        let visibility = Visibility::of(principal::of(request.extensions())?);
        let request = request.into_inner();
        at_most("numbers", request.numbers.len(), MAX_BATCH)?;
        let read: Vec<_> = request
            .numbers
            .iter()
            .map(|text| convert::certificate_number("number", text))
            .collect();
        let numbers = distinct(read.iter().flatten().copied());
        let known = self.store.certificates(&numbers, &visibility).await;
        let known = known.map_err(Error::from)?;
        let items = request
            .numbers
            .into_iter()
            .zip(read)
            .map(|(number, read)| {
                let (state, error) = match read {
                    Ok(number) => (known.get(&number).map(convert::state), String::new()),
                    Err(error) => (None, error.to_string()),
                };
                wire::BatchGetCertificatesItem { number, state, error }
            })
            .collect();
        Ok(Response::new(wire::BatchGetCertificatesResponse { items }))
    }

    async fn list_certificates(
        &self,
        request: Request<wire::ListCertificatesRequest>,
    ) -> Result<Response<wire::ListCertificatesResponse>, Status> {
        let visibility = Visibility::of(principal::of(request.extensions())?);
        let request = request.into_inner();
        let filter = convert::list_filter(&request)?;
        let page = Page::of(request.page_size)?;
        // The token is the last number of the page before: it stays good whatever is imported meanwhile.
        let after = page_token(&request.page_token, |token| token.parse().ok())?;
        let mut states = self
            .store
            .list(filter, after, page.to_read(), &visibility)
            .await
            .map_err(Error::from)?;
        let next = page.cut(&mut states, |last| last.certificate.number.to_string());
        Ok(Response::new(wire::ListCertificatesResponse {
            states: states.iter().map(convert::state).collect(),
            complete: next.is_none(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn batch_get_for_validation(
        &self,
        request: Request<wire::BatchGetForValidationRequest>,
    ) -> Result<Response<wire::BatchGetForValidationResponse>, Status> {
        let visibility = Visibility::of(principal::of(request.extensions())?);
        let request = request.into_inner();
        at_most("numbers", request.numbers.len(), MAX_BATCH)?;
        at_most("own_draws", request.own_draws.len(), MAX_BATCH)?;
        let asked = convert::numbers(&request.numbers)?;
        let questions = distinct(convert::own_draws_keys(&request.own_draws)?);
        let mut found = self
            .store
            .for_validation(&distinct(asked.iter().copied()), &questions, &visibility)
            .await
            .map_err(Error::from)?;
        let views = asked
            .iter()
            // Taken out, so that a number asked for twice is answered once.
            .filter_map(|number| found.certificates.remove(number))
            .map(|stored| stored.into_view(&visibility).into())
            .collect();
        let own_draws = found.own_draws.iter().map(convert::own_draw).collect();
        Ok(Response::new(wire::BatchGetForValidationResponse {
            views,
            own_draws,
            issues_for: self
                .issues_for
                .iter()
                .map(|certifier| certifier.number().into())
                .collect(),
        }))
    }
}

/// Each once, in order: neighbours are read from the same pages.
fn distinct<T: Ord>(keys: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut keys: Vec<T> = keys.into_iter().collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}
