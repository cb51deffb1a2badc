//! Whether Redis is there, for those who only want to know.

use std::sync::Arc;

use ::redis::cmd;
use nopic_chassis::dependencies::{Dependency, Need};

use super::link::{Link, Purpose};
use super::options::Options;

impl Options {
    /// Redis as what a service has beside itself: without it the service answers less quickly, but does. Nothing else
    /// uses this way to it: what is found trips no breaker of a reader. `None`: the options cannot be meant.
    #[must_use]
    pub fn dependency(&self) -> Option<Dependency> {
        let link = Arc::new(Link::new(self.clone(), Arc::default(), Purpose::Probing).ok()?);
        Some(Dependency::new("redis", Need::Soft, move || {
            let link = Arc::clone(&link);
            async move { ping(&link).await }
        }))
    }
}

/// Whether it answers; why not, in words.
async fn ping(link: &Arc<Link>) -> Result<(), String> {
    // Connecting, too, must fit in.
    let limit = link.options.connect_timeout;
    match link.ask(&[cmd("PING")], limit).await {
        Ok(_) => {
            link.sound();
            Ok(())
        }
        Err(failure) => Err(failure.to_string()),
    }
}
