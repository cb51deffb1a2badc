//! An upload: its options, then its content in chunks (of one file or of several), then its end, said in so many words. A
//! body that breaks off before is refused: that is also what a cancelled call looks like.

use bytes::Bytes;
use nopic_proto::{certificate, entry_validation, registry};
use thiserror::Error;
use tonic::{Status, Streaming};

/// The largest chunk.
pub const MAX_CHUNK_BYTES: usize = 1 << 20;

/// One message of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part<O> {
    /// What is to be done; first and once.
    Options(O),
    /// A file of this name begins, where an upload has several.
    File(String),
    /// The next bytes.
    Chunk(Bytes),
    /// All was sent.
    End,
}

/// A request that is one message of an upload.
pub trait UploadMessage: Send + 'static {
    /// What comes first.
    type Options;

    /// What it holds; `None`: nothing.
    fn into_part(self) -> Option<Part<Self::Options>>;
}

/// What is wrong with an upload.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UploadError {
    /// It does not begin with options.
    #[error("the first message must hold the options")]
    NoOptions,
    /// Options within it.
    #[error("the options were given twice")]
    OptionsAgain,
    /// A message without a part.
    #[error("a message is empty")]
    Empty,
    /// It broke off.
    #[error("the call ended before the message `end`")]
    BrokenOff,
    /// A chunk is too large.
    #[error("chunk: {0} bytes, at most {MAX_CHUNK_BYTES} are taken")]
    LargeChunk(usize),
}

/// Why the next part is not to be had.
#[derive(Debug, Error)]
pub enum ReceiveError {
    /// The upload is wrong.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The call failed.
    #[error("the call broke: {0}")]
    Broken(#[from] Status),
}

impl From<ReceiveError> for Status {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Upload(error) => Self::invalid_argument(error.to_string()),
            ReceiveError::Broken(status) => status,
        }
    }
}

/// Content of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A file of this name begins.
    File(String),
    /// The next bytes.
    Chunk(Bytes),
}

/// The messages of an upload in their order. Every wait may be dropped without losing a message.
#[derive(Debug)]
pub struct Upload<M> {
    requests: Streaming<M>,
    order: Order,
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Order {
    /// The options have come.
    has_begun: bool,
    /// Nothing more comes.
    has_ended: bool,
    /// A caller that sends no more has sent all.
    ends_with_body: bool,
}

impl<M: UploadMessage> Upload<M> {
    /// One that says its end.
    #[must_use]
    pub const fn new(requests: Streaming<M>) -> Self {
        Self {
            requests,
            order: Order {
                has_begun: false,
                has_ended: false,
                ends_with_body: false,
            },
        }
    }

    /// The same from callers that do not all say its end: one that sends no more has sent all. For what changes nothing.
    #[must_use]
    pub const fn ending_with_body(mut self) -> Self {
        self.order.ends_with_body = true;
        self
    }

    /// The options, to be awaited first.
    ///
    /// # Errors
    /// Something else comes, or the call breaks.
    pub async fn options(&mut self) -> Result<M::Options, ReceiveError> {
        let message = self.requests.message().await?;
        Ok(self.order.options(message)?)
    }

    /// The next content; `None`: all has come.
    ///
    /// # Errors
    /// Something else comes, the upload breaks off, or the call breaks.
    pub async fn content(&mut self) -> Result<Option<Content>, ReceiveError> {
        if self.order.has_ended {
            return Ok(None);
        }
        let message = self.requests.message().await?;
        Ok(self.order.content(message)?)
    }

    /// The next bytes of an upload of one file, whose messages know no other content; `None`: all has come.
    ///
    /// # Errors
    /// As [`Upload::content`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ReceiveError> {
        loop {
            match self.content().await? {
                Some(Content::File(_)) => {}
                Some(Content::Chunk(chunk)) => return Ok(Some(chunk)),
                None => return Ok(None),
            }
        }
    }
}

impl Order {
    fn options<M: UploadMessage>(&mut self, message: Option<M>) -> Result<M::Options, UploadError> {
        match message.and_then(M::into_part) {
            Some(Part::Options(options)) if !self.has_begun => {
                self.has_begun = true;
                Ok(options)
            }
            _ => Err(UploadError::NoOptions),
        }
    }

    fn content<M: UploadMessage>(&mut self, message: Option<M>) -> Result<Option<Content>, UploadError> {
        let part = match message {
            None if self.ends_with_body => Part::End,
            None => return Err(UploadError::BrokenOff),
            Some(message) => message.into_part().ok_or(UploadError::Empty)?,
        };
        match part {
            Part::Options(_) => Err(UploadError::OptionsAgain),
            Part::Chunk(chunk) if chunk.len() > MAX_CHUNK_BYTES => Err(UploadError::LargeChunk(chunk.len())),
            Part::Chunk(chunk) => Ok(Some(Content::Chunk(chunk))),
            Part::File(name) => Ok(Some(Content::File(name))),
            Part::End => {
                self.has_ended = true;
                Ok(None)
            }
        }
    }
}

