//! The calls of the ledger.

use nopic_chassis::principal;
use nopic_domain::principal::Role;
use nopic_proto::certificate as wire;
use nopic_proto::certificate::ledger_service_server::LedgerService;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tonic::{Request, Response, Status};

use super::{DEFAULT_PAGE, MAX_PAGE, Rpc, at_most};
use crate::convert;
use crate::error::Error;
use crate::store::{Balance, DrawsChange, HistoryQuestion, Visibility};

#[tonic::async_trait]
impl LedgerService for Rpc {
    async fn set_draws(
        &self,
        request: Request<wire::SetDrawsRequest>,
    ) -> Result<Response<wire::SetDrawsResponse>, Status> {
        let principal = principal::of(request.extensions())?.clone();
        match principal.role {
            Role::Broker | Role::Compliance | Role::Operator => {}
            Role::Exporter | Role::Certifier | Role::Authority => return Err(Error::FilerNeeded.into()),
        }
        let visibility = Visibility::of(&principal);
        let request = request.into_inner();
        convert::request_id(&request.request_id)?;
        let judged = convert::judged(&request.certificates)?;
        let entries = convert::filed_entries(&request.entries, &judged)?;
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
        principal::of(request.extensions())?;
        let request = request.into_inner();
        let number = convert::certificate_number("number", &request.number)?;
        let balance = match convert::as_of(&request.as_of)? {
            Some(moment) => {
                let found = self.store.balance_at(number, moment).await;
                let balance = found.map_err(Error::from)?.ok_or_else(|| Error::NotKnownThen {
                    number,
                    moment: convert::moment(moment),
                })?;
                convert::balance(&balance, moment)
            }
            None => {
                let mut known = self.store.certificates(&[number]).await.map_err(Error::from)?;
                let stored = known.remove(&number).ok_or(Error::NotFound(number))?;
                let balance = Balance {
                    version: stored.version,
                    total: stored.certificate.total_weight_kg,
                    drawn: stored.drawn,
                    draw_count: stored.draw_count,
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
        let size = match request.page_size {
            0 => DEFAULT_PAGE,
            size => size,
        };
        at_most("page_size", size as usize, MAX_PAGE as usize)?;
        // The token is the id of the last draw of the page before: ids on one certificate rise as draws are committed,
        // because changes of it wait for each other.
        let after = match request.page_token.as_str() {
            "" => 0,
            token => token
                .parse()
                .map_err(|_| Error::invalid("page_token", "was not given by this call"))?,
        };
        let question = HistoryQuestion {
            number,
            visibility,
            at: convert::as_of(&request.as_of)?,
            after,
            limit: size + 1,
        };
        let mut page = self
            .store
            .draws(&question)
            .await
            .map_err(Error::from)?
            .ok_or(Error::NotFound(number))?;
        let complete = page.len() <= size as usize;
        page.truncate(size as usize);
        let next_page_token = match page.last() {
            Some(last) if !complete => last.id.to_string(),
            _ => String::new(),
        };
        Ok(Response::new(wire::ListDrawsResponse {
            draws: page.iter().map(convert::draw_record).collect(),
            next_page_token,
            complete,
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
