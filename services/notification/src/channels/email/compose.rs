//! A letter as it goes over the wire: the same on every try.

use std::time::SystemTime;

use lettre::Address;
use lettre::message::header::{ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, Message as Letter, MultiPart, MultiPartKind, SinglePart};

use super::page::Page;
use super::{html, text};
use crate::channels::Message;

/// Says to machines that answer letters by themselves (as of people on holiday) that nobody reads their answers.
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// The letter for a message.
pub(super) fn letter(
    message: &Message,
    from: &Mailbox,
    to: &[Address],
    read_at: &str,
) -> Result<Letter, lettre::error::Error> {
    let page = Page::of(message, read_at);
    let id = &message.id;
    let builder = to.iter().fold(Letter::builder(), |builder, address| {
        builder.to(Mailbox::new(None, address.clone()))
    });
    builder
        .from(from.clone())
        .subject(page.subject.clone())
        .date(SystemTime::from(message.made_at))
        .message_id(Some(format!("<{id}@{}>", from.email.domain())))
        .header(AutoSubmitted)
        .multipart(
            MultiPart::builder()
                .kind(MultiPartKind::Alternative)
                // No line of a quoted-printable part has this.
                .boundary(format!("=_{id}"))
                .singlepart(part(ContentType::TEXT_PLAIN, text::of(&page))?)
                .singlepart(part(ContentType::TEXT_HTML, html::of(&page))?),
        )
}

/// A part in lines that every server takes as they are.
fn part(kind: ContentType, content: String) -> Result<SinglePart, lettre::error::Error> {
    let body = Body::new_with_encoding(content, ContentTransferEncoding::QuotedPrintable)
        // It fails only for encodings that leave the content as it is.
        .map_err(|_| lettre::error::Error::NonAsciiChars)?;
    Ok(SinglePart::builder().header(kind).body(body))
}
