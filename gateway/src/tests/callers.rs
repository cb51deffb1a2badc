//! Who calls, by what a connection shows.

use nopic_chassis::incoming::Peer;
use tonic::Code;

use super::*;
use crate::cross_site::CrossSite;

/// A call over a connection whose certificate has this name.
fn with_certificate(path: &str, name: &str) -> Request {
    let mut request = come(path, None);
    request.extensions_mut().insert(Peer {
        name: Some(Arc::from(name)),
        address: None,
        usage: None,
    });
    request
}

async fn code(calls: &Calls, request: Request) -> Code {
    let response = calls.answer(request).await;
    let (parts, body) = response.into_parts();
    let trailers = body.collect().await.unwrap().trailers().cloned();
    let status = trailers.as_ref().and_then(tonic::Status::from_header_map);
    status
        .or_else(|| tonic::Status::from_header_map(&parts.headers))
        .unwrap()
        .code()
}

#[tokio::test]
async fn a_certificate_that_a_browser_shows_for_a_page_of_another_site_is_nobodys() {
    let calls = calls(Bounds::default(), &Metrics::default());
    for (is_of_another_page, expected) in [(false, Code::Ok), (true, Code::Unauthenticated)] {
        let mut request = with_certificate(SAY, "broker.example");
        // A server that has certificates has a name.
        request.extensions_mut().insert(CrossSite {
            is_of_another_page,
            is_for_another_name: true,
        });
        assert_eq!(code(&calls, request).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_the_key_is_revoked_by_which_it_began() {
    let calls = calls(Bounds::default(), &Metrics::default());
    for (key, ends) in [("nopic_revoked", true), ("nopic_a", false)] {
        let began = Instant::now();
        let stream = code(&calls, come(STREAM, Some(key)));
        let ended = tokio::time::timeout(Duration::from_secs(60), stream).await;
        assert_eq!(ended.ok(), ends.then_some(Code::Unauthenticated), "{key}");
        let took = began.elapsed();
        assert!(!ends || took < REVOKED_AFTER + Duration::from_secs(2), "{took:?}");
    }
}
