//! What a server shows of itself: its log, its traces, and the admin port with its numbers.

use std::io::IsTerminal as _;
use std::net::SocketAddr;

use nopic_chassis::admin::{self, Admin, Stage};
use nopic_chassis::metrics::Metrics;
use nopic_chassis::process;
use nopic_chassis::serving::{GrpcService, serves};
use nopic_chassis::telemetry::{DEFAULT_FILTER, LogFilter, LogFormat, Options, Telemetry, Traces};
use nopic_sql::Location;
use tokio::sync::watch;

use crate::failure::Failure;
use crate::listening::{Reserved, reachable};

/// How a server is told to show itself.
#[derive(Debug, Default)]
pub struct ObservabilitySettings {
    /// Address of the admin port; absent: there is none.
    pub admin: Option<SocketAddr>,
    /// Whether the log is JSON; absent: where nobody sits before it and the service is alone.
    pub json: Option<bool>,
    /// Of the log, in the form of `tracing-subscriber`; absent: the default.
    pub filter: Option<String>,
    /// Where traces go; absent: nowhere.
    pub traces: Option<Traces>,
}

impl ObservabilitySettings {
    /// Whether the log of a server is JSON.
    #[must_use]
    pub fn is_json(&self, is_alone: bool) -> bool {
        self.json
            .unwrap_or_else(|| is_alone && !std::io::stderr().is_terminal())
    }
}

/// What the log of a server is where its configuration does not say.
#[derive(Debug, Clone, Default)]
pub struct LogFallback {
    /// In the form of `tracing-subscriber`; empty: the default.
    pub filter: String,
    /// Whether whoever reads it on a terminal minds no colour.
    pub colour: bool,
}

/// What observes a server while it runs.
#[derive(Debug)]
pub struct Observability {
    /// Its numbers.
    pub metrics: Metrics,
    stage: watch::Sender<Stage>,
    filter: Option<LogFilter>,
    telemetry: Option<Telemetry>,
}

impl Observability {
    /// Numbers that nobody reads: for a command that serves beside its work, and has a log already.
    #[must_use]
    pub fn unseen() -> Self {
        Self {
            metrics: Metrics::default(),
            stage: watch::Sender::new(Stage::Starting),
            filter: None,
            telemetry: None,
        }
    }

    /// Starts log and traces of a server of this name.
    ///
    /// # Errors
    /// They cannot be as they are configured.
    pub fn start(
        service: &'static str,
        is_alone: bool,
        settings: &ObservabilitySettings,
        location: &Location,
        fallback: LogFallback,
    ) -> Result<Self, Failure> {
        let format = if settings.is_json(is_alone) {
            LogFormat::Json
        } else {
            LogFormat::Text {
                colour: std::io::stderr().is_terminal() && fallback.colour,
            }
        };
        let mut filter = settings.filter.clone().unwrap_or(fallback.filter);
        if filter.trim().is_empty() && is_alone {
            // Who serves others alone says as what it starts, and of each call who made it and how it ended.
            filter = format!("{DEFAULT_FILTER},nopic::start=info,nopic::access=info");
        }
        let options = Options {
            service,
            database: match location {
                Location::Folder(_) => "sqlite",
                Location::Postgres(_) => "postgresql",
            },
            format,
            filter,
            traces: settings.traces.clone(),
        };
        let telemetry = Telemetry::start(options).map_err(|error| {
            Failure::new(format!("Log and traces cannot be started: {error}."))
                .advice("See [telemetry] (and NOPIC_LOG).")
        })?;
        let unseen = Self::unseen();
        process::add(&unseen.metrics);
        Ok(Self {
            filter: Some(telemetry.filter()),
            telemetry: Some(telemetry),
            ..unseen
        })
    }

    /// Opens the admin port, where one is configured; gives where it is reached from this machine.
    ///
    /// # Errors
    /// It cannot be listened on.
    pub async fn open_admin(&self, settings: &ObservabilitySettings) -> Result<Option<SocketAddr>, Failure> {
        let Some(address) = settings.admin else {
            return Ok(None);
        };
        let listener = Reserved::new(address)?.listen()?;
        let bound = listener
            .local_addr()
            .map_err(|error| Failure::new(format!("The admin port cannot be told: {error}.")))?;
        let admin = Admin {
            metrics: self.metrics.clone(),
            filter: self.filter.clone(),
            stage: self.stage.subscribe(),
        };
        tokio::spawn(async move {
            if let Err(error) = admin::serve(listener, admin).await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the admin port is closed"
                );
            }
        });
        Ok(Some(reachable(bound)))
    }

    /// Shows whether the server is ready, from now until it drains.
    pub(crate) fn follow(&self, services: Vec<GrpcService>, mut ready: watch::Receiver<bool>) {
        let stage = self.stage.clone();
        tokio::spawn(async move {
            loop {
                let now = if serves(&services, *ready.borrow_and_update()) {
                    Stage::Ready
                } else {
                    Stage::NotReady
                };
                stage.send_if_modified(|stage| {
                    let goes_on = *stage != Stage::Draining && *stage != now;
                    if goes_on {
                        *stage = now;
                    }
                    goes_on
                });
                if ready.changed().await.is_err() {
                    return;
                }
            }
        });
    }

    /// The server takes no new calls.
    pub(crate) fn draining(&self) {
        self.stage.send_replace(Stage::Draining);
    }

    /// The server has ended: what is left of its traces is sent.
    pub(crate) async fn end(self) {
        if let Some(telemetry) = self.telemetry {
            // It waits for the receiver; a failure of that task changes nothing any more.
            let _ = tokio::task::spawn_blocking(move || telemetry.end()).await;
        }
    }
}
