//! Places that a call has, of the process and of its tenant: kept until its answer was sent, whatever form that takes on its
//! way out, and free again when it is over or given up.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use nopic_chassis::gate::{OpenCall, Usage};

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

    fn give_back(&self) {
        let places = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        drop(places);
    }
}

/// A call that is under way, as its connection sees it: when this is dropped it is over, whoever still has its request.
pub(crate) struct UnderWay {
    _call: OpenCall,
    places: Places,
}

impl UnderWay {
    /// A call of a connection, with the places that it will get.
    pub(crate) fn begin(usage: &Arc<Usage>, places: Places) -> Self {
        Self {
            _call: OpenCall::begin(usage),
            places,
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.places.give_back();
    }
}
