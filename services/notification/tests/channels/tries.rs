//! What each answer, and the lack of one, means for the message.

use std::sync::Arc;
use std::time::Duration;

use nopic_notification::channels::{Channel as _, Outcome};
use serde_json::json;

use crate::receiver::{Doing, Receiver, answer, bytes};
use crate::samples::{moment, rejected, single};
use crate::{local, secrets, webhook};

/// The outcome of one try at a receiver that does so.
async fn tried(doing: Doing) -> Outcome {
    let receiver = Receiver::that(doing).await;
    let webhook = webhook(local());
    let message = single("msg_1", rejected());
    let outcome = webhook
        .deliver(&receiver.settings(), &secrets(), &message, moment())
        .await;
    if let Some(why) = outcome.why() {
        assert!(!why.contains("hidden") && why.ends_with('.'), "{why}");
        assert!(why.contains(&receiver.address.to_string()), "{why}");
        assert!(
            why.chars().count() < 400 && !why.chars().any(char::is_control),
            "{why}"
        );
    }
    outcome
}

/// The same where time passes as soon as the request is there and nobody has anything else to do.
async fn tried_in_no_time(doing: Doing) -> (Outcome, Duration) {
    let mut receiver = Receiver::that(doing).await;
    let webhook = Arc::new(webhook(local()));
    let settings = receiver.settings();
    let trying = tokio::spawn(async move {
        let message = single("msg_1", rejected());
        webhook.deliver(&settings, &secrets(), &message, moment()).await
    });
    receiver.next().await;
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    let outcome = trying.await.unwrap();
    let time = started.elapsed();
    tokio::time::resume();
    (outcome, time)
}

#[tokio::test]
async fn every_success_is_a_delivery_whatever_its_body_does() {
    for status in [200, 201, 202, 204, 299] {
        assert_eq!(
            tried(answer(status, "", "")).await,
            Outcome::Delivered,
            "{status}"
        );
    }
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n".to_vec();
    assert_eq!(tried(Doing::Endless(head.clone())).await, Outcome::Delivered);
    assert_eq!(tried(Doing::Closes(head)).await, Outcome::Delivered);
}

#[tokio::test]
async fn a_body_that_never_comes_holds_nobody_up() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec();
    let (outcome, time) = tried_in_no_time(Doing::Answer(head)).await;
    assert_eq!(outcome, Outcome::Delivered);
    assert!(time <= Duration::from_secs(3), "{time:?}");
}

#[tokio::test]
async fn what_is_said_of_the_message_is_for_good() {
    for status in [400, 405, 406, 411, 413, 414, 415, 417, 422, 426, 428, 431, 418] {
        let outcome = tried(answer(status, "", "{\"error\": \"no such\r\n field\"}")).await;
        let Outcome::Refused { why } = outcome else {
            panic!("{status}: {outcome:?}");
        };
        assert!(
            why.contains(&status.to_string()) && why.contains("no such field"),
            "{why}"
        );
    }
}

#[tokio::test]
async fn what_is_said_of_the_receiver_passes_and_load_slows_down() {
    for (status, is_load) in [
        (401, false),
        (402, false),
        (403, false),
        (404, false),
        (407, false),
        (409, false),
        (423, false),
        (451, false),
        (500, false),
        (501, false),
        (505, false),
        (599, false),
        (408, true),
        (425, true),
        (429, true),
        (502, true),
        (503, true),
        (504, true),
        (529, true),
    ] {
        let outcome = tried(answer(status, "", "")).await;
        let Outcome::Passing {
            slow_down,
            retry_after: None,
            ..
        } = outcome
        else {
            panic!("{status}: {outcome:?}");
        };
        assert_eq!(slow_down, is_load, "{status}");
    }
}

