//! Floods of frames that cost their sender nothing.

use std::time::Duration;

use tokio::time::Instant;

use crate::connections::{as_many_as_files, opened};
use crate::door::{Door, size};
use crate::frames::{
    CONTINUATION, END_HEADERS, END_STREAM, HEADERS, PING, RESET, Raw, SETTINGS, call, field, frame,
};

const VALIDATE: &str = "/nopic.entry_validation.v1.EntryValidationService/ValidateEntry";

/// How long a flood goes on at least: long enough for others to feel it.
const LEAST: Duration = Duration::from_secs(1);

/// Sends the same again and again, each time with the next stream; how many of it were taken.
async fn flood(door: &Door, most: usize, mut next: impl FnMut(u32) -> Vec<u8>) -> String {
    let began = Instant::now();
    let mut connections = 0;
    let mut sent = 0;
    while sent < most || began.elapsed() < LEAST {
        let mut raw = Raw::connect(door.address, &[]).await;
        connections += 1;
        let mut stream = 1;
        // As long as it is taken; then from the beginning.
        while sent < most || began.elapsed() < LEAST {
            let mut many = Vec::new();
            for _ in 0..100 {
                many.extend(next(stream));
                stream += 2;
            }
            sent += 100;
            if !raw.send(&many).await {
                break;
            }
        }
    }
    format!("{sent} on {connections} connections")
}

#[tokio::test(flavor = "multi_thread")]
async fn resets() {
    let door = Door::open();
    let headers = call(VALIDATE);
    let attack = flood(&door, size(20_000, 200_000), |stream| {
        [
            frame(HEADERS, END_HEADERS, stream, &headers),
            frame(RESET, 0, stream, &8_u32.to_be_bytes()),
        ]
        .concat()
    });
    door.withstands("resets", attack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pings() {
    let door = Door::open();
    let ping = frame(PING, 0, 0, &[7; 8]);
    let attack = flood(&door, size(100_000, 1_000_000), |_| ping.clone());
    door.withstands("PING", attack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings() {
    let door = Door::open();
    let settings = frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]);
    let attack = flood(&door, size(100_000, 1_000_000), |_| settings.clone());
    door.withstands("SETTINGS", attack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_never_end() {
    let door = Door::open();
    let begun = frame(HEADERS, 0, 1, &call(VALIDATE));
    let more = frame(CONTINUATION, 0, 1, &field("x-more", &"m".repeat(1_000)));
    let attack = async {
        let mut sent = 0;
        for _ in 0..size(20, 200) {
            let mut raw = Raw::connect(door.address, &[]).await;
            let mut is_open = raw.send(&begun).await;
            for _ in 0..2_000 {
                if !is_open {
                    break;
                }
                is_open = raw.send(&more.repeat(16)).await;
                sent += 16;
            }
            assert!(!is_open, "a header block of 32 MB is taken");
        }
        format!("{sent} CONTINUATION frames of 1 kB")
    };
    door.withstands("headers that never end", attack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_by_the_ten_thousand_on_one_connection() {
    let door = Door::open();
    let headers = call(VALIDATE);
    let attack = flood(&door, size(50_000, 50_000), |stream| {
        frame(HEADERS, END_HEADERS, stream, &headers)
    });
    door.withstands("50,000 streams", attack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_without_a_body() {
    let door = Door::open();
    let headers = call("/nopic.entry_validation.v1.EntryValidationService/Invent");
    let attack = flood(&door, size(5_000, 50_000), |stream| {
        frame(HEADERS, END_HEADERS | END_STREAM, stream, &headers)
    });
    door.withstands("calls of no method", attack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_alone() {
    let door = Door::open_alone();
    let headers = call(VALIDATE);
    let attack = async {
        let count = as_many_as_files(size(2_000, 10_000));
        let silent = opened(door.address, count, b"").await;
        let resets = flood(&door, size(20_000, 200_000), |stream| {
            [
                frame(HEADERS, END_HEADERS, stream, &headers),
                frame(RESET, 0, stream, &8_u32.to_be_bytes()),
            ]
            .concat()
        });
        let resets = resets.await;
        let streams = flood(&door, 50_000, |stream| {
            frame(HEADERS, END_HEADERS, stream, &headers)
        })
        .await;
        format!(
            "{} silent connections, resets: {resets}, streams: {streams}",
            silent.len()
        )
    };
    door.withstands("a service alone", attack).await;
}
