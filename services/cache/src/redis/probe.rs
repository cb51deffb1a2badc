//! Asking Redis whether it is there, for those who only want to know.

use std::sync::Arc;

use ::redis::cmd;

use super::link::Link;
use super::options::{Options, OptionsError};

/// A way to Redis that nothing else uses: what it finds trips no breaker of a reader.
#[derive(Debug)]
pub struct Probe(Arc<Link>);

impl Probe {
    /// # Errors
    /// The options cannot be meant. No connection is made yet.
    pub fn new(options: Options) -> Result<Self, OptionsError> {
        Ok(Self(Link::new(options, Arc::default())?))
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// Why not, in words.
    pub async fn ping(&self) -> Result<(), String> {
        // Connecting, too, must fit in.
        let limit = self.0.options.connect_timeout;
        match self.0.ask(&[cmd("PING")], limit).await {
            Ok(_) => {
                self.0.sound();
                Ok(())
            }
            Err(failure) => Err(failure.to_string()),
        }
    }
}
