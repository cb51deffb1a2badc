//! A message as JSON: ProtoJSON, without fields that have their default value, 64-bit numbers as texts.

use prost_reflect::{DynamicMessage, SerializeOptions};
use serde_json::Value;

/// As text, on one line.
pub(crate) fn message(message: &DynamicMessage) -> Vec<u8> {
    let mut json = Vec::with_capacity(256);
    append(message, &mut json);
    json
}

/// As text behind what is there.
pub(crate) fn append(message: &DynamicMessage, json: &mut Vec<u8>) {
    let start = json.len();
    let mut serializer = serde_json::Serializer::new(&mut *json);
    if message
        .serialize_with_options(&mut serializer, &SerializeOptions::new())
        .is_err()
    {
        // Only moments and spans outside of their range cannot be written, and the contract has none.
        json.truncate(start);
        json.extend_from_slice(b"{}");
    }
}

/// As a value.
pub(crate) fn value(message: &DynamicMessage) -> Value {
    serde_json::from_slice(&self::message(message)).unwrap_or_default()
}
