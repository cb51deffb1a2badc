//! What tenants may ask, as they are told it.

use nopic_cache::Limiter;
use nopic_cache::limiter::{Account, Rate};
use nopic_proto::access as wire;

use crate::limits::{Limit, Limits};
use crate::tenant_calls::BoundTenants;

/// Limits, and where what is left of them stands.
#[derive(Debug, Clone)]
pub(crate) struct Quotas {
    pub(crate) limits: Limits,
    pub(crate) limiter: Limiter,
    pub(crate) tenants: BoundTenants,
}

impl Quotas {
    /// Of a tenant, now.
    pub(crate) async fn of(&self, tenant: &str) -> Vec<wire::Quota> {
        let calls = wire::Quota {
            limit: Limit::Calls.name().to_owned(),
            per_second: 0,
            at_once: u32::try_from(self.limits.calls).unwrap_or(u32::MAX),
            left: u32::try_from(self.tenants.left(tenant)).unwrap_or(u32::MAX),
        };
        vec![
            self.rate(tenant, Limit::Requests, self.limits.requests).await,
            self.rate(tenant, Limit::Kilobytes, self.limits.kilobytes).await,
            self.rate(tenant, Limit::Lines, self.limits.lines).await,
            calls,
        ]
    }

    async fn rate(&self, tenant: &str, limit: Limit, rate: Rate) -> wire::Quota {
        wire::Quota {
            limit: limit.name().to_owned(),
            per_second: rate.per_second(),
            at_once: rate.burst(),
            left: self.limiter.left(&Account::new(limit.name(), tenant), rate).await,
        }
    }
}
