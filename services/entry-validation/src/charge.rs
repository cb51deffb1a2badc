//! Lines are charged to their tenants where they are decoded: a batch that is too much is refused, a stream waits.

use std::time::Duration;

use nopic_cache::Limiter;
use nopic_cache::limiter::{Account, LINES, Rate, Taken};
use nopic_chassis::refusal::over_limit;
use nopic_domain::principal::Principal;
use tokio::time::sleep;
use tonic::Status;

/// The longest that a stream waits before it looks again.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How many lines each tenant may send, and where that is counted.
#[derive(Debug, Clone)]
pub struct LineLimit {
    /// Where it is counted.
    pub limiter: Limiter,
    /// Lines a second, and at once.
    pub rate: Rate,
}

/// Charges lines. Without a limit there is none: whoever runs one command on a folder is not in anybody's way.
#[derive(Debug, Clone)]
pub(crate) struct LineCharge(pub(crate) Option<LineLimit>);

impl LineCharge {
    /// For a call that is answered as a whole: it is refused where its lines are too many now.
    pub(crate) async fn take(&self, principal: &Principal, lines: usize) -> Result<(), Status> {
        match self.taken(principal, lines).await {
            None => Ok(()),
            Some((retry_after, rate)) => {
                let bound = format_args!("{} a second, {} at once", rate.per_second(), rate.burst());
                Err(over_limit(LINES, &principal.tenant, bound, retry_after))
            }
        }
    }

    /// For a stream: it goes on when there is room for its lines, and its sender waits.
    pub(crate) async fn wait(&self, principal: &Principal, lines: usize) {
        while let Some((retry_after, _)) = self.taken(principal, lines).await {
            sleep(retry_after.min(LONGEST_WAIT)).await;
        }
    }

    /// Takes them; or says when there is room, and of which rate.
    async fn taken(&self, principal: &Principal, lines: usize) -> Option<(Duration, Rate)> {
        let LineLimit { limiter, rate } = self.0.as_ref()?;
        let account = Account::new(LINES, &principal.tenant);
        let cost = u32::try_from(lines).unwrap_or(u32::MAX);
        match limiter.take(&account, *rate, cost).await {
            Taken::Allowed { .. } => None,
            Taken::Refused { retry_after } => Some((retry_after, *rate)),
        }
    }
}
