//! The section `[redis]` of a configuration.

use nopic_chassis::config::Reader;

use super::options::{Mode, Options, Tls};
use super::publisher::Publisher;

impl Options {
    /// Reads the section: one server by `url`, a cluster by `cluster`, or the primary that `sentinels` name `primary`.
    /// `None`: there is none, or a problem of it was noted.
    pub fn read(reader: &mut Reader) -> Option<Self> {
        let url = reader.text("redis.url");
        let cluster = reader.texts("redis.cluster");
        let sentinels = reader.texts("redis.sentinels");
        let primary = reader.text("redis.primary");
        let sentinel_password = reader.secret("redis.sentinel_password");
        let password = reader.secret("redis.password");
        let user = reader.text("redis.user");
        let deployment = reader.text("redis.deployment");
        let authority = reader.file("redis.authority");
        let mode = match (url, cluster, sentinels) {
            (None, None, None) => {
                if deployment.is_some() {
                    reader.problem("redis", "name the servers by url, cluster or sentinels");
                }
                return None;
            }
            (Some(url), None, None) => Mode::Single { url },
            (None, Some(nodes), None) => Mode::Cluster { nodes },
            (None, None, Some(nodes)) => Mode::Sentinel {
                nodes,
                primary: primary.unwrap_or_else(|| "mymaster".to_owned()),
                password: sentinel_password.map(|secret| secret.reveal().to_owned()),
            },
            _ => {
                reader.problem("redis", "give one of url, cluster and sentinels, not several");
                return None;
            }
        };
        let mut options = Self::new(mode, deployment.unwrap_or_else(|| "nopic".to_owned()));
        options.user = user;
        options.password = password.map(|secret| secret.reveal().to_owned());
        options.tls = authority.map(|roots| Tls {
            roots: Some(roots),
            client: None,
        });
        // What would be refused at the start is said now.
        if let Err(error) = Publisher::new(options.clone()) {
            reader.problem("redis", error);
        }
        Some(options)
    }
}
