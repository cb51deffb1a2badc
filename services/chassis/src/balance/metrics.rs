//! Numbers of every balancer of a process, by target.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::shared::Shared;
use crate::metrics::{Labels, Metrics};

/// The balancers that are counted. Targets are named by the program, never by a caller.
#[derive(Debug, Clone, Default)]
pub(crate) struct BalanceMetrics(Arc<Mutex<Vec<Counted>>>);

/// A target, and what is known of it while anybody calls it.
type Counted = (&'static str, Weak<Shared>);

impl BalanceMetrics {
    /// Read there.
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let balancers = Self::default();
        let read = balancers.clone();
        metrics.add_read(move |reading| {
            let (mut endpoints, mut ejections, mut retries) = (Vec::new(), Vec::new(), Vec::new());
            for (
                target,
                [
                    connected,
                    connecting,
                    ejected,
                    out,
                    not_taken,
                    idempotent,
                    unaffordable,
                ],
            ) in read.sums()
            {
                for (state, number) in [
                    ("connected", connected),
                    ("connecting", connecting),
                    ("ejected", ejected),
                ] {
                    endpoints.push(([("target", target), ("state", state)], number));
                }
                ejections.push(([("target", target)], out));
                for (reason, number) in [
                    ("not_taken", not_taken),
                    ("idempotent", idempotent),
                    ("over_budget", unaffordable),
                ] {
                    retries.push(([("target", target), ("reason", reason)], number));
                }
            }
            let endpoints: Vec<(&Labels, i64)> = endpoints
                .iter()
                .map(|(labels, number)| (&labels[..], *number))
                .collect();
            reading.gauge(
                "client_endpoints",
                "Endpoints of the services that this process asks",
                &endpoints,
            )?;
            reading.counter(
                "client_ejections",
                "Endpoints that were left alone for failures in a row",
                &counted(&ejections),
            )?;
            reading.counter(
                "client_retries",
                "Calls that were made again, or would have been but for the budget",
                &counted(&retries),
            )
        });
        balancers
    }

    /// Counts one.
    pub(super) fn add(&self, target: &'static str, shared: &Arc<Shared>) {
        let mut balancers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_this = (target, Arc::downgrade(shared));
        if !balancers.iter().any(|(_, known)| known.ptr_eq(&of_this.1)) {
            balancers.push(of_this);
        }
    }

    fn sums(&self) -> BTreeMap<&'static str, [i64; 7]> {
        let mut sums: BTreeMap<_, [i64; 7]> = BTreeMap::new();
        let balancers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (target, shared) in balancers.iter() {
            let Some(shared) = shared.upgrade() else { continue };
            let (states, counts) = (shared.states(), &shared.counts);
            let counts = [
                &counts.ejections,
                &counts.not_taken,
                &counts.idempotent,
                &counts.unaffordable,
            ]
            .map(|count| i64::try_from(count.get()).unwrap_or(i64::MAX));
            let numbers = [states.connected, states.connecting, states.ejected]
                .into_iter()
                .chain(counts);
            for (sum, number) in sums.entry(*target).or_default().iter_mut().zip(numbers) {
                *sum += number;
            }
        }
        sums
    }
}

fn counted<'a, const N: usize>(
    values: &'a [([(&'static str, &'static str); N], i64)],
) -> Vec<(&'a Labels, u64)> {
    values
        .iter()
        // Counts are not negative.
        .map(|(labels, number)| (&labels[..], number.unsigned_abs()))
        .collect()
}
