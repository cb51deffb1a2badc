//! What a process opens: all parts, those that a command needs, or one.

use std::path::Path;
use std::sync::Arc;

use nopic_chassis::balance::Balancer;
use nopic_chassis::clock::Clock;
use nopic_chassis::dependencies::{Dependency, Need};
use nopic_chassis::draining::Draining;
use nopic_chassis::metrics::Metrics;
use nopic_chassis::part::{Clients, Front, Offer, Open, OpenError, Process, Work};
use nopic_chassis::roles::{Protected, RoleTable, Row};
use nopic_chassis::rpc::client::{Client, ClientMetrics};
use nopic_chassis::serving::{GrpcService, Served};
use nopic_domain::policy::{Policy, SHIPPED};
use nopic_domain::principal::Principal;
use nopic_proto::events::event_service_server::EventServiceServer;
use nopic_sql::Journal;
use nopic_sql::audit::{Audit, Heads};
use nopic_sql::outbox::Outbox;
use tonic::service::{Routes, RoutesBuilder};

use crate::audit::Behind;
use crate::events::EventRpc;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::storage::Storage;
use crate::{Part, audit, events, find, transactions};

/// What all parts of a deployment share.
pub struct Deployment {
    /// Where the data are.
    pub storage: Storage,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    policy: Arc<Policy>,
    policy_text: Arc<str>,
}

impl Deployment {
    /// With this policy file in place of the shipped policy.
    ///
    /// # Errors
    /// The file cannot be read, or is no policy.
    pub fn new(storage: Storage, policy: Option<&Path>, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let (parsed, text) = read_policy(policy)?;
        Ok(Self {
            storage,
            clock,
            policy: Arc::new(parsed),
            policy_text: text.into(),
        })
    }
}

/// The policy of a file, or the shipped one, and its text.
///
/// # Errors
/// The file cannot be read, or is no policy.
pub fn read_policy(policy: Option<&Path>) -> Result<(Policy, String), Failure> {
    let text = match policy {
        None => SHIPPED.to_owned(),
        Some(path) => std::fs::read_to_string(path).map_err(|error| {
            Failure::new(format!(
                "The policy file {} cannot be read: {error}.",
                path.display()
            ))
        })?,
    };
    let parsed = Policy::parse(&text).map_err(|error| {
        let path = policy.unwrap_or(Path::new("the shipped policy")).display();
        Failure::new(format!(
            "{path} cannot be used:\n  - {}",
            error.problems.join("\n  - ")
        ))
        .advice(
            "Mend these places; `nopic policy check` looks again, `nopic policy show` prints a policy that works.",
        )
    })?;
    Ok((parsed, text))
}

/// With what parts are opened.
pub struct Opening<'a> {
    /// Those that there are.
    pub parts: &'a [Part],
    /// What they share.
    pub deployment: &'a Deployment,
    /// As they are configured.
    pub settings: Settings,
    /// Where their numbers are read.
    pub metrics: Metrics,
    /// Who calls where a call names nobody.
    pub caller: Option<Principal>,
}

/// Parts that are open.
pub struct Opened {
    /// What they serve.
    pub served: Served,
    /// Their audit logs: to be sealed by whoever opened them.
    pub audits: Vec<Audit>,
    /// What happened in them: to be forgotten when it is old.
    pub(crate) outboxes: Vec<Arc<dyn Outbox>>,
    /// What they need beside themselves.
    pub(crate) dependencies: Vec<Dependency>,
    /// What their streams listen to: whoever serves them says by it that they are to end.
    pub(crate) draining: Draining,
    /// What an earlier process left.
    recovery: Vec<Work<()>>,
    /// What a server does beside its calls.
    background: Vec<Work<()>>,
    /// What takes its connections; absent: the ordinary server.
    pub(crate) front: Option<Box<dyn Front>>,
}

impl Opened {
    /// Finishes what an earlier process left: whoever only looks leaves it as it is.
    pub async fn recover(&mut self) {
        for work in self.recovery.drain(..) {
            work.await;
        }
    }

    /// Begins what a server does beside its calls. It ends with the process, and is taken up again wherever it stood.
    pub fn work(&mut self) {
        for work in self.background.drain(..) {
            tokio::spawn(work);
        }
    }
}

