//! Making connections, for each of the three ways in which Redis is run.

use std::fmt;

use ::redis::aio::{MultiplexedConnection, PubSub};
use ::redis::cluster::ClusterClient;
use ::redis::cluster_async::ClusterConnection;
use ::redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use ::redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo,
    IntoConnectionInfo as _, Pipeline, RedisResult, TlsCertificates, TlsMode, Value,
};
use futures::future::try_join_all;

use super::options::{Mode, Options, OptionsError, Tls};

/// A connection over which many calls go at once. Clones share it.
#[derive(Clone)]
pub(super) enum Connection {
    /// To one server.
    One(MultiplexedConnection),
    /// To every node of a cluster.
    Cluster(ClusterConnection),
}

impl Connection {
    /// The answers to these commands, which go out together: in one round trip to each server.
    pub(super) async fn ask(&mut self, commands: &[Cmd]) -> RedisResult<Vec<Value>> {
        match self {
            Self::One(connection) => {
                let mut pipeline = Pipeline::with_capacity(commands.len());
                for command in commands {
                    pipeline.add_command(command.clone());
                }
                pipeline.query_async(connection).await
            }
            // A pipeline of a cluster goes to one slot only. Single commands go out without waiting for each other.
            Self::Cluster(connection) => {
                let answers = commands.iter().map(|command| {
                    let mut connection = connection.clone();
                    async move { command.query_async(&mut connection).await }
                });
                try_join_all(answers).await
            }
        }
    }
}

/// What can make connections.
pub(super) enum Opener {
    Single(Box<Client>),
    Sentinel(Box<tokio::sync::Mutex<SentinelClient>>),
    /// The client, and one for each named node, for subscriptions.
    Cluster(Box<ClusterClient>, Vec<Client>),
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener")
    }
}

impl Opener {
    /// # Errors
    /// The options cannot be meant.
    pub(super) fn new(options: &Options) -> Result<Self, OptionsError> {
        options.check()?;
        // Without a process-wide choice rustls asks its caller; an earlier choice stands, so the result says nothing.
        let _ = ::rustls::crypto::ring::default_provider().install_default();
        Self::open(options).map_err(|error| OptionsError::Refused(error.to_string()))
    }

    fn open(options: &Options) -> RedisResult<Self> {
        match &options.mode {
            Mode::Single { url } => Ok(Self::Single(Box::new(client(url, options)?))),
            Mode::Cluster { nodes } => {
                let infos = nodes
                    .iter()
                    .map(|url| info(url, options))
                    .collect::<RedisResult<Vec<_>>>()?;
                let mut builder = ClusterClient::builder(infos)
                    .connection_timeout(options.connect_timeout)
                    // Callers are bounded by their own limits, the longest of which is the publisher's.
                    .response_timeout(options.publish_timeout);
                if let Some(tls) = &options.tls {
                    builder = builder.certs(certificates(tls));
                }
                let clients = nodes.iter().map(|url| client(url, options));
                Ok(Self::Cluster(
                    Box::new(builder.build()?),
                    clients.collect::<RedisResult<_>>()?,
                ))
            }
            Mode::Sentinel {
                nodes,
                primary,
                password,
            } => {
                let addresses = nodes
                    .iter()
                    .map(|url| Ok(url.as_str().into_connection_info()?.addr().clone()))
                    .collect::<RedisResult<Vec<_>>>()?;
                let secure = addresses
                    .iter()
                    .any(|address| matches!(address, ConnectionAddr::TcpTls { .. }));
                let mut builder = SentinelClientBuilder::new(addresses, primary, SentinelServerType::Master)?;
                if secure {
                    builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
                }
                if let Some(tls) = &options.tls {
                    builder = builder
                        .set_client_to_redis_certificates(certificates(tls))
                        .set_client_to_sentinel_certificates(certificates(tls));
                }
                if let Some(user) = &options.user {
                    builder = builder.set_client_to_redis_username(user);
                }
                if let Some(password) = &options.password {
                    builder = builder.set_client_to_redis_password(password);
                }
                if let Some(password) = password {
                    builder = builder.set_client_to_sentinel_password(password);
                }
                Ok(Self::Sentinel(Box::new(builder.build()?.into())))
            }
        }
    }

    pub(super) async fn connection(&self, options: &Options) -> RedisResult<Connection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(options.connect_timeout))
            .set_response_timeout(Some(options.publish_timeout));
        Ok(match self {
            Self::Single(client) => Connection::One(
                client
                    .get_multiplexed_async_connection_with_config(&config)
                    .await?,
            ),
            // The sentinels are asked each time, so a connection made after a failover is to the new primary.
            Self::Sentinel(client) => Connection::One(
                client
                    .lock()
                    .await
                    .get_async_connection_with_config(&config)
                    .await?,
            ),
            Self::Cluster(client, _) => Connection::Cluster(client.get_async_connection().await?),
        })
    }

    /// A connection for messages. Every node of a cluster passes them on, so any will do; another turn, another node.
    pub(super) async fn pubsub(&self, turn: usize) -> RedisResult<PubSub> {
        match self {
            Self::Single(client) => client.get_async_pubsub().await,
            Self::Sentinel(client) => {
                let primary = client.lock().await.async_get_client().await?;
                primary.get_async_pubsub().await
            }
            // There is a node: options without one are refused.
            Self::Cluster(_, nodes) => nodes[turn % nodes.len()].get_async_pubsub().await,
        }
    }
}

fn info(url: &str, options: &Options) -> RedisResult<ConnectionInfo> {
    let info = url.into_connection_info()?;
    let mut settings = info.redis_settings().clone();
    if let Some(user) = &options.user {
        settings = settings.set_username(user);
    }
    if let Some(password) = &options.password {
        settings = settings.set_password(password);
    }
    Ok(info.set_redis_settings(settings))
}

fn client(url: &str, options: &Options) -> RedisResult<Client> {
    let info = info(url, options)?;
    match &options.tls {
        Some(tls) => Client::build_with_tls(info, certificates(tls)),
        None => Client::open(info),
    }
}

fn certificates(tls: &Tls) -> TlsCertificates {
    TlsCertificates {
        client_tls: tls
            .client
            .clone()
            .map(|(client_cert, client_key)| ClientTlsConfig {
                client_cert,
                client_key,
            }),
        root_cert: tls.roots.clone(),
    }
}
