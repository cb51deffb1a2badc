//! Bare posts: requests that are built beforehand, by the client that webhooks use, as many at a time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use hyper::header::{CONTENT_LENGTH, HOST};
use reqwest::{Client, Request, redirect};

use crate::sink::Post;

/// As of webhooks.
pub(crate) fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .tls_certs_only([])
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(Duration::from_secs(8))
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_max_idle_per_host(4)
        .build()
        .unwrap()
}

/// The same posts again.
pub(crate) fn prepare(client: &Client, posts: Vec<Post>) -> Vec<Request> {
    let request = |mut post: Post| {
        post.headers.remove(HOST);
        post.headers.remove(CONTENT_LENGTH);
        client
            .post(format!("http://{}{}", post.host, post.path))
            .headers(post.headers)
            .body(post.body)
            .build()
            .unwrap()
    };
    posts.into_iter().map(request).collect()
}

/// Posts them all.
pub(crate) async fn post(client: &Client, requests: Vec<Request>, at_a_time: usize) {
    let requests = Arc::new(Mutex::new(requests.into_iter()));
    let posting = (0..at_a_time).map(|_| {
        let (client, requests) = (client.clone(), Arc::clone(&requests));
        tokio::spawn(async move {
            loop {
                let next = requests.lock().unwrap().next();
                let Some(request) = next else { break };
                let answer = client.execute(request).await.unwrap();
                assert_eq!(answer.status(), 204);
            }
        })
    });
    for posted in join_all(posting).await {
        posted.unwrap();
    }
}
