//! Messages as gRPC frames them: five bytes, then the message. The Connect protocol's streams do the same.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use nopic_chassis::messages::{CallRoom, Held, SHORT};
use tonic::body::Body;
use tonic::codegen::http::HeaderMap;
use tonic::{Code, Status};

/// Bytes before each message.
const PREFIX: usize = 5;

/// What stands before a message of this length.
pub(crate) fn prefix(flags: u8, length: usize) -> Bytes {
    let mut prefix = BytesMut::with_capacity(PREFIX);
    prefix.put_u8(flags);
    // Messages are bounded far below 4 GiB; of a longer one nobody could read the length.
    prefix.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    prefix.freeze()
}

/// A message in its frame.
pub(crate) fn frame(flags: u8, message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(PREFIX + message.len());
    framed.extend_from_slice(&prefix(flags, message.len()));
    framed.extend_from_slice(message);
    framed.freeze()
}

/// Messages out of a body.
#[derive(Debug)]
pub(crate) struct Messages {
    body: Body,
    buffer: BytesMut,
    limit: usize,
    trailers: Option<HeaderMap>,
    room: CallRoom,
    /// What the message that comes, or came last, takes of it.
    held: Option<Held>,
}

impl Messages {
    /// Of at most so many bytes each.
    pub(crate) fn new(body: Body, limit: usize) -> Self {
        Self {
            body,
            buffer: BytesMut::new(),
            limit,
            trailers: None,
            room: CallRoom::default(),
            held: None,
        }
    }

    /// The same in the room that a call has.
    pub(crate) fn within(self, room: CallRoom) -> Self {
        Self { room, ..self }
    }

    /// The next one; `None`: there are no more.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        self.held = None;
        loop {
            if let Some(message) = self.take()? {
                return Ok(Some(message));
            }
            match self.body.frame().await {
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(self.broken()),
                Some(Err(status)) => return Err(status),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.buffer.extend_from_slice(&data),
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
            }
        }
    }

    /// The room of the message that came last, which is given back with the next one otherwise.
    pub(crate) fn take_room(&mut self) -> Option<Held> {
        self.held.take()
    }

    /// Why it ends within a message: whoever breaks it off, because its time is over or it has failed, says so behind it.
    fn broken(&self) -> Status {
        let said = self.trailers.as_ref().and_then(Status::from_header_map);
        said.filter(|status| status.code() != Code::Ok)
            .unwrap_or_else(|| Status::internal("the messages break off within one"))
    }

    /// A whole message that has come.
    fn take(&mut self) -> Result<Option<Bytes>, Status> {
        let Some(&[flags, a, b, c, d]) = self.buffer.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        if flags != 0 {
            return Err(Status::unimplemented(
                "messages are taken as they are, not compressed",
            ));
        }
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if length > self.limit {
            return Err(Status::resource_exhausted(format!(
                "a message of {length} bytes: at most {} are taken",
                self.limit
            )));
        }
        if self.buffer.len() < PREFIX + length {
            if length > SHORT {
                self.room.grow(&mut self.held, length)?;
            }
            return Ok(None);
        }
        self.buffer.advance(PREFIX);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    /// How it ended, once all messages were taken.
    pub(crate) fn status(&self) -> Status {
        self.trailers
            .as_ref()
            .and_then(Status::from_header_map)
            .unwrap_or_else(|| Status::unknown("the answer ended without its status"))
    }

    /// What stood behind the last message.
    pub(crate) fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use http_body::Frame;
    use http_body_util::StreamBody;
    use tonic::codegen::http::HeaderValue;

    use super::*;

    #[tokio::test]
    async fn whoever_breaks_a_message_off_says_why() {
        for (said, told) in [
            (Some("4"), Code::DeadlineExceeded),
            (Some("0"), Code::Internal),
            (None, Code::Internal),
        ] {
            let part = Frame::data(Bytes::from_static(&[0, 0, 0, 0, 9, 1, 2]));
            let trailers = said.map(|code| {
                let code = ("grpc-status".parse().unwrap(), HeaderValue::from_static(code));
                Frame::trailers(HeaderMap::from_iter([code]))
            });
            let frames = [Some(part), trailers].into_iter().flatten().map(Ok::<_, Status>);
            let body = Body::new(StreamBody::new(futures::stream::iter(frames)));
            let broken = Messages::new(body, 100).next().await.unwrap_err();
            assert_eq!(broken.code(), told, "{said:?}");
        }
    }
}
