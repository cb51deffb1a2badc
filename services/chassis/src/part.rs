//! What a service brings to a process: one [`Part`], exported by its crate.
//!
//! `S` says where data are kept, `T` what tables there are, `J` is a journal of changes: types of `nopic-sql`, which this
//! crate does not know. Whoever hosts the parts opens them in the order in which they ask each other.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use nopic_domain::policy::Policy;
use thiserror::Error;
use tokio::net::TcpListener;
use tonic::service::RoutesBuilder;

use crate::clock::Clock;
use crate::config::Reader;
use crate::dependencies::Dependency;
use crate::draining::Draining;
use crate::metrics::Metrics;
use crate::roles::{Protected, Row};
use crate::rpc::client::Client;
use crate::served::{GrpcService, ServingError};
use crate::transport::ServerOptions;

/// A future that a part is left to.
pub type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A service before it is opened. A process serves one or several.
pub struct Part<S, T: 'static, J> {
    /// How others call it: in configurations, addresses and certificates.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// Whether it takes the connections of its process, in front of all that is served there.
    pub is_door: bool,
    /// Whether others hear of what happens in it.
    pub tells_events: bool,
    /// What it serves, for health.
    pub services: &'static [GrpcService],
    /// Who may call which of its methods.
    pub roles: &'static [Row],
    /// An encoded set of descriptors with these services.
    pub descriptors: fn() -> &'static [u8],
    /// The tables that it keeps; absent: none.
    pub schema: Option<&'static T>,
    /// The parts that it asks, and by which methods.
    pub asks: &'static [Asked],
    /// Reads what the configuration says to it, noting every problem; what comes of it opens the part.
    pub configure: fn(&mut Reader) -> Opener<S, J>,
}

/// Another part that is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Its name.
    pub part: &'static str,
    /// The methods that are called, as `package.Service/Method`; `*`: all.
    pub methods: &'static [&'static str],
}

impl Asked {
    /// A part of which whatever a caller calls is called.
    #[must_use]
    pub const fn everything(part: &'static str) -> Self {
        Self {
            part,
            methods: &["*"],
        }
    }
}

/// Opens a part that is configured.
pub type Opener<S, J> = Box<dyn FnOnce(Opening<S>) -> Work<Result<Open<J>, OpenError>> + Send>;

/// How long a process has a part, and what is in it beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// One command, which ends with its work.
    Command,
    /// A server with every part.
    All,
    /// A server with this part alone, beside others on the same database.
    Alone,
}

impl Process {
    /// Whether it serves until it is asked to stop.
    #[must_use]
    pub const fn is_server(self) -> bool {
        !matches!(self, Self::Command)
    }

    /// Whether it serves one part, beside others on the same database.
    #[must_use]
    pub const fn is_alone(self) -> bool {
        matches!(self, Self::Alone)
    }
}

/// With what a part is opened.
pub struct Opening<S> {
    /// Where its data are.
    pub storage: S,
    /// For temporary files. It exists, and belongs to this process.
    pub folder: PathBuf,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The policy of the deployment.
    pub policy: Arc<Policy>,
    /// Its text.
    pub policy_text: Arc<str>,
    /// Where numbers are read.
    pub metrics: Metrics,
    /// Says when streams are to end.
    pub draining: Draining,
    /// What kind of process this is.
    pub process: Process,
    /// The parts that this one asks, as far as they are there.
    pub clients: Clients,
    /// What every part offers, served here or elsewhere.
    pub offers: Vec<Offer>,
}

/// What a part offers to callers.
#[derive(Debug, Clone, Copy)]
pub struct Offer {
    /// The part's name.
    pub part: &'static str,
    /// Its services.
    pub services: &'static [GrpcService],
    /// Who may call which of its methods.
    pub roles: &'static [Row],
    /// An encoded set of descriptors with these services.
    pub descriptors: fn() -> &'static [u8],
}

/// A door: it takes the connections of a process in place of the ordinary server.
pub trait Front: Send {
    /// Whether anybody would be let in who shows a credential.
    fn knows_anybody(&self) -> Work<Result<bool, OpenError>>;

    /// Serves on the listener until `stop` ends, then takes no new calls and lets the open ones end.
    fn serve(
        self: Box<Self>,
        listener: TcpListener,
        calls: Protected,
        options: ServerOptions,
        stop: Work<()>,
    ) -> Work<Result<(), ServingError>>;
}

/// Ways to other parts, by their names.
#[derive(Debug, Clone, Default)]
pub struct Clients(BTreeMap<&'static str, Client>);

impl Clients {
    /// Adds the way to a part.
    pub fn insert(&mut self, part: &'static str, client: Client) {
        self.0.insert(part, client);
    }

    /// The way to a part; `None`: this process does not have it, as a command that needs it not.
    #[must_use]
    pub fn find(&self, part: &str) -> Option<&Client> {
        self.0.get(part)
    }

    /// The way to a part that must be there.
    ///
    /// # Errors
    /// It is not.
    pub fn require(&self, part: &'static str) -> Result<Client, OpenError> {
        self.find(part)
            .cloned()
            .ok_or_else(|| OpenError::new(Missing(part)))
    }
}

#[derive(Debug, Error)]
#[error("the {0} service is asked, and not there")]
struct Missing(&'static str);

/// A part that is open.
pub struct Open<J> {
    /// Adds what it serves.
    pub routes: Box<dyn Fn(&mut RoutesBuilder) + Send + Sync>,
    /// Its journal of changes; absent: it notes none.
    pub journal: Option<J>,
    /// What it needs beside its database and the parts that it asks.
    pub dependencies: Vec<Dependency>,
    /// What an earlier process left, to be finished before anything else is done; not by who only looks.
    pub recovery: Option<Work<()>>,
    /// What a server does beside its calls, each until it is dropped.
    pub background: Vec<Work<()>>,
    /// What takes the connections where the ordinary server does not.
    pub front: Option<Box<dyn Front>>,
}

impl<J> Open<J> {
    /// One that serves this, and nothing more.
    #[must_use]
    pub fn serving(routes: impl Fn(&mut RoutesBuilder) + Send + Sync + 'static) -> Self {
        Self {
            routes: Box::new(routes),
            journal: None,
            dependencies: Vec::new(),
            recovery: None,
            background: Vec::new(),
            front: None,
        }
    }
}

/// Why a part cannot be opened.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct OpenError(Box<dyn std::error::Error + Send + Sync>);

impl OpenError {
    /// By this cause.
    #[must_use]
    pub fn new(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Box::new(cause))
    }

    /// The cause.
    #[must_use]
    pub fn cause(&self) -> &(dyn std::error::Error + 'static) {
        &*self.0
    }
}

impl<S, T, J> fmt::Debug for Part<S, T, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for Opening<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening")
            .field("storage", &self.storage)
            .field("process", &self.process)
            .finish_non_exhaustive()
    }
}

impl<J> fmt::Debug for Open<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").finish_non_exhaustive()
    }
}
