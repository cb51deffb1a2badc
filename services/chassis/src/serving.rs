//! A server with health and reflection, from birth to drain.

use std::future::Future;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::part::{Front, Work};
use crate::roles::Protected;
pub use crate::served::{GrpcService, ServingError, serves};
use crate::transport::{self, ServerOptions};

/// How long open calls may take to end once the server is to stop.
pub const DRAIN: Duration = Duration::from_secs(10);

/// What is served: calls, and what stands in health and reflection.
#[derive(Debug, Clone)]
pub struct Served {
    /// The calls, behind the table of who may make them.
    pub calls: Protected,
    /// The services that they are of.
    pub services: Vec<GrpcService>,
    /// Services that are served elsewhere and called through here: they stand in reflection.
    pub behind: Vec<GrpcService>,
    /// Encoded sets of descriptors in which these services are.
    pub descriptors: Vec<&'static [u8]>,
}

/// Serves on the listener, with gRPC health and with reflection, until `stop` ends. Then it is not serving for whoever
/// asks, takes no new calls, and lets the open ones end within [`DRAIN`]. While `ready` says no, the services that need
/// what is gone do not serve by their health, nor does the whole where every service needs it. Nothing else changes.
/// A front takes the connections in place of the ordinary server.
///
/// # Errors
/// Where the server fails; open calls that outlast the drain are no error.
pub async fn serve(
    listener: TcpListener,
    served: Served,
    front: Option<Box<dyn Front>>,
    options: ServerOptions,
    ready: watch::Receiver<bool>,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), ServingError> {
    let Served {
        mut calls,
        services,
        behind,
        descriptors,
    } = served;
    let (health, health_service) = tonic_health::server::health_reporter();
    let health = Health {
        health,
        services: &services,
    };
    // A reporter says "serving" from birth for the whole server.
    health.say_all(ServingStatus::NotServing).await;
    let reflected: Vec<GrpcService> = services.iter().chain(&behind).copied().collect();
    calls.routes = calls
        .routes
        .add_service(health_service)
        .add_service(reflection(&reflected, &descriptors).build_v1()?)
        // Clients in use ask the version before.
        .add_service(reflection(&reflected, &descriptors).build_v1alpha()?);
    let (stopping, stopped) = oneshot::channel();
    let stopped = async {
        // Either way it is time to stop.
        let _ = stopped.await;
    };
    let mut server: Work<Result<(), ServingError>> = match front {
        Some(front) => front.serve(listener, calls, options, Box::pin(stopped)),
        None => Box::pin(async {
            let served = transport::serve(listener, calls, options, stopped).await;
            served.map_err(ServingError::from)
        }),
    };
    tokio::select! {
        served = &mut server => return served,
        () = health.follow(ready) => {}
        () = stop => {}
    }
    health.say_all(ServingStatus::NotServing).await;
    // The server listens for this as long as it is polled, which is below.
    let _ = stopping.send(());
    // Whoever watches has been told; without this it would go on watching, and hold up the end.
    health.clear().await;
    match tokio::time::timeout(DRAIN, server).await {
        Ok(served) => served,
        Err(_) => {
            tracing::warn!("calls were still open when the time to drain was over");
            Ok(())
        }
    }
}

/// What the services of a server say of their health, and the server as a whole.
struct Health<'a> {
    health: HealthReporter,
    services: &'a [GrpcService],
}

impl Health<'_> {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.services.iter().map(|service| service.name).chain([""])
    }

    async fn say_all(&self, status: ServingStatus) {
        for name in self.names() {
            self.health.set_service_status(name, status).await;
        }
    }

    async fn clear(&self) {
        let mut health = self.health.clone();
        for name in self.names() {
            health.clear_service_status(name).await;
        }
    }

    /// Says what is so, whenever it changes; never ends.
    async fn follow(&self, mut ready: watch::Receiver<bool>) {
        let status = |serves| {
            if serves {
                ServingStatus::Serving
            } else {
                ServingStatus::NotServing
            }
        };
        loop {
            let has_all = *ready.borrow_and_update();
            for service in self.services {
                let serves = has_all || !service.needs_all;
                self.health.set_service_status(service.name, status(serves)).await;
            }
            let serves = serves(self.services, has_all);
            self.health.set_service_status("", status(serves)).await;
            if ready.changed().await.is_err() {
                // Nobody says anything any more.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Tells the services that are here, and no others of the same contract.
fn reflection<'a>(
    services: &[GrpcService],
    descriptors: &[&'a [u8]],
) -> tonic_reflection::server::Builder<'a> {
    let health = tonic_health::pb::health_server::SERVICE_NAME;
    let reflections = [
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ];
    let mut builder = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .with_service_name(health);
    for reflection in reflections {
        builder = builder.with_service_name(reflection);
    }
    for set in descriptors {
        builder = builder.register_encoded_file_descriptor_set(set);
    }
    for service in services {
        builder = builder.with_service_name(service.name);
    }
    builder
}

/// Ends when the process is asked to stop: Ctrl-C, or SIGTERM. From this call on, not only once it is awaited, the
/// process does not end by them.
///
/// # Errors
/// The system does not let them be heard.
#[cfg(unix)]
pub fn stop_requested() -> std::io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    })
}

/// Ends when the process is asked to stop by Ctrl-C. From this call on, not only once it is awaited, the process does
/// not end by it.
///
/// # Errors
/// The system does not let it be heard.
#[cfg(windows)]
pub fn stop_requested() -> std::io::Result<impl Future<Output = ()> + Send> {
    let mut interrupted = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupted.recv().await;
    })
}
