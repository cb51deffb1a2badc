//! A file as the requests of a stream: what the query says, then the body in chunks as it comes, then the word that all was
//! sent. Nothing is read before the server behind asks for it, and no more than it takes.

use std::collections::VecDeque;

use bytes::Bytes;
use futures::stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use prost_reflect::prost::Message as _;
use prost_reflect::prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind};
use tonic::Status;
use tonic::body::Body;

use super::call::broken;
use super::contract::Parts;
use super::frames::{frame, prefix};
use super::query;
use super::refusal::{Slot, Wrong};

/// Bytes of a chunk at most, as the services take them.
const MAX_CHUNK: usize = 1 << 20;

struct Upload {
    body: Body,
    chunk: FieldDescriptor,
    /// Of the body, not sent yet.
    read: Bytes,
    /// Ready to be sent.
    ready: VecDeque<Bytes>,
    /// What follows the last chunk; `None`: it is among what is ready.
    end: Option<VecDeque<Bytes>>,
    slot: Slot,
}

/// The body of a call that sends this file.
pub(crate) fn body(parts: &Parts, query: Option<&str>, file: Body, slot: &Slot) -> Body {
    let begin = begin(parts, query.unwrap_or_default());
    let mut upload = Upload {
        body: file,
        chunk: parts.chunk.clone(),
        read: Bytes::new(),
        ready: VecDeque::new(),
        end: Some(
            parts
                .after
                .iter()
                .map(|field| framed(&Parts::empty(field)))
                .collect(),
        ),
        slot: slot.clone(),
    };
    // What is wrong is told by who reads it.
    let mut wrong = match begin {
        Ok(begin) => {
            upload.ready = begin;
            None
        }
        Err(reason) => Some(reason),
    };
    Body::new(StreamBody::new(Box::pin(stream::unfold(
        upload,
        move |mut upload| {
            let wrong = wrong.take();
            async move {
                let next = match wrong {
                    Some(reason) => {
                        upload.end = None;
                        Err(upload.slot.put(reason.into()))
                    }
                    None => upload.next().await.transpose()?,
                };
                Some((next.map(Frame::data), upload))
            }
        },
    ))))
}

/// The messages before the first chunk.
fn begin(parts: &Parts, query: &str) -> Result<VecDeque<Bytes>, Wrong> {
    let mut messages: Vec<_> = parts
        .before
        .iter()
        .filter_map(|field| match field.kind() {
            Kind::Message(message) => Some(DynamicMessage::new(message)),
            _ => None,
        })
        .collect();
    query::set(&mut messages, query, &[])?;
    let requests = parts
        .before
        .iter()
        .zip(messages)
        .map(|(field, message)| framed(&Parts::request(field, message)));
    Ok(requests.collect())
}

fn framed(message: &DynamicMessage) -> Bytes {
    frame(0, &message.encode_to_vec())
}

impl Upload {
    async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Ok(Some(ready));
            }
            if !self.read.is_empty() {
                let chunk = self.read.split_to(self.read.len().min(MAX_CHUNK));
                let head = head(&self.chunk, chunk.len());
                self.ready
                    .extend([prefix(0, head.len() + chunk.len()), head, chunk]);
                continue;
            }
            if self.end.is_none() {
                return Ok(None);
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.read = frame.into_data().unwrap_or_default(),
                // A file that breaks off is not said to be whole.
                Some(Err(status)) => {
                    self.end = None;
                    return Err(self.slot.put(broken(status)));
                }
                None => self.ready = self.end.take().unwrap_or_default(),
            }
        }
    }
}

/// What stands before the bytes of a chunk in its message.
fn head(field: &FieldDescriptor, length: usize) -> Bytes {
    let mut head = Vec::new();
    encode_key(field.number(), WireType::LengthDelimited, &mut head);
    encode_varint(length as u64, &mut head);
    head.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::contract::{Contract, Holds};
    use crate::json::frames::Messages;
    use crate::json::write;

    /// What the server behind receives.
    async fn requests(method: &str, query: &str, file: Body) -> Result<Vec<String>, String> {
        let method = Contract::get().method(method).unwrap();
        let Holds::File(parts) = &method.binding.as_ref().unwrap().body else {
            panic!()
        };
        let slot = Slot::default();
        let mut messages = Messages::new(body(parts, Some(query), file, &slot), 2 << 20);
        let mut found = Vec::new();
        loop {
            match messages.next().await {
                Ok(Some(message)) => {
                    let message = DynamicMessage::decode(method.input.clone(), message).unwrap();
                    let is_long = message
                        .get_field(&parts.chunk)
                        .as_bytes()
                        .is_some_and(|chunk| chunk.len() > 100);
                    found.push(if is_long {
                        format!(
                            "{} bytes",
                            message.get_field(&parts.chunk).as_bytes().unwrap().len()
                        )
                    } else {
                        String::from_utf8(write::message(&message)).unwrap()
                    });
                }
                Ok(None) => return Ok(found),
                Err(status) => return Err(slot.or(status).status.message().to_owned()),
            }
        }
    }

    fn file(bytes: &[u8]) -> Body {
        Body::new(http_body_util::Full::new(Bytes::copy_from_slice(bytes)))
    }

    const VALIDATE: &str = "/nopic.entry_validation.v1.EntryValidationService/ValidateDocument";

    #[tokio::test]
    async fn a_file_is_options_chunks_and_an_end() {
        let found = requests(
            VALIDATE,
            "form=CSV&freshness.latestCertificates=true",
            file(b"abc"),
        )
        .await;
        assert_eq!(
            found.unwrap(),
            [
                r#"{"options":{"form":"CSV","freshness":{"latestCertificates":true}}}"#,
                r#"{"chunk":"YWJj"}"#,
                r#"{"end":{}}"#
            ]
        );
        let found = requests(VALIDATE, "", file(&vec![7; (2 << 20) + 500]))
            .await
            .unwrap();
        assert_eq!(found[1..4], ["1048576 bytes", "1048576 bytes", "500 bytes"]);
        let found = requests(VALIDATE, "", Body::empty()).await.unwrap();
        assert_eq!(found, [r#"{"options":{}}"#, r#"{"end":{}}"#]);
    }

    #[tokio::test]
    async fn a_form_with_several_files_gets_the_start_of_one() {
        let found = requests(
            "/nopic.registry.v1.RegistryService/ImportSnapshot",
            "name=a.zip&publishedOn=2024-10-01",
            file(b"x"),
        );
        assert_eq!(
            found.await.unwrap(),
            [
                r#"{"options":{"publishedOn":"2024-10-01"}}"#,
                r#"{"file":{"name":"a.zip"}}"#,
                r#"{"chunk":"eA=="}"#,
                r#"{"end":{}}"#
            ]
        );
    }

    #[tokio::test]
    async fn a_file_that_breaks_off_has_no_end() {
        let breaks = stream::iter([
            Ok(Frame::data(Bytes::from_static(b"abc"))),
            Err(Status::internal("reset")),
        ]);
        let found = requests(VALIDATE, "", Body::new(StreamBody::new(breaks))).await;
        assert_eq!(found.unwrap_err(), "the body broke off");
        let found = requests(VALIDATE, "from=CSV", file(b"abc")).await;
        assert_eq!(
            found.unwrap_err(),
            "from: there is no such parameter: known are form, fileName, freshness.atLeastRevision, \
             freshness.latestCertificates, resumeAfter.records, resumeAfter.lines, resumeAfter.rejects, \
             resumeAfter.parts, findingDetail"
        );
    }
}
