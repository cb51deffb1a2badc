//! Follows the addresses of a target and the files of its certificates, for as long as anybody calls it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::sync::{Mutex, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout};
use tonic::codegen::http::uri::Authority;

use super::connection::Wiring;
use super::keeper::Keeper;
use super::members::{Down, Id};
use super::shared::Shared;
use super::target::{Target, TargetError};
use crate::tls::{LOOK_EVERY, client_config};
use crate::worker::Worker;

/// Calls that wait for addresses have them looked up so often.
const WANTED: Duration = Duration::from_millis(20);
/// For so long an address that is gone is called on, while none that stays can be.
const REPLACED: Duration = Duration::from_secs(2);

/// Says which addresses there are.
pub(super) type Lookup = Box<dyn Fn() -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// Why the endpoints stay as they are.
#[derive(Debug, Error)]
#[error("the addresses of {service} are as before: {why}")]
struct Unwired {
    service: String,
    why: String,
}

/// Keeps the endpoints of a target.
pub(super) struct Addresses {
    shared: Arc<Shared>,
    target: Target,
    authority: Authority,
    name: ServerName<'static>,
    lookup: Lookup,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    keepers: BTreeMap<SocketAddr, (Id, AbortHandle)>,
    tasks: JoinSet<()>,
    /// Of the certificates' files.
    material: Option<[u8; 32]>,
    wiring: Option<watch::Sender<Wiring>>,
}

impl Addresses {
    pub(super) fn new(shared: Arc<Shared>, target: Target, lookup: Lookup) -> Result<Self, TargetError> {
        let (authority, name) = target.checked()?;
        Ok(Self {
            shared,
            target,
            authority,
            name,
            lookup,
            known: Mutex::default(),
        })
    }

    /// Works until it is dropped.
    pub(super) async fn follow(self) {
        let wanted = async || {
            tokio::time::sleep(WANTED).await;
            self.shared.look.notified().await;
        };
        Worker::new("looking for the addresses of a service", LOOK_EVERY)
            .run(async || self.look().await, wanted)
            .await;
    }

    async fn look(&self) -> Result<(), Unwired> {
        let began = Instant::now();
        self.update().await.map_err(|why| {
            self.shared.lost(Down {
                began,
                why: why.as_str().into(),
            });
            Unwired {
                service: self.target.name.clone(),
                why,
            }
        })
    }

    async fn update(&self) -> Result<(), String> {
        let cannot_be = |why: String| format!("{} cannot be looked up: {why}", self.authority);
        let addresses = (self.lookup)()
            .await
            .map_err(|error| cannot_be(error.to_string()))?;
        if addresses.is_empty() {
            return Err(cannot_be("it has no address".to_owned()));
        }
        let addresses: BTreeSet<SocketAddr> = addresses.into_iter().collect();
        let mut known = self.known.lock().await;
        let wiring = self.wiring(&mut known)?;
        for address in &addresses {
            if !known.keepers.contains_key(address) {
                let (id, wake) = self.shared.insert(*address);
                let keeper = Keeper {
                    shared: Arc::clone(&self.shared),
                    id,
                    address: *address,
                    wake,
                    wiring: wiring.clone(),
                };
                let task = known.tasks.spawn(keeper.keep());
                known.keepers.insert(*address, (id, task));
            }
        }
        let gone: Vec<SocketAddr> = known
            .keepers
            .keys()
            .filter(|address| !addresses.contains(address))
            .copied()
            .collect();
        if !gone.is_empty() {
            let replaced = self.shared.any_open(|address| addresses.contains(&address));
            // Otherwise they are gone all the same.
            let _ = timeout(REPLACED, replaced).await;
        }
        for address in gone {
            if let Some((id, task)) = known.keepers.remove(&address) {
                task.abort();
                // Its calls go on to their ends.
                self.shared.remove(id);
            }
        }
        while known.tasks.try_join_next().is_some() {}
        Ok(())
    }

    /// How connections are made now. Files that do not fit together change nothing: they may be half written.
    fn wiring(&self, known: &mut Known) -> Result<watch::Receiver<Wiring>, String> {
        let material = match &self.target.tls {
            None => None,
            Some(files) => Some(files.read().map_err(|error| error.to_string())?.hash()),
        };
        if let Some(wiring) = known.wiring.as_ref().filter(|_| material == known.material) {
            return Ok(wiring.subscribe());
        }
        let tls = match &self.target.tls {
            None => None,
            Some(files) => {
                let loaded = files.load().map_err(|error| error.to_string())?;
                let config = client_config(&loaded).map_err(|error| error.to_string())?;
                Some((Arc::new(config), self.name.clone()))
            }
        };
        let wiring = Wiring {
            authority: self.authority.clone(),
            tls,
        };
        known.material = material;
        let sender = known
            .wiring
            .get_or_insert_with(|| watch::Sender::new(wiring.clone()));
        // A new receiver has seen what was there before it.
        sender.send_replace(wiring);
        Ok(sender.subscribe())
    }
}
