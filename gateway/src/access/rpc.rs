//! The calls: convert, load, decide, save, convert.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use nopic_chassis::clock::Clock;
use nopic_chassis::principal;
use nopic_chassis::requests::{self, Page, at_most, given, page_token};
use nopic_chassis::roles::Row;
use nopic_domain::lifecycle::requested::MAX_REASON;
use nopic_domain::principal::Principal;
use nopic_proto::access as wire;
use nopic_proto::access::access_service_server::AccessService;
use prost::Message;
use sha2::{Digest as _, Sha256};
use tonic::{Request, Response, Status};

use super::convert;
use super::error::Error;
use super::key::NewKey;
use super::store::{AccessStore, Act, Filter};
use crate::quota::Quotas;

/// Longest time of grace of a key that was replaced, in seconds: 30 days.
const MAX_GRACE: u32 = 30 * 86_400;

/// What the gateway serves itself.
#[derive(Clone)]
pub(crate) struct AccessRpc {
    pub(crate) store: Arc<dyn AccessStore>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Who may call what, of every part.
    pub(crate) rows: Arc<[Row]>,
    /// What tenants may ask.
    pub(crate) quotas: Quotas,
}

impl fmt::Debug for AccessRpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessRpc").finish_non_exhaustive()
    }
}

impl AccessRpc {
    /// In whole microseconds, which both engines keep.
    fn now(&self) -> DateTime<Utc> {
        self.clock.now().trunc_subsecs(6)
    }

    fn act(
        &self,
        principal: &Principal,
        action: &str,
        (request_id, reason): (&str, &str),
        message: &impl Message,
    ) -> Result<Act, Error> {
        requests::request_id(request_id)?;
        let reason = reason.trim();
        at_most("reason (characters)", reason.chars().count(), MAX_REASON)?;
        let mut hash = Sha256::new();
        hash.update(action);
        hash.update([0]);
        hash.update(message.encode_to_vec());
        Ok(Act {
            principal: principal.clone(),
            request_id: request_id.to_owned(),
            hash: hash.finalize().into(),
            now: self.now(),
            reason: reason.to_owned(),
        })
    }

    async fn suspend(
        &self,
        principal: &Principal,
        named: (&str, &str, &str),
        is_suspended: bool,
        message: &impl Message,
    ) -> Result<wire::Tenant, Error> {
        let (request_id, tenant, reason) = named;
        let action = if is_suspended { "suspend" } else { "resume" };
        let act = self.act(principal, action, (request_id, reason), message)?;
        let tenant = convert::tenant_name("tenant", tenant)?;
        if is_suspended && tenant == principal.tenant {
            return Err(Error::invalid(
                "tenant",
                "it is the caller's own: nobody of it could resume it",
            ));
        }
        let tenant = self.store.suspend(&act, &tenant, is_suspended).await?;
        Ok(convert::tenant_to_wire(tenant))
    }
}

fn filter(tenant: &str) -> Result<Filter, Error> {
    Ok(Filter {
        tenant: given(tenant)
            .map(|tenant| convert::tenant_name("tenant", tenant))
            .transpose()?,
        with_removed: false,
    })
}

#[tonic::async_trait]
impl AccessService for AccessRpc {
    async fn create_tenant(
        &self,
        request: Request<wire::CreateTenantRequest>,
    ) -> Result<Response<wire::CreateTenantResponse>, Status> {
        let principal = principal::of(request.extensions())?.clone();
        let request = request.into_inner();
        let act = self.act(&principal, "create tenant", (&request.request_id, ""), &request)?;
        let new = convert::tenant(request.tenant, act.now)?;
        let tenant = self.store.create_tenant(&act, &new).await?;
        Ok(Response::new(wire::CreateTenantResponse {
            tenant: Some(convert::tenant_to_wire(tenant)),
        }))
    }