/// The requests of the contract that are messages of uploads.
macro_rules! messages {
    ($($package:ident::{$request:ident, $options:ident, $part:ident} $($file:ident)?;)*) => {$(
        impl UploadMessage for $package::$request {
            type Options = $package::$options;

            fn into_part(self) -> Option<Part<Self::Options>> {
                use $package::$part::Part as Wire;
                self.part.map(|part| match part {
                    Wire::Options(options) => Part::Options(options),
                    $(Wire::$file(file) => Part::File(file.name),)?
                    Wire::Chunk(chunk) => Part::Chunk(chunk),
                    Wire::End(_) => Part::End,
                })
            }
        }
    )*};
}

messages! {
    registry::{ImportSnapshotRequest, ImportOptions, import_snapshot_request} File;
    certificate::{ImportCertificatesRequest, ImportOptions, import_certificates_request};
    entry_validation::{ImportFlagsRequest, ImportFlagsOptions, import_flags_request};
    entry_validation::{ValidateDocumentRequest, DocumentOptions, validate_document_request};
    entry_validation::{FileDocumentRequest, FileDocumentOptions, file_document_request};
}

#[cfg(test)]
mod tests {
    use entry_validation::validate_document_request::Part as Wire;
    use entry_validation::{DocumentEnd, DocumentOptions, ValidateDocumentRequest as Request};
    use futures::{FutureExt as _, StreamExt as _};
    use http_body::Frame;
    use http_body_util::StreamBody;
    use prost::Message as _;
    use tokio::sync::mpsc;
    use tokio_stream::wrappers::UnboundedReceiverStream;
    use tonic::codec::{DecodeBuf, Decoder};

    use super::*;

    const fn order(ends_with_body: bool) -> Order {
        Order {
            has_begun: false,
            has_ended: false,
            ends_with_body,
        }
    }

    fn message(part: Wire) -> Option<Request> {
        Some(Request { part: Some(part) })
    }

    #[test]
    fn an_upload_is_options_chunks_and_an_end() {
        let options = || message(Wire::Options(DocumentOptions::default()));
        let chunk = |length| message(Wire::Chunk(vec![b'1'; length].into()));
        let end = || message(Wire::End(DocumentEnd {}));
        for ends_with_body in [false, true] {
            let mut order = order(ends_with_body);
            assert_eq!(order.options(chunk(1)), Err(UploadError::NoOptions));
            assert_eq!(order.options(None::<Request>), Err(UploadError::NoOptions));
            assert_eq!(order.options(options()), Ok(DocumentOptions::default()));
            let content = order.content(chunk(MAX_CHUNK_BYTES));
            assert!(matches!(content, Ok(Some(Content::Chunk(_)))));
            let too_large = UploadError::LargeChunk(MAX_CHUNK_BYTES + 1);
            assert_eq!(order.content(chunk(MAX_CHUNK_BYTES + 1)), Err(too_large));
            assert_eq!(order.content(options()), Err(UploadError::OptionsAgain));
            assert_eq!(
                order.content(Some(Request { part: None })),
                Err(UploadError::Empty)
            );
            let broken_off = order.content(None::<Request>);
            if ends_with_body {
                assert_eq!(broken_off, Ok(None));
            } else {
                assert_eq!(broken_off, Err(UploadError::BrokenOff));
                assert!(!order.has_ended);
                assert_eq!(order.content(end()), Ok(None));
            }
            assert!(order.has_ended);
        }
    }

    struct Requests;

    impl Decoder for Requests {
        type Item = Request;
        type Error = Status;

        fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<Request>, Status> {
            let request = Request::decode(bytes).map_err(|error| Status::internal(error.to_string()))?;
            Ok(Some(request))
        }
    }

    /// A message as it travels.
    fn bytes(part: Wire) -> Vec<u8> {
        let message = Request { part: Some(part) }.encode_to_vec();
        let length = u32::try_from(message.len()).unwrap();
        [&[0], &length.to_be_bytes()[..], &message].concat()
    }

    #[tokio::test]
    async fn a_wait_that_is_dropped_loses_nothing() {
        let (body, received) = mpsc::unbounded_channel::<Vec<u8>>();
        let frames = UnboundedReceiverStream::new(received);
        let frames = frames.map(|bytes| Ok::<_, Status>(Frame::data(Bytes::from(bytes))));
        let requests = Streaming::new_request(Requests, StreamBody::new(frames), None, None);
        let mut upload = Upload::new(requests);
        // A message comes in two halves, and each wait for it is dropped before it is there.
        let send = |bytes: &[u8]| body.send(bytes.to_vec()).unwrap();
        let options = bytes(Wire::Options(DocumentOptions::default()));
        send(&options[..3]);
        assert!(upload.options().now_or_never().is_none());
        send(&options[3..]);
        assert!(upload.options().await.is_ok());
        let chunk = bytes(Wire::Chunk(b"line"[..].into()));
        send(&chunk[..7]);
        assert!(upload.chunk().now_or_never().is_none());
        send(&chunk[7..]);
        assert_eq!(upload.chunk().await.unwrap().unwrap(), "line");
        send(&bytes(Wire::End(DocumentEnd {})));
        assert_eq!(upload.chunk().await.unwrap(), None);
    }
}