#[tokio::test]
async fn a_receiver_that_is_gone_says_so() {
    let outcome = tried(answer(410, "", "moved away")).await;
    assert!(
        matches!(&outcome, Outcome::Gone { why } if why.contains("moved away")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_wish_for_a_pause_is_heard_in_both_forms_and_is_a_day_at_most() {
    for (status, wish, seconds) in [
        (429, "120", 120),
        (429, "Mon, 30 Nov 2026 14:06:00 GMT", 60),
        (503, "999999999", 86_400),
        (503, "Fri, 31 Dec 2027 00:00:00 GMT", 86_400),
        (500, "7", 7),
    ] {
        let outcome = tried(answer(status, &format!("retry-after: {wish}\r\n"), "")).await;
        let Outcome::Passing { retry_after, .. } = outcome else {
            panic!("{status}: {outcome:?}");
        };
        assert_eq!(retry_after, Some(Duration::from_secs(seconds)), "{wish}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed_and_tell_only_where_they_lead() {
    let inside = Receiver::that(answer(200, "", "")).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("location: http://{}/secret?key=1\r\n", inside.address);
        let outcome = tried(answer(status, &location, "")).await;
        let Outcome::Refused { why } = outcome else {
            panic!("{status}: {outcome:?}");
        };
        assert!(
            why.contains("redirect to 127.0.0.1") && !why.contains("secret"),
            "{why}"
        );
    }
    assert!(matches!(
        tried(answer(304, "", "")).await,
        Outcome::Refused { .. }
    ));
    assert_eq!(inside.count(), 0);
}

#[tokio::test]
async fn an_answer_is_told_in_one_short_clean_line() {
    let body = format!("\u{1b}[2J\u{202e}oops\r\n\0{}", "long ".repeat(20_000));
    let outcome = tried(answer(500, "", &body)).await;
    let why = outcome.why().unwrap();
    assert!(
        why.contains(": \"[2J oops long long") && why.contains("…\""),
        "{why}"
    );
    let head = b"HTTP/1.1 500 No\r\ncontent-length: 1000000000\r\n\r\n".to_vec();
    let outcome = tried(Doing::Endless(head)).await;
    assert!(outcome.why().unwrap().contains("xxxx"), "{outcome:?}");
}

#[tokio::test]
async fn of_an_answer_without_end_little_is_read() {
    for status in ["200 OK", "500 No"] {
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: 1000000000000\r\n\r\n");
        let receiver = Receiver::that(Doing::Endless(head.into_bytes())).await;
        let message = single("msg_1", rejected());
        webhook(local())
            .deliver(&receiver.settings(), &secrets(), &message, moment())
            .await;
        // What lies in the buffers of the system is some megabytes; in the time that is given to an answer there
        // would be hundreds.
        assert!(
            receiver.endless_bytes() < 32 << 20,
            "{}",
            receiver.endless_bytes()
        );
    }
}

#[tokio::test]
async fn who_answers_late_is_waited_for_and_who_never_answers_is_not() {
    let late = Doing::Late(Duration::from_secs(14), bytes(204, "", ""));
    let (outcome, time) = tried_in_no_time(late).await;
    assert_eq!(outcome, Outcome::Delivered);
    assert!(time >= Duration::from_secs(14));
    for doing in [Doing::Hangs, Doing::Drips] {
        let (outcome, time) = tried_in_no_time(doing.clone()).await;
        let Outcome::Passing {
            why, slow_down: true, ..
        } = outcome
        else {
            panic!("{doing:?}: {outcome:?}");
        };
        assert!(why.contains("did not answer within 20 seconds"), "{why}");
        assert!(time <= Duration::from_secs(21), "{time:?}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_off_before_the_answer_passes() {
    for bytes in [
        &b""[..],
        b"HTTP/1.1 20",
        b"HTTP/1.1 200 OK\r\ncontent-",
        b"no answer at all\r\n\r\n",
    ] {
        let outcome = tried(Doing::Closes(bytes.to_vec())).await;
        assert!(
            matches!(outcome, Outcome::Passing { slow_down: false, .. }),
            "{outcome:?}"
        );
    }
    let port = nopic_testing::process::free_port();
    let settings = json!({"url": format!("http://127.0.0.1:{port}/")});
    let message = single("msg_1", rejected());
    let outcome = webhook(local())
        .deliver(&settings, &secrets(), &message, moment())
        .await;
    let why = outcome.why().unwrap();
    assert!(
        why.contains("could not be connected to: Connection refused"),
        "{why}"
    );
}

#[tokio::test]
async fn nothing_is_sent_with_wrong_settings_or_without_a_secret() {
    let receiver = Receiver::that(answer(200, "", "")).await;
    let webhook = webhook(local());
    let message = single("msg_1", rejected());
    let none = webhook
        .deliver(&receiver.settings(), &[], &message, moment())
        .await;
    assert!(
        matches!(&none, Outcome::Refused { why } if why.contains("no secret")),
        "{none:?}"
    );
    let mut settings = receiver.settings();
    settings["method"] = json!("GET");
    let wrong = webhook.deliver(&settings, &secrets(), &message, moment()).await;
    assert!(
        matches!(&wrong, Outcome::Refused { why } if why.contains("method: there is no")),
        "{wrong:?}"
    );
    assert_eq!(receiver.count(), 0);
    assert_eq!(
        webhook.destination(&receiver.settings()),
        receiver.address.to_string()
    );
}
