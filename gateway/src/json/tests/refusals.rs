//! What is refused, in every form.

use prost_reflect::DynamicMessage;
use prost_reflect::prost::Message as _;
use serde_json::{Value, json};
use tonic::codegen::http::StatusCode;
use tonic::{Code, Status};

use super::{Behind, JSON, call, connect};
use crate::json::contract::Contract;

/// A `google.rpc.Status` with these details.
fn detailed(code: Code, details: &Value) -> Status {
    let descriptor = Contract::get()
        .pool
        .get_message_by_name("google.rpc.Status")
        .unwrap();
    let json = json!({ "code": code as i32, "message": "no", "details": details });
    let message = DynamicMessage::deserialize(descriptor, json).unwrap();
    Status::with_details(code, "no", message.encode_to_vec().into())
}

#[tokio::test]
async fn details_of_a_refusal_are_told_in_either_form() {
    let details = json!([
        { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.500s" },
        {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{ "subject": "tenant", "description": "100 a second" }]
        }
    ]);
    let refuses = Behind::Refuses(detailed(Code::ResourceExhausted, &details));
    let answered = call(refuses.clone(), "GET /v1/limits", &[], "").await;
    assert_eq!(answered.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answered.headers["retry-after"], "2");
    assert_eq!(answered.json()["details"], details);

    let answered = call(refuses, &connect("GetLimits"), &[JSON], "{}").await;
    assert_eq!(answered.status, StatusCode::TOO_MANY_REQUESTS);
    let error = answered.json();
    assert_eq!(
        (&error["code"], &error["message"]),
        (&json!("resource_exhausted"), &json!("no"))
    );
    assert_eq!(error["details"][0]["type"], "google.rpc.RetryInfo");
    // Unpadded.
    assert_eq!(error["details"][0]["value"], "CggIARCAyrXuAQ");
    assert_eq!(error["details"][1]["debug"], details[1]);
}

#[tokio::test]
async fn every_code_has_its_status() {
    for (code, status) in [
        (Code::InvalidArgument, 400),
        (Code::FailedPrecondition, 400),
        (Code::OutOfRange, 400),
        (Code::Unauthenticated, 401),
        (Code::PermissionDenied, 403),
        (Code::NotFound, 404),
        (Code::AlreadyExists, 409),
        (Code::Aborted, 409),
        (Code::ResourceExhausted, 429),
        (Code::Cancelled, 499),
        (Code::Unknown, 500),
        (Code::Internal, 500),
        (Code::DataLoss, 500),
        (Code::Unimplemented, 501),
        (Code::Unavailable, 503),
        (Code::DeadlineExceeded, 504),
    ] {
        for behind in [
            Behind::Refuses(Status::new(code, "no")),
            Behind::Answers(Vec::new(), Status::new(code, "no")),
        ] {
            for line in ["GET /v1/limits", &connect("GetLimits")] {
                let answered = call(behind.clone(), line, &[JSON], "{}").await;
                assert_eq!(answered.status, status, "{code:?} {line}");
            }
            let answered = call(behind, "GET /v1/operations:watch", &[], "").await;
            assert_eq!(answered.status, status, "{code:?} as a stream");
        }
    }
}
