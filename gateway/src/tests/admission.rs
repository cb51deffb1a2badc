//! Who is let in, and how much.

use http_body_util::BodyExt as _;
use nopic_cache::limiter::Rate;
use nopic_chassis::principal::{PRINCIPAL_KEY, to_metadata};
use nopic_chassis::transport::OWNER_KEY;
use nopic_domain::principal::Principal;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::*;

#[tokio::test]
async fn a_call_comes_through_whole_and_is_named() {
    let door = Door::open(Bounds::default()).await;
    let mut caller = door.connect().await;
    let mut with_id = request(SAY, Some("nopic_a"));
    with_id
        .headers_mut()
        .insert("x-request-id", HeaderValue::from_static("mine-1"));
    with_id
        .headers_mut()
        .insert("grpc-timeout", HeaderValue::from_static("7S"));
    let answer = caller.ask(with_id).await;
    assert_eq!(&answer.body[..], b"\0\0\0\0\x02hi");
    assert_eq!(answer.trailers.get("grpc-status").unwrap(), "0");
    assert_eq!(answer.header("x-request-id"), Some("mine-1"));
    assert_eq!(answer.header("x-tenant"), Some("a"));
    assert!(answer.header("x-came-grpc-timeout").is_some());
    // What was shown at the door goes no further.
    assert_eq!(answer.header("x-came-authorization"), None);
    let answer = caller.call(SAY, "nopic_b").await;
    assert_eq!(answer.header("x-request-id").map(str::len), Some(32));
    assert_eq!(answer.header("x-tenant"), Some("b"));
}

#[tokio::test]
async fn a_principal_from_outside_is_nobody() {
    let door = Door::open(Bounds::default()).await;
    let mut caller = door.connect().await;
    let forged = to_metadata(&Principal::built_in("forged"));
    for key in [None, Some("nopic_a")] {
        let mut request = request(OPERATE, key);
        request.headers_mut().insert(PRINCIPAL_KEY, forged.clone());
        let refused = caller.ask(request).await.status();
        let expected = if key.is_some() {
            Code::PermissionDenied
        } else {
            Code::Unauthenticated
        };
        assert_eq!(refused.code(), expected, "{refused}");
    }
}

#[tokio::test]
async fn the_owner_of_the_process_says_who_calls() {
    let door = Door::open(Bounds::default()).await;
    let mut caller = door.connect().await;
    let owners = |secret: &'static str, principal: Option<&Principal>| {
        let mut request = request(OPERATE, None);
        request
            .headers_mut()
            .insert(OWNER_KEY, HeaderValue::from_static(secret));
        if let Some(principal) = principal {
            request
                .headers_mut()
                .insert(PRINCIPAL_KEY, to_metadata(principal));
        }
        request
    };
    let person = Principal::built_in("person");
    let answer = caller.ask(owners("only-mine", Some(&person))).await;
    assert_eq!(answer.header("x-role"), Some("OPERATOR"), "{answer:?}");
    for (secret, principal) in [
        ("only-min", Some(&person)),
        ("", Some(&person)),
        ("only-mine", None),
    ] {
        let status = caller.ask(owners(secret, principal)).await.status();
        assert_eq!(status.code(), Code::Unauthenticated, "{secret}");
    }
}

#[tokio::test]
async fn who_is_refused_is_told_why_and_no_more() {
    let door = Door::open(Bounds::default()).await;
    let mut caller = door.connect().await;
    for (path, key, code, says) in [
        (SAY, "nopic_unknown", Code::Unauthenticated, "revoked"),
        (SAY, "token-of-nobody", Code::Unauthenticated, "not known"),
        (SAY, "nopic_suspended", Code::PermissionDenied, "suspended"),
        (SAY, "nopic_unavailable", Code::Unavailable, "try again"),
        (
            OPERATE,
            "nopic_a",
            Code::PermissionDenied,
            "for the role OPERATOR",
        ),
        (
            "/test.v1.Echo/None",
            "nopic_a",
            Code::Unimplemented,
            "no such method",
        ),
        (
            "/../test.v1.Echo/Say",
            "nopic_a",
            Code::Unimplemented,
            "no such method",
        ),
    ] {
        let status = caller.call(path, key).await.status();
        assert_eq!(status.code(), code, "{path} {key}: {status}");
        assert!(status.message().contains(says), "{status}");
        assert!(!status.message().contains(key), "{status}");
    }
    let status = caller.ask(request(SAY, None)).await.status();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(status.message().contains("nopic key create"), "{status}");
    let mut basic = request(SAY, None);
    basic
        .headers_mut()
        .insert("authorization", HeaderValue::from_static("Basic Zm9v"));
    let status = caller.ask(basic).await.status();
    assert!(status.message().contains("Bearer"), "{status}");
}

