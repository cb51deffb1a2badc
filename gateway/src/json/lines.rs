//! The answers of a stream as JSON lines. A line with only `error`, a problem, is the last one, where the stream fails.

use bytes::Bytes;
use futures::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use nopic_chassis::messages::Held;
use prost_reflect::{DynamicMessage, FieldDescriptor, Value};
use std::sync::Arc;
use tonic::body::Body;
use tonic::codegen::http::HeaderValue;
use tonic::codegen::http::header::CONTENT_TYPE;
use tonic::{Code, Status};

use super::call::{MAX_BYTES, TIMES, early, own, work};
use super::contract::Method;
use super::frames::Messages;
use super::refusal::Slot;
use super::{problem, write};
use crate::Response;
use crate::request_id::RequestId;

/// The content type.
pub(crate) const CONTENT: &str = "application/x-ndjson";

struct Lines {
    messages: Messages,
    method: Arc<Method>,
    /// Read to see whether there is an answer at all.
    first: Option<Bytes>,
    has_ended: bool,
    slot: Slot,
    /// Of the lines that were written last, until more are wanted.
    room: Option<Held>,
    id: Option<RequestId>,
}

/// What is answered; the status of HTTP is that of the first thing that is said.
pub(crate) async fn answer(
    response: Response,
    method: Arc<Method>,
    slot: Slot,
    id: Option<RequestId>,
) -> Response {
    let (parts, body) = response.into_parts();
    if let Some(refusal) = early(&parts.headers, parts.status) {
        return problem::response(&slot.get().unwrap_or(refusal), id.as_ref());
    }
    let mut messages = Messages::new(body, MAX_BYTES);
    let first = match messages.next().await {
        Ok(first) => first,
        Err(status) => return problem::response(&slot.or(status), id.as_ref()),
    };
    let is_over = first.is_none();
    if is_over {
        // A stream that ended in its headers ended well, or was refused above; it has no trailers.
        let ended = Status::from_header_map(&parts.headers);
        let status = ended.unwrap_or_else(|| messages.status());
        if status.code() != Code::Ok || slot.get().is_some() {
            return problem::response(&slot.or(status), id.as_ref());
        }
    }
    let lines = Lines {
        messages,
        method,
        first,
        has_ended: is_over,
        slot,
        room: None,
        id,
    };
    let body = stream::unfold(lines, |mut lines| async move {
        let next = lines.next().await?;
        Some((Ok::<_, Status>(Frame::data(next)), lines))
    });
    let mut response = Response::new(Body::new(StreamBody::new(Box::pin(body))));
    *response.headers_mut() = own(&parts.headers);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT));
    response
}

impl Lines {
    async fn next(&mut self) -> Option<Bytes> {
        if self.has_ended {
            return None;
        }
        // Those before were taken.
        self.room = None;
        let message = match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.messages.next().await,
        };
        let written = match message {
            Ok(Some(message)) => self.write(message).await,
            Ok(None) => match self.messages.status() {
                status if status.code() == Code::Ok && self.slot.get().is_none() => return None,
                status => Err(status),
            },
            Err(status) => Err(status),
        };
        Some(written.unwrap_or_else(|status| {
            self.has_ended = true;
            let mut line = b"{\"error\":".to_vec();
            line.extend(problem::json(&self.slot.or(status), self.id.as_ref()));
            line.extend(b"}\n");
            line.into()
        }))
    }
}

impl Lines {
    async fn write(&mut self, message: Bytes) -> Result<Bytes, Status> {
        let room = &self.slot.room;
        let length = message.len();
        room.work_on(&mut self.room, TIMES * length).await?;
        let method = Arc::clone(&self.method);
        let lines = work(length, move || {
            let field = method.binding.as_ref().and_then(|binding| binding.lines.clone());
            DynamicMessage::decode(method.output.clone(), message)
                .map(|message| lines_of(message, field.as_ref()))
                .map_err(|_| Status::internal("an answer cannot be read"))
        });
        let lines = lines.await.flatten()?;
        room.work_on(&mut self.room, lines.len()).await?;
        Ok(lines)
    }
}

/// The lines of a message.
fn lines_of(mut message: DynamicMessage, field: Option<&FieldDescriptor>) -> Bytes {
    let mut lines = Vec::new();
    let elements = field.and_then(|field| message.take_field(field));
    let is_all = elements.is_some() && message.fields().next().is_none();
    if let Some(Value::List(elements)) = elements {
        for element in elements.iter().filter_map(Value::as_message) {
            write::append(element, &mut lines);
            lines.push(b'\n');
        }
    }
    if !is_all {
        write::append(&message, &mut lines);
        lines.push(b'\n');
    }
    lines.into()
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tonic::codegen::http::StatusCode;

    use super::*;
    use crate::json::contract::Contract;

    /// What is answered where this came back.
    async fn said(response: Response) -> (StatusCode, Bytes) {
        let method = "/nopic.entry_validation.v1.EntryValidationService/ValidateDocument";
        let method = Arc::clone(Contract::get().method(method).unwrap());
        let answered = answer(response, method, Slot::default(), None).await;
        let (parts, body) = answered.into_parts();
        (parts.status, body.collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn a_stream_that_ends_without_its_status_is_none_without_lines() {
        let (status, body) = said(Response::new(Body::empty())).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        let body = String::from_utf8(body.into()).unwrap();
        assert!(body.contains("the answer ended without its status"), "{body}");
        // It may say in its headers that it has nothing to say.
        assert_eq!(
            said(Status::ok("").into_http()).await,
            (StatusCode::OK, Bytes::new())
        );
    }
}
