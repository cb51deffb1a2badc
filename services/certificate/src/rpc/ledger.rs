//! The calls of the ledger.

use nopic_chassis::principal;
use nopic_chassis::requests::{Page, moment, moment_text, page_token, request_id};
use nopic_proto::certificate as wire;
use nopic_proto::certificate::ledger_service_server::LedgerService;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tonic::{Request, Response, Status};

use super::Rpc;
use crate::convert;
use crate::error::Error;
use crate::store::{Balance, DrawsChange, FiledEntry, HistoryQuestion, Visibility};

#[tonic::async_trait]
impl LedgerService for Rpc {
    async fn set_draws(
        &self,
        request: Request<wire::SetDrawsRequest>,
    ) -> Result<Response<wire::SetDrawsResponse>, Status> {
        let principal = principal::of(request.extensions())?.clone();
        let visibility = Visibility::of(&principal);
        let request = request.into_inner();
        request_id(&request.request_id)?;
        let judged = convert::judged(&request.certificates)?;
        let entries = convert::filed_entries(&request.entries, &judged)?;
        let is_others = |entry: &&FiledEntry| !principal.owns_entry(entry.draws.entry_number.as_str());
        if let Some(entry) = entries.iter().find(is_others) {
            return Err(Error::NotTheFiler(entry.draws.entry_number).into());
        }
        let change = DrawsChange {
            request_hash: request_hash(&request),
            request_id: request.request_id,
            visibility,
            actor: principal.actor,
            role: principal.role.as_str(),
            at: self.clock.now(),
            judged,
            entries,
        };
        let answer = self.store.set_draws(&change).await.map_err(Error::from)?;
        let answer = wire::SetDrawsResponse::decode(answer.as_slice())
            .map_err(|error| Error::from(nopic_sql::Error::corrupt("request.answer", error)))?;
        Ok(Response::new(answer))
    }

    async fn get_balance(
        &self,
        request: Request<wire::GetBalanceRequest>,
    ) -> Result<Response<wire::GetBalanceResponse>, Status> {
        let visibility = Visibility::of(principal::of(request.extensions())?);
        let request = request.into_inner();
        let number = convert::certificate_number("number", &request.number)?;
        let balance = match moment("as_of", &request.as_of)? {
            Some(as_of) => {
                let found = self.store.balance_at(number, as_of, &visibility).await;
                let balance = found.map_err(Error::from)?.ok_or_else(|| Error::NotKnownThen {
                    number,
                    moment: moment_text(as_of),
                })?;
                convert::balance(&balance, as_of)
            }
            None => {
                let known = self.store.certificates(&[number], &visibility).await;
                let mut known = known.map_err(Error::from)?;
                let stored = known.remove(&number).ok_or(Error::NotFound(number))?;
                let balance = Balance {
                    version: stored.version,
                    total: stored.certificate.total_weight_kg,
                    drawn: stored.drawn,
                    draw_count: stored.draw_count,
                    own_drawn: stored.own_drawn,
                };
                convert::balance(&balance, self.clock.now())
            }
        };
        Ok(Response::new(balance))
    }

    async fn list_draws(
        &self,
        request: Request<wire::ListDrawsRequest>,
    ) -> Result<Response<wire::ListDrawsResponse>, Status> {
        let visibility = Visibility::of(principal::of(request.extensions())?);
        let request = request.into_inner();
        let number = convert::certificate_number("number", &request.number)?;
        let page = Page::of(request.page_size)?;
        // The token is the id of the last draw of the page before: ids on one certificate rise as draws are committed,
        // because changes of it wait for each other.
        let after = page_token(&request.page_token, |token| token.parse().ok())?.unwrap_or(0);
        let question = HistoryQuestion {
            number,
            visibility,
            at: moment("as_of", &request.as_of)?,
            after,
            limit: page.to_read(),
        };
        let mut draws = self
            .store
            .draws(&question)
            .await
            .map_err(Error::from)?
            .ok_or(Error::NotFound(number))?;
        let next = page.cut(&mut draws, |last| last.id.to_string());
        Ok(Response::new(wire::ListDrawsResponse {
            draws: draws.iter().map(convert::draw_record).collect(),
            complete: next.is_none(),
            next_page_token: next.unwrap_or_default(),
        }))
    }
}

/// Of all that was asked: what follows from a request of that id cannot be another thing.
fn request_hash(request: &wire::SetDrawsRequest) -> [u8; 32] {
    Sha256::new()
        .chain_update("SetDraws\n")
        .chain_update(request.encode_to_vec())
        .finalize()
        .into()
}
