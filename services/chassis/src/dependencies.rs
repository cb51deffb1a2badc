//! What a process needs beside itself, looked at while it runs: what is hard makes it not ready, what is soft is only
//! told.
//!
//! Nothing restarts for it: a service whose database is gone says so by its health, and goes on when it is back; one
//! whose neighbour is gone stays ready and answers what it can.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::metrics::{Labels, Metrics};
use crate::rpc::client::Client;

/// How often each is looked at, and how long the look may take: what is gone shows within 6 s.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(3);

/// What follows when it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The service cannot answer: it is not ready.
    Hard,
    /// The service answers less: it stays ready.
    Soft,
}

impl Need {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
        }
    }
}

type Look = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// One of them.
pub struct Dependency {
    name: &'static str,
    need: Need,
    look: Look,
}

impl std::fmt::Debug for Dependency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name, self.need.as_str())
    }
}

impl Dependency {
    /// Of this name; `look` says why it is not there.
    pub fn new<F>(name: &'static str, need: Need, look: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self {
            name,
            need,
            look: Box::new(move || Box::pin(look())),
        }
    }

    /// Another service, which is asked for its health.
    #[must_use]
    pub fn service(name: &'static str, need: Need, client: Client) -> Self {
        Self::new(name, need, move || {
            let mut health = HealthClient::new(client.clone());
            async move {
                let asked = health.check(HealthCheckRequest::default()).await;
                match asked.map(|answer| answer.into_inner().status()) {
                    Ok(ServingStatus::Serving) => Ok(()),
                    Ok(_) => Err("it says that it does not serve".to_owned()),
                    Err(status) => Err(status.message().to_owned()),
                }
            }
        })
    }
}

/// Looks at them for as long as somebody wants to know whether every hard one is there. Until the first looks are over
/// they count as there: a service has used what is hard when it was opened.
#[must_use]
pub fn watch(dependencies: Vec<Dependency>, metrics: &Metrics) -> watch::Receiver<bool> {
    let states: Arc<[_]> = dependencies
        .iter()
        .map(|dependency| (dependency.name, dependency.need, AtomicBool::new(true)))
        .collect();
    let read = Arc::clone(&states);
    metrics.add_read(move |reading| {
        let labels: Vec<_> = read
            .iter()
            .map(|(name, need, is_there)| {
                let labels = [("dependency", *name), ("need", need.as_str())];
                (labels, i64::from(is_there.load(Ordering::Relaxed)))
            })
            .collect();
        let values: Vec<(&Labels, i64)> = labels
            .iter()
            .map(|(labels, value)| (&labels[..], *value))
            .collect();
        reading.gauge(
            "dependency_up",
            "Whether what the service needs is there",
            &values,
        )
    });
    let (ready, receiver) = watch::channel(true);
    let ready = Arc::new(ready);
    for (index, dependency) in dependencies.into_iter().enumerate() {
        let (states, ready) = (Arc::clone(&states), Arc::clone(&ready));
        tokio::spawn(async move {
            let Dependency { name, need, look } = dependency;
            let is_there = &states[index].2;
            while !ready.is_closed() {
                let found = tokio::time::timeout(PATIENCE, look())
                    .await
                    .unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())));
                if is_there.swap(found.is_ok(), Ordering::Relaxed) != found.is_ok() {
                    tell(name, need, &found);
                }
                let is_ready = states
                    .iter()
                    .all(|(_, need, is_there)| *need == Need::Soft || is_there.load(Ordering::Relaxed));
                ready.send_if_modified(|ready| std::mem::replace(ready, is_ready) != is_ready);
                tokio::select! {
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    () = ready.closed() => {}
                }
            }
        });
    }
    receiver
}

fn tell(dependency: &str, need: Need, found: &Result<(), String>) {
    match (found, need) {
        (Ok(()), _) => tracing::info!(dependency, "it is there again"),
        (Err(reason), Need::Hard) => {
            tracing::error!(dependency, reason, "it is gone: this server is not ready");
        }
        (Err(reason), Need::Soft) => {
            tracing::warn!(
                dependency,
                reason,
                "it is gone: this server answers what it can without it"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_what_is_hard_makes_a_server_not_ready() {
        let metrics = Metrics::default();
        let [hard, soft] = [(); 2].map(|()| Arc::new(AtomicBool::new(true)));
        let look = |flag: &Arc<AtomicBool>| {
            let flag = Arc::clone(flag);
            move || {
                let is_there = flag.load(Ordering::Relaxed);
                async move { is_there.then_some(()).ok_or_else(|| "switched off".to_owned()) }
            }
        };
        let mut ready = watch(
            vec![
                Dependency::new("database", Need::Hard, look(&hard)),
                Dependency::new("redis", Need::Soft, look(&soft)),
            ],
            &metrics,
        );
        let up = |name: &str, need: &str, value: u8| {
            let line = format!("dependency_up{{dependency=\"{name}\",need=\"{need}\"}} {value}");
            assert!(metrics.text().contains(&line), "{line}: {}", metrics.text());
        };
        up("database", "hard", 1);
        soft.store(false, Ordering::Relaxed);
        tokio::time::sleep(LOOK_EVERY * 2).await;
        assert!(*ready.borrow_and_update());
        up("redis", "soft", 0);
        hard.store(false, Ordering::Relaxed);
        ready.changed().await.unwrap();
        assert!(!*ready.borrow_and_update());
        up("database", "hard", 0);
        hard.store(true, Ordering::Relaxed);
        ready.changed().await.unwrap();
        assert!(*ready.borrow_and_update());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_hangs_is_gone() {
        let hangs = Dependency::new("database", Need::Hard, std::future::pending);
        let mut ready = watch(vec![hangs], &Metrics::default());
        let shown = tokio::time::timeout(Duration::from_secs(6), ready.changed()).await;
        assert!(shown.is_ok() && !*ready.borrow());
    }
}