type OpenPart = Open<Journal>;

impl Opening<'_> {
    /// Opens those of these names, or all where none is named, in this process: each asks the others in memory, by the
    /// same clients as over a socket.
    ///
    /// # Errors
    /// A database or a part of the configuration cannot be used.
    pub async fn together(mut self, names: &[&str], process: Process) -> Result<Opened, Failure> {
        self.deployment.storage.check().await?;
        let draining = Draining::default();
        let mut open: Vec<(&Part, OpenPart)> = Vec::new();
        for part in self.parts {
            if !names.is_empty() && !names.contains(&part.name) {
                continue;
            }
            let mut clients = Clients::default();
            // A door hands calls on to what its process serves, without a client.
            let asks = if part.is_door { &[] } else { part.asks };
            for asked in asks {
                if let Some((other, open)) = open.iter().find(|(other, _)| other.name == asked.part) {
                    let mut routes = RoutesBuilder::default();
                    (open.routes)(&mut routes);
                    let journal = open.journal.iter().filter(|_| other.tells_events);
                    let outbox = journal.map(|journal| Arc::clone(&journal.outbox));
                    routes.add_service(self.events(outbox.collect(), Vec::new(), &draining));
                    let calls = protect(
                        &[other.roles, events::ROLES],
                        routes.routes(),
                        self.caller.clone(),
                    )?;
                    clients.insert(asked.part, Client::in_memory(calls, asked.part, part.name));
                }
            }
            let opened = self.part(part, process, clients, &draining).await?;
            open.push((part, opened));
        }
        self.finish(open, draining, Vec::new(), Vec::new())
    }

    /// Opens one, which asks the others over the network.
    ///
    /// # Errors
    /// Its database, its configuration or its way to another part cannot be used.
    pub async fn alone(mut self, part: &Part) -> Result<Opened, Failure> {
        self.deployment.storage.check().await?;
        let calls = ClientMetrics::new(&self.metrics);
        let draining = Draining::default();
        let mut clients = Clients::default();
        let mut dependencies = Vec::new();
        let mut logs_behind = Vec::new();
        for asked in part.asks {
            let client = self.over_the_network(asked.part, &calls)?;
            let other = find(self.parts, asked.part);
            if let Some((other, schema)) = other.and_then(|other| Some((other, other.schema?)))
                && part.is_door
            {
                logs_behind.push(Behind {
                    service: schema.name,
                    tells_events: other.tells_events,
                    client: client.clone(),
                });
            }
            // Without it the part answers less: what would need it is indeterminate.
            dependencies.push(Dependency::service(asked.part, Need::Soft, client.clone()));
            clients.insert(asked.part, client);
        }
        let open = self.part(part, Process::Alone, clients, &draining).await?;
        let is_plain_text = self.caller.is_some();
        let mut opened = self.finish(vec![(part, open)], draining, dependencies, logs_behind)?;
        if is_plain_text {
            // A caller shows no name there.
            opened.served.calls = opened.served.calls.trust_nameless_clients();
        }
        Ok(opened)
    }

    /// What happens in these parts, to be told.
    fn events(
        &self,
        here: Vec<Arc<dyn Outbox>>,
        behind: Vec<Behind>,
        draining: &Draining,
    ) -> EventServiceServer<EventRpc> {
        events::service(here, behind, Arc::clone(&self.deployment.clock), draining.clone())
    }

    fn over_the_network(&self, part: &'static str, calls: &ClientMetrics) -> Result<Client, Failure> {
        let balancer = Balancer::new(self.settings.target(part)?).map_err(|error| {
            Failure::new(format!("The {part} service cannot be asked: {error}."))
                .advice(format!("See [upstream.{part}] and [tls]."))
        })?;
        Ok(Client::new(balancer, part).counted(calls))
    }

    async fn part(
        &mut self,
        part: &Part,
        process: Process,
        clients: Clients,
        draining: &Draining,
    ) -> Result<OpenPart, Failure> {
        let Some(opener) = self.settings.openers.remove(part.name) else {
            return Err(Failure::new(format!(
                "The {} service was not configured.",
                part.name
            )));
        };
        let Deployment {
            storage,
            clock,
            policy,
            policy_text,
        } = self.deployment;
        let opening = nopic_chassis::part::Opening {
            storage: storage.location.clone(),
            folder: storage.folder.clone(),
            clock: Arc::clone(clock),
            policy: Arc::clone(policy),
            policy_text: Arc::clone(policy_text),
            metrics: self.metrics.clone(),
            draining: draining.clone(),
            process,
            clients,
            offers: offers(self.parts),
        };
        opener(opening)
            .await
            .map_err(|error| not_open(part.name, &error, storage))
    }

    fn finish(
        self,
        open: Vec<(&Part, OpenPart)>,
        draining: Draining,
        mut dependencies: Vec<Dependency>,
        logs_behind: Vec<Behind>,
    ) -> Result<Opened, Failure> {
        let storage = &self.deployment.storage;
        dependencies.extend(storage.dependency());
        let mut routes = RoutesBuilder::default();
        let mut roles = Vec::new();
        let mut services: Vec<GrpcService> = Vec::new();
        let mut descriptors: Vec<&'static [u8]> = Vec::new();
        let (mut audits, mut outboxes) = (Vec::new(), Vec::new());
        let (mut recovery, mut background) = (Vec::new(), Vec::new());
        let mut front = None;
        for (part, open) in open {
            (open.routes)(&mut routes);
            roles.push(part.roles);
            services.extend(part.services);
            let own = (part.descriptors)();
            if !descriptors.contains(&own) {
                descriptors.push(own);
            }
            let heads = || Heads::in_data_folder(&storage.folder);
            if let Some(journal) = open.journal {
                audits.push(Audit::new(journal.audit, heads()));
                if part.tells_events {
                    outboxes.push(journal.outbox);
                }
            }
            dependencies.extend(open.dependencies);
            recovery.extend(open.recovery);
            background.extend(open.background);
            front = front.or(open.front);
        }
        if !audits.is_empty() {
            transactions::add(&self.metrics, &audits);
            services.push(audit::SERVICE);
            roles.push(audit::ROLES);
            routes.add_service(audit::service(&audits, logs_behind.clone()));
        }
        let mut tellers_behind = logs_behind;
        tellers_behind.retain(|behind| behind.tells_events);
        if !outboxes.is_empty() || !tellers_behind.is_empty() {
            services.push(events::SERVICE);
            roles.push(events::ROLES);
            routes.add_service(self.events(outboxes.clone(), tellers_behind, &draining));
        }
        Ok(Opened {
            served: Served {
                calls: protect(&roles, routes.routes(), self.caller)?,
                behind: if front.is_some() {
                    behind(self.parts, &services)
                } else {
                    Vec::new()
                },
                services,
                descriptors,
            },
            audits,
            outboxes,
            dependencies,
            draining,
            recovery,
            background,
            front,
        })
    }
}

/// The services of parts that are served elsewhere.
fn behind(parts: &[Part], here: &[GrpcService]) -> Vec<GrpcService> {
    let all = parts.iter().flat_map(|part| part.services);
    all.filter(|service| !here.contains(service)).copied().collect()
}

/// What each part offers, and what a process serves beside its parts.
fn offers(parts: &[Part]) -> Vec<Offer> {
    parts
        .iter()
        .map(|part| Offer {
            part: part.name,
            services: part.services,
            roles: part.roles,
            descriptors: part.descriptors,
        })
        .collect()
}

/// These routes behind the tables of who may call them.
fn protect(roles: &[&[Row]], routes: Routes, caller: Option<Principal>) -> Result<Protected, Failure> {
    let table =
        RoleTable::new(roles).map_err(|error| Failure::new(format!("Nothing is served: {error}.")))?;
    Ok(table.protect(routes, caller))
}

/// A part did not open: mostly because of its database.
fn not_open(name: &str, error: &OpenError, storage: &Storage) -> Failure {
    let mut cause = Some(error.cause());
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<nopic_sql::Error>() {
            return storage.unusable(error);
        }
        cause = error.source();
    }
    Failure::new(format!("The {name} service cannot be opened: {error}."))
}
