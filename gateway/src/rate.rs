//! How much a tenant may ask a second: calls when they come, and kilobytes as they come.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body::{Frame, SizeHint};
use nopic_cache::Limiter;
use nopic_cache::limiter::{Account, Taken};
use nopic_chassis::metrics::{Count, Metrics};
use nopic_chassis::refusal::over_limit;
use nopic_domain::principal::Principal;
use tokio::time::{Sleep, sleep};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::limits::{Limit, Limits};
use crate::{Request, Response};

/// Charges calls and bytes to their tenants.
#[derive(Debug, Clone)]
pub(crate) struct Charge {
    limiter: Limiter,
    limits: Limits,
    refused: Arc<Count>,
}

impl Charge {
    /// To these accounts.
    pub(crate) fn new(limiter: Limiter, limits: Limits, metrics: &Metrics) -> Self {
        let refused = Arc::<Count>::default();
        let read = Arc::clone(&refused);
        metrics.add_read(move |reading| {
            reading.counter(
                "gateway_calls_over_rate",
                "Calls that were refused because their tenants had made too many",
                &[(&[], read.get())],
            )
        });
        Self {
            limiter,
            limits,
            refused,
        }
    }
}

impl<S> Layer<S> for Charge {
    type Service = Charged<S>;

    fn layer(&self, inner: S) -> Charged<S> {
        Charged {
            inner,
            charge: self.clone(),
        }
    }
}

/// Calls behind [`Charge`].
#[derive(Debug, Clone)]
pub(crate) struct Charged<S> {
    inner: S,
    charge: Charge,
}

impl<S> Service<Request> for Charged<S>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // Without a caller it is a call that is open to everybody.
        let Some(tenant) = request
            .extensions()
            .get::<Principal>()
            .map(|caller| caller.tenant.clone())
        else {
            return Box::pin(self.inner.call(request));
        };
        let charge = self.charge.clone();
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        Box::pin(async move {
            let account = Account::new(Limit::Requests.name(), &tenant);
            let rate = charge.limits.requests;
            if let Taken::Refused { retry_after } = charge.limiter.take(&account, rate, 1).await {
                charge.refused.add();
                let bound = format_args!("{} a second, {} at once", rate.per_second(), rate.burst());
                return Ok(over_limit(Limit::Requests.name(), &tenant, bound, retry_after).into_http());
            }
            let request = request.map(|body| {
                if http_body::Body::is_end_stream(&body) {
                    return body;
                }
                Body::new(Metered {
                    body,
                    charge,
                    account: Account::new(Limit::Kilobytes.name(), &tenant),
                    uncharged: 0,
                    waiting: None,
                })
            });
            inner.call(request).await
        })
    }
}

/// What is charged at once: a round of the limiter for each of it.
const CHARGED: usize = 64 << 10;
/// The longest that a body waits for its tenant's next bytes before it looks again.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A request's body whose bytes are charged as they come. Where there are too many it waits, so that the sender does.
struct Metered {
    body: Body,
    charge: Charge,
    account: Account,
    uncharged: usize,
    waiting: Option<Waiting>,
}

enum Waiting {
    /// For the limiter's answer.
    Answer(BoxFuture<'static, Taken>),
    /// Until there is room again.
    Room(Pin<Box<Sleep>>),
}

impl Metered {
    /// Waits until what has come is charged.
    fn poll_charged(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.waiting {
                None if self.uncharged < CHARGED => return Poll::Ready(()),
                None => {
                    let kilobytes = u32::try_from(self.uncharged >> 10).unwrap_or(u32::MAX);
                    let (charge, account) = (self.charge.clone(), self.account.clone());
                    self.waiting = Some(Waiting::Answer(Box::pin(async move {
                        charge
                            .limiter
                            .take(&account, charge.limits.kilobytes, kilobytes)
                            .await
                    })));
                }
                Some(Waiting::Answer(answer)) => {
                    self.waiting = match ready!(answer.as_mut().poll(context)) {
                        Taken::Allowed { .. } => {
                            self.uncharged &= (1 << 10) - 1;
                            None
                        }
                        Taken::Refused { retry_after } => {
                            Some(Waiting::Room(Box::pin(sleep(retry_after.min(LONGEST_WAIT)))))
                        }
                    };
                }
                Some(Waiting::Room(until)) => {
                    ready!(until.as_mut().poll(context));
                    self.waiting = None;
                }
            }
        }
    }
}

impl http_body::Body for Metered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        ready!(self.poll_charged(context));
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.uncharged += data.len();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