    async fn list_tenants(
        &self,
        request: Request<wire::ListTenantsRequest>,
    ) -> Result<Response<wire::ListTenantsResponse>, Status> {
        let request = request.into_inner();
        let page = Page::of(request.page_size).map_err(Error::from)?;
        let mut tenants = self.store.tenants(&request.page_token, page.to_read()).await?;
        let next = page.cut(&mut tenants, |last| last.tenant.clone());
        Ok(Response::new(wire::ListTenantsResponse {
            tenants: tenants.into_iter().map(convert::tenant_to_wire).collect(),
            complete: next.is_none(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn suspend_tenant(
        &self,
        request: Request<wire::SuspendTenantRequest>,
    ) -> Result<Response<wire::SuspendTenantResponse>, Status> {
        let principal = principal::of(request.extensions())?.clone();
        let request = request.into_inner();
        let named = (&*request.request_id, &*request.tenant, &*request.reason);
        let tenant = self.suspend(&principal, named, true, &request).await?;
        Ok(Response::new(wire::SuspendTenantResponse {
            tenant: Some(tenant),
        }))
    }

    async fn resume_tenant(
        &self,
        request: Request<wire::ResumeTenantRequest>,
    ) -> Result<Response<wire::ResumeTenantResponse>, Status> {
        let principal = principal::of(request.extensions())?.clone();
        let request = request.into_inner();
        let named = (&*request.request_id, &*request.tenant, &*request.reason);
        let tenant = self.suspend(&principal, named, false, &request).await?;
        Ok(Response::new(wire::ResumeTenantResponse { tenant: Some(tenant) }))
    }

    async fn add_person(
        &self,
        request: Request<wire::AddPersonRequest>,
    ) -> Result<Response<wire::AddPersonResponse>, Status> {
        let principal = principal::of(request.extensions())?.clone();
        let request = request.into_inner();
        let act = self.act(&principal, "add person", (&request.request_id, ""), &request)?;
        let new = convert::person(request.person, act.now)?;
        let person = self.store.add_person(&act, &new).await?;
        Ok(Response::new(wire::AddPersonResponse {
            person: Some(convert::person_to_wire(person)),
        }))
    }

    async fn list_people(
        &self,
        request: Request<wire::ListPeopleRequest>,
    ) -> Result<Response<wire::ListPeopleResponse>, Status> {
        let request = request.into_inner();
        let page = Page::of(request.page_size).map_err(Error::from)?;
        let filter = Filter {
            with_removed: request.with_removed,
            ..filter(&request.tenant)?
        };
        let after = page_token(&request.page_token, |text| text.parse().ok()).map_err(Error::from)?;
        let after = after.unwrap_or_default();
        let mut people = self.store.people(&filter, after, page.to_read()).await?;
        let next = page.cut(&mut people, |(place, _)| place.to_string());
        Ok(Response::new(wire::ListPeopleResponse {
            people: people
                .into_iter()
                .map(|(_, person)| convert::person_to_wire(person))
                .collect(),
            complete: next.is_none(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn remove_person(
        &self,
        request: Request<wire::RemovePersonRequest>,
    ) -> Result<Response<wire::RemovePersonResponse>, Status> {
        let principal = principal::of(request.extensions())?.clone();
        let request = request.into_inner();
        let named = (&*request.request_id, &*request.reason);
        let act = self.act(&principal, "remove person", named, &request)?;
        let tenant = convert::tenant_name("tenant", &request.tenant)?;
        let name = convert::person_name("name", &request.name)?;
        let person = self.store.remove_person(&act, &tenant, &name).await?;
        Ok(Response::new(wire::RemovePersonResponse {
            person: Some(convert::person_to_wire(person)),
        }))
    }

    async fn create_key(
        &self,
        request: Request<wire::CreateKeyRequest>,
    ) -> Result<Response<wire::CreateKeyResponse>, Status> {
        let principal = principal::of(request.extensions())?.clone();
        let request = request.into_inner();
        let act = self.act(&principal, "create key", (&request.request_id, ""), &request)?;
        let tenant = convert::tenant_name("tenant", &request.tenant)?;
        let person = convert::person_name("person", &request.person)?;
        let ends_at = convert::ends_at(&request.ends_at, act.now)?;
        let new = NewKey::generate().map_err(Error::from)?;
        let key = self
            .store
            .create_key(&act, (&tenant, &person), &new, ends_at)
            .await?;
        Ok(Response::new(wire::CreateKeyResponse {
            key: Some(convert::key_to_wire(key, act.now)),
            secret: new.into_text(),
        }))
    }

    async fn list_keys(
        &self,
        request: Request<wire::ListKeysRequest>,
    ) -> Result<Response<wire::ListKeysResponse>, Status> {
        let request = request.into_inner();
        let page = Page::of(request.page_size).map_err(Error::from)?;
        let filter = filter(&request.tenant)?;
        let now = self.now();
        let mut keys = self
            .store
            .keys(&filter, &request.page_token, page.to_read())
            .await?;
        let next = page.cut(&mut keys, |last| last.prefix.clone());
        Ok(Response::new(wire::ListKeysResponse {
            keys: keys
                .into_iter()
                .map(|key| convert::key_to_wire(key, now))
                .collect(),
            complete: next.is_none(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn revoke_key(
        &self,
        request: Request<wire::RevokeKeyRequest>,
    ) -> Result<Response<wire::RevokeKeyResponse>, Status> {
        let principal = principal::of(request.extensions())?.clone();
        let request = request.into_inner();
        let named = (&*request.request_id, &*request.reason);
        let act = self.act(&principal, "revoke key", named, &request)?;
        let prefix = convert::prefix(&request.prefix)?;
        let key = self.store.revoke_key(&act, prefix).await?;
        Ok(Response::new(wire::RevokeKeyResponse {
            key: Some(convert::key_to_wire(key, act.now)),
        }))
    }

    async fn rotate_key(
        &self,
        request: Request<wire::RotateKeyRequest>,
    ) -> Result<Response<wire::RotateKeyResponse>, Status> {
        let principal = principal::of(request.extensions())?.clone();
        let request = request.into_inner();
        let act = self.act(&principal, "rotate key", (&request.request_id, ""), &request)?;
        let prefix = convert::prefix(&request.prefix)?;
        let ends_at = convert::ends_at(&request.ends_at, act.now)?;
        let grace = Some(i64::from(request.grace_seconds))
            .filter(|_| request.grace_seconds <= MAX_GRACE)
            .map(TimeDelta::seconds)
            .ok_or_else(|| {
                let given = request.grace_seconds;
                Error::invalid(
                    "grace_seconds",
                    format_args!("{given} is more than {MAX_GRACE}, 30 days"),
                )
            })?;
        let new = NewKey::generate().map_err(Error::from)?;
        let (key, replaced) = self.store.rotate_key(&act, prefix, &new, ends_at, grace).await?;
        Ok(Response::new(wire::RotateKeyResponse {
            key: Some(convert::key_to_wire(key, act.now)),
            secret: new.into_text(),
            replaced: Some(convert::key_to_wire(replaced, act.now)),
        }))
    }

    async fn who_am_i(
        &self,
        request: Request<wire::WhoAmIRequest>,
    ) -> Result<Response<wire::WhoAmIResponse>, Status> {
        let principal = principal::of(request.extensions())?;
        let mut methods: Vec<String> = self
            .rows
            .iter()
            .filter(|row| row.clients.is_none() && row.roles.contains(&principal.role))
            .map(|row| row.method.to_owned())
            .collect();
        methods.sort_unstable();
        Ok(Response::new(wire::WhoAmIResponse {
            principal: Some(principal::to_wire(principal)),
            methods,
        }))
    }

    async fn get_quota(
        &self,
        request: Request<wire::GetQuotaRequest>,
    ) -> Result<Response<wire::GetQuotaResponse>, Status> {
        let principal = principal::of(request.extensions())?;
        Ok(Response::new(wire::GetQuotaResponse {
            quotas: self.quotas.of(&principal.tenant).await,
        }))
    }
}