#[tokio::test]
async fn an_open_door_takes_whoever_shows_nothing() {
    let bounds = Bounds {
        otherwise: Some(Principal::built_in("embedded")),
        ..Bounds::default()
    };
    let door = Door::open(bounds).await;
    let mut caller = door.connect().await;
    let answer = caller.ask(request(OPERATE, None)).await;
    assert_eq!(
        (answer.header("x-tenant"), answer.header("x-role")),
        (Some("default"), Some("OPERATOR"))
    );
    // Who shows something is taken by that.
    let status = caller.call(SAY, "nopic_unknown").await.status();
    assert_eq!(status.code(), Code::Unauthenticated);
    // A page of another site that somebody beside it has open shows nothing either.
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let of_a_page = |key| {
            let mut request = request(SAY, key);
            request
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
            request
        };
        let status = caller.ask(of_a_page(None)).await.status();
        assert_eq!(status.code(), Code::Unauthenticated, "{name}");
        assert!(status.message().contains("API key"), "{status}");
        let status = caller.ask(of_a_page(Some("nopic_a"))).await.status();
        assert_eq!(status.code(), Code::Ok, "{name}: with a key");
    }
}

#[tokio::test]
async fn what_is_too_much_is_refused_long_calls_first_and_room_comes_back() {
    let bounds = Bounds {
        places: 4,
        ..Bounds::default()
    };
    let door = Door::open(bounds).await;
    let mut caller = door.connect().await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = caller.send(request(WATCH, Some("nopic_a"))).await.into_body();
        stream.frame().await.unwrap().unwrap();
        streams.push(stream);
    }
    let refused = caller.call(WATCH, "nopic_a").await.status();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some());
    // A place is kept for short ones.
    assert_eq!(caller.call(SAY, "nopic_a").await.status().code(), Code::Ok);
    streams.pop();
    let again = async {
        loop {
            let mut answer = caller.send(request(WATCH, Some("nopic_a"))).await;
            if answer.headers().get("grpc-status").is_none() {
                answer.body_mut().frame().await.unwrap().unwrap();
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), again)
        .await
        .unwrap();
    assert!(door.metrics.text().contains("gateway_calls_shed_total"));
}

#[tokio::test]
async fn a_tenant_has_its_own_places_and_its_own_rate() {
    let bounds = Bounds {
        tenant_calls: 2,
        requests: Rate::new(1, 6).unwrap(),
        ..Bounds::default()
    };
    let door = Door::open(bounds).await;
    let mut caller = door.connect().await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = caller.send(request(WATCH, Some("nopic_a"))).await.into_body();
        stream.frame().await.unwrap().unwrap();
        streams.push(stream);
    }
    let refused = caller.call(SAY, "nopic_a").await.status();
    let quota = refused.get_details_quota_failure().unwrap();
    assert_eq!(quota.violations[0].subject, "tenant:a/calls");
    assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some());
    // Another one is not concerned.
    for _ in 0..6 {
        assert_eq!(caller.call(SAY, "nopic_b").await.status().code(), Code::Ok);
    }
    let refused = caller.call(SAY, "nopic_b").await.status();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let quota = refused.get_details_quota_failure().unwrap();
    assert_eq!(quota.violations[0].subject, "tenant:b/requests");
    let wait = refused.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!(wait <= std::time::Duration::from_secs(1), "{wait:?}");
    assert_eq!(caller.call(SAY, "nopic_c").await.status().code(), Code::Ok);
}

#[tokio::test]
async fn a_message_that_says_it_is_too_long_is_refused_before_it_comes() {
    let door = Door::open(Bounds::default()).await;
    let mut caller = door.connect().await;
    // It says 60 MiB, and one byte comes.
    let long = request(SAY, Some("nopic_a")).map(|_| Full::new(Bytes::from_static(b"\0\x03\xc0\0\0x")));
    let response = caller.send(long).await;
    let status = tonic::Status::from_header_map(response.headers()).unwrap();
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    // The bound of a method that the contract does not have.
    assert!(status.message().contains("at most 65536"), "{status}");
}

#[tokio::test]
async fn every_kilobyte_is_charged_and_a_single_message_does_not_wait_for_room() {
    let bounds = Bounds {
        kilobytes: Rate::new(1, 2).unwrap(),
        ..Bounds::default()
    };
    let door = Door::open(bounds).await;
    let mut caller = door.connect().await;
    for _ in 0..2 {
        assert_eq!(caller.call(SAY, "nopic_a").await.status().code(), Code::Ok);
    }
    let refused = caller.call(SAY, "nopic_a").await.status();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    let quota = refused.get_details_quota_failure().unwrap();
    assert_eq!(quota.violations[0].subject, "tenant:a/kilobytes");
    assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some());
    assert_eq!(caller.call(SAY, "nopic_b").await.status().code(), Code::Ok);
}

#[tokio::test]
async fn every_kilobyte_of_json_is_charged_too_whatever_becomes_of_it() {
    let send = async |calls: &Calls, body: &str| {
        let request = http::Request::post(WHO_AM_I)
            .header("content-type", "application/json")
            .header("authorization", "Bearer nopic_a")
            .body(Body::new(Full::new(Bytes::from(body.to_owned()))));
        calls.answer(request.unwrap()).await.status().as_u16()
    };
    let spaces = " ".repeat(1_500);
    for (body, code) in [(format!("{{}}{spaces}"), 200), (format!("{{{spaces}"), 400)] {
        let bounds = Bounds {
            kilobytes: Rate::new(1, 4).unwrap(),
            ..Bounds::default()
        };
        let calls = calls(bounds, &Metrics::default());
        for _ in 0..2 {
            assert_eq!(send(&calls, &body).await, code);
        }
        assert_eq!(send(&calls, "{}").await, 429, "{code}");
    }
}
