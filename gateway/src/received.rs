//! What came of a request in the form in which it came: it is put into another form before it is charged.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that nobody was charged for yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received(Arc<AtomicUsize>);

impl Received {
    /// So many more.
    pub(crate) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// All there are.
    pub(crate) fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}
