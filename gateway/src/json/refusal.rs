//! What is refused, in the words that HTTP has for it.

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use bytes::Bytes;
use nopic_chassis::messages::CallRoom;
use prost_reflect::DynamicMessage;
use serde_json::{Value, json};
use thiserror::Error;
use tonic::codegen::http::StatusCode;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::contract::Contract;
use super::write;
use crate::received::Received;

/// A refusal: by whoever was asked, or by the gateway because of the form of what was asked.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: Status,
    pub(crate) http: StatusCode,
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self {
            http: http_status(status.code()),
            status,
        }
    }
}

impl Refusal {
    /// What was sent is wrong.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Status::invalid_argument(message).into()
    }

    /// For a reason that HTTP has its own word for.
    pub(crate) fn with(http: StatusCode, status: Status) -> Self {
        Self { status, http }
    }

    /// The details of `google.rpc`.
    pub(crate) fn details(&self) -> Vec<Detail> {
        let pool = &Contract::get().pool;
        let read = || {
            let status = pool.get_message_by_name("google.rpc.Status")?;
            let status = DynamicMessage::decode(status, self.status.details()).ok()?;
            let details = status.get_field_by_name("details")?.into_owned();
            let details = details.as_list()?.iter().filter_map(|detail| {
                let detail = detail.as_message()?;
                let address = detail.get_field_by_name("type_url")?;
                let address = address.as_str()?;
                Some(Detail {
                    name: address.rsplit('/').next().unwrap_or(address).to_owned(),
                    value: detail.get_field_by_name("value")?.as_bytes()?.clone(),
                })
            });
            Some(details.collect())
        };
        read().unwrap_or_default()
    }
}

/// A field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}: {reason}", if field.is_empty() { "the body" } else { field })]
pub(crate) struct Wrong {
    /// Its place in the request; empty: all of it.
    field: String,
    /// What is wanted.
    reason: String,
}

impl Wrong {
    pub(crate) fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason: reason.into(),
        }
    }
}

impl From<Wrong> for Refusal {
    fn from(wrong: Wrong) -> Self {
        let text = wrong.to_string();
        let details = ErrorDetails::with_bad_request_violation(wrong.field, wrong.reason);
        Status::with_error_details(Code::InvalidArgument, text, details).into()
    }
}

/// A detail of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Detail {
    /// The full name of its message.
    pub(crate) name: String,
    pub(crate) value: Bytes,
}

impl Detail {
    /// In base64, as the Connect protocol wants it.
    pub(crate) fn base64(&self) -> String {
        BASE64_STANDARD_NO_PAD.encode(&self.value)
    }

    fn message(&self) -> Option<DynamicMessage> {
        let descriptor = Contract::get().pool.get_message_by_name(&self.name)?;
        DynamicMessage::decode(descriptor, self.value.clone()).ok()
    }

    /// As JSON with its type.
    pub(crate) fn json(&self) -> Value {
        let mut value = match self.message() {
            Some(message) => write::value(&message),
            None => json!({ "value": self.base64() }),
        };
        if let Some(fields) = value.as_object_mut() {
            fields.insert(
                "@type".to_owned(),
                format!("type.googleapis.com/{}", self.name).into(),
            );
        }
        value
    }

    /// After how many seconds to try again, where it says that.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        let message = self.message().filter(|_| self.name == "google.rpc.RetryInfo")?;
        let delay = message.get_field_by_name("retry_delay")?;
        let delay = delay.as_message()?;
        let seconds = delay.get_field_by_name("seconds")?.as_i64()?;
        let nanos = delay.get_field_by_name("nanos")?.as_i32()?;
        u64::try_from(seconds + i64::from(nanos > 0)).ok()
    }
}

/// Where a refusal is put by who reads the body, and found by who answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slot {
    refusal: Arc<OnceLock<Refusal>>,
    /// The room that the call has for its body.
    pub(crate) room: CallRoom,
    /// What has come of it, as it came.
    pub(crate) received: Received,
}

impl Slot {
    /// What was said first stands. What the server behind is told.
    pub(crate) fn put(&self, refusal: Refusal) -> Status {
        let status = refusal.status.clone();
        let _ = self.refusal.set(refusal);
        status
    }

    /// What was said, else what the server behind says.
    pub(crate) fn or(&self, status: Status) -> Refusal {
        self.get().unwrap_or_else(|| status.into())
    }

    pub(crate) fn get(&self) -> Option<Refusal> {
        self.refusal.get().cloned()
    }
}

/// The usual word of HTTP for a code.
pub(crate) fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        // 499, which has no name.
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
