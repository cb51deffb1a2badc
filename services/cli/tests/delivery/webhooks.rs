//! The HTTP server of every receiver: each has an address of its own on the loopback.

mod address;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::header::RETRY_AFTER;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

pub(crate) use address::url;

use crate::inbox::{Answer, Inbox};
use crate::plan::Failing;

/// Well within the time for a try, and behind all of it.
const SLOW: Duration = Duration::from_secs(2);
const TOO_SLOW: Duration = Duration::from_secs(60);

/// Serves every receiver; on which port.
pub(crate) async fn serve(inbox: Arc<Inbox>) -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let inbox = Arc::clone(&inbox);
            let answering = service_fn(move |request| answer(Arc::clone(&inbox), request));
            // A caller that is killed breaks off.
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answering));
        }
    });
    port
}

async fn answer(inbox: Arc<Inbox>, request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, io::Error> {
    let receiver: usize = request.uri().path()["/r/".len()..].parse().unwrap();
    let message_id = request.headers()["webhook-id"].to_str().unwrap().to_owned();
    // Of who was killed in the middle of a post nothing has come.
    let body = request.into_body().collect().await.map_err(io::Error::other)?;
    let (notice, answer) = inbox.post(receiver, &message_id, &body.to_bytes());
    match answer {
        Answer::Taken => {}
        Answer::Status(status) => return Ok(said(status)),
        Answer::Fails(Failing::Error) => return Ok(said(500)),
        Answer::Fails(Failing::TooMany) => {
            let mut response = said(429);
            response.headers_mut().insert(RETRY_AFTER, 2.into());
            return Ok(response);
        }
        Answer::Fails(Failing::Closes) => return Err(io::ErrorKind::ConnectionAborted.into()),
        Answer::Fails(Failing::Slow) => tokio::time::sleep(SLOW).await,
        Answer::Fails(Failing::Hangs) => tokio::time::sleep(TOO_SLOW).await,
    }
    inbox.taken(notice);
    Ok(said(204))
}

fn said(status: u16) -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status.try_into().unwrap();
    response
}
