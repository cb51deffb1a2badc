//! Values of rows, as both engines take and give them.

use serde::Serialize;

use crate::Error;

/// The rows of a statement as the one JSON text that it takes.
///
/// # Errors
/// A value has no form in JSON.
pub fn json(rows: impl Serialize) -> Result<String, Error> {
    serde_json::to_string(&rows).map_err(|error| Error::corrupt("statement parameters", error))
}

/// A number of a column that only numbers of 32 bits are written to.
///
/// # Errors
/// It is none.
pub fn small(what: &'static str, number: i64) -> Result<u32, Error> {
    u32::try_from(number).map_err(|_| Error::corrupt(what, number))
}
