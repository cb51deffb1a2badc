//! What a request weighs in memory once it is decoded, told by its bytes before it is.
//!
//! A message can grow to three hundred times its bytes: an empty line takes two of them on the wire. So its bytes are walked
//! first, by the descriptors of the contract: every element and text is counted, nothing is allocated, and whatever the
//! decoder would not take is found there, with its place.

mod shape;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::HashMap;

use prost::Message as _;
use prost_types::FileDescriptorSet;
use thiserror::Error;

use shape::Shapes;

/// Bytes of a request that holds a batch: 10,000 lines with long texts.
const BATCH_BYTES: u32 = 16 << 20;
/// Bytes of every other one: a chunk of a mebibyte, and what stands around it. One that is a little longer is told so by
/// whoever takes chunks.
const OTHER_BYTES: u32 = (1 << 20) + (64 << 10);

/// The requests that hold batches.
const BATCHES: &[&str] = &[
    "nopic.certificate.v1.BatchGetCertificatesRequest",
    "nopic.certificate.v1.BatchGetForValidationRequest",
    "nopic.certificate.v1.SetDrawsRequest",
    "nopic.entry_validation.v1.AmendEntryRequest",
    "nopic.entry_validation.v1.FileEntriesRequest",
    "nopic.entry_validation.v1.FileStreamRequest",
    "nopic.entry_validation.v1.ValidateEntriesRequest",
    "nopic.entry_validation.v1.ValidateStreamRequest",
    "nopic.registry.v1.BatchGetStatusRequest",
];

/// Why a message is not decoded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Undecodable {
    /// It is no message of its type.
    #[error("{}: {reason}", if place.is_empty() { "the message" } else { place })]
    Malformed {
        /// Where, by the names of the `.proto` files; empty: the message itself.
        place: String,
        /// What is wrong there.
        reason: &'static str,
    },
    /// It would take too much memory.
    #[error(
        "the message holds too many values: they take more than {most} bytes in memory; send it in parts"
    )]
    TooHeavy {
        /// How much it may take.
        most: usize,
    },
}

/// The methods of a contract with the shapes of their requests.
#[derive(Debug)]
pub struct Requests {
    shapes: Shapes,
    methods: HashMap<String, Request>,
}

/// The requests of one method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    shape: usize,
    /// Bytes that one may have, unpacked.
    pub most_bytes: u32,
    /// Whether a call has several.
    pub is_stream: bool,
}

impl Requests {
    /// Those of these encoded sets of descriptors.
    #[must_use]
    pub fn read<'s>(sets: impl IntoIterator<Item = &'s [u8]>) -> Self {
        // Descriptors that this build made can be read.
        let files: Vec<_> = sets
            .into_iter()
            .filter_map(|set| FileDescriptorSet::decode(set).ok())
            .flat_map(|set| set.file)
            .collect();
        let shapes = Shapes::of(&files);
        let mut methods = HashMap::new();
        for file in &files {
            for service in &file.service {
                for method in &service.method {
                    let input = method.input_type().trim_start_matches('.');
                    let Some(shape) = shapes.named(input) else {
                        continue;
                    };
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    let request = Request {
                        shape,
                        most_bytes: if BATCHES.contains(&input) {
                            BATCH_BYTES
                        } else {
                            OTHER_BYTES
                        },
                        is_stream: method.client_streaming(),
                    };
                    methods.insert(path, request);
                }
            }
        }
        Self { shapes, methods }
    }

    /// The requests of the method at a path, `/package.Service/Method`.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<Request> {
        self.methods.get(path).copied()
    }

    /// How many bytes a request takes in memory beside those on the wire.
    ///
    /// # Errors
    /// It cannot be decoded, or takes more than `most`.
    pub fn weigh(&self, request: Request, message: &[u8], most: usize) -> Result<usize, Undecodable> {
        walk::weigh(&self.shapes, request.shape, message, most)
    }
}
