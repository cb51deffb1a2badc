//! Places that a call has, of the process and of its tenant: kept until its answer was sent, whatever form that takes on its
//! way out, and free again when it is over or given up.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Request;

/// The places of a call, among the extensions of its request. Whoever sends the answer has them, too.
#[derive(Clone, Default)]
pub(crate) struct Places(Arc<Mutex<Vec<Box<dyn Any + Send>>>>);

impl Places {
    /// Gives a call this place.
    pub(crate) fn give(request: &mut Request, place: impl Send + 'static) {
        let places = request.extensions_mut().get_or_insert_default::<Self>();
        places
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Box::new(place));
    }

    /// Gives all of them back: the answer is over.
    pub(crate) fn give_back(&self) {
        let places = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        drop(places);
    }
}
