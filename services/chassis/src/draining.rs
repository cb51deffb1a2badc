//! The word that a server drains: said once by whoever serves, heard by calls that would go on for long.

use tokio::sync::watch;

/// Whether a server drains. Clones share the word; by itself a new one never drains.
#[derive(Debug, Clone)]
pub struct Draining(watch::Sender<bool>);

impl Default for Draining {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Draining {
    /// Says that streams are to end soon. It cannot be taken back.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was said.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends when it is said; at once where it was.
    pub async fn begun(&self) {
        let mut heard = self.0.subscribe();
        // The sender is ours, so it lives on. The guard of the value must not live on beside what is awaited elsewhere.
        drop(heard.wait_for(|begun| *begun).await);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn every_clone_hears_it_before_and_after() {
        let draining = Draining::default();
        let heard = draining.clone();
        let waiting = tokio::spawn({
            let heard = heard.clone();
            async move { heard.begun().await }
        });
        assert!(!heard.has_begun() && heard.begun().now_or_never().is_none());
        draining.begin();
        waiting.await.unwrap();
        assert!(heard.has_begun() && heard.begun().now_or_never().is_some());
        assert!(!Draining::default().has_begun());
    }
}
