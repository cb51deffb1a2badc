//! A webhook's body stays below 20 kB, and says what it leaves out.

use nopic_domain::identifier::NopId;
use nopic_domain::notice::{Notice, ToDo};
use nopic_notification::channels::{Channel as _, Message, Outcome};
use serde_json::Value;

use crate::receiver::{Receiver, answer};
use crate::samples::{expiring, moment, of_many, rejected, single};
use crate::{local, secrets, webhook};

async fn body(message: &Message) -> Value {
    let mut receiver = Receiver::that(answer(200, "", "")).await;
    let outcome = webhook(local())
        .deliver(&receiver.settings(), &secrets(), message, moment())
        .await;
    assert_eq!(outcome, Outcome::Delivered);
    let seen = receiver.next().await;
    assert!(seen.body.len() < 20_000, "{}", seen.body.len());
    seen.json()
}

/// A notice that is larger than any message.
fn huge() -> Notice {
    let mut notice = rejected();
    // Six bytes each in JSON.
    let long = "\u{1}".repeat(5_000);
    notice.sentences = vec![long.clone(); 500];
    notice.to_do = vec![
        ToDo {
            who: long.clone(),
            what: long.clone(),
            by: None,
        };
        50
    ];
    notice.parties.importers = (0..5_000).filter_map(NopId::from_number).collect();
    notice.title = long;
    notice
}

#[tokio::test]
async fn a_digest_without_room_says_how_many_more_there_are_and_where() {
    let few = body(&of_many("msg_1", vec![rejected(), expiring()])).await;
    assert_eq!(few["type"], "nopic.digest.v1");
    assert_eq!(few["data"]["count"], 2);
    assert_eq!(few["data"]["notices"].as_array().unwrap().len(), 2);
    assert!(few["data"].get("more").is_none() && few.get("subject").is_none());

    let many = body(&of_many("msg_2", vec![expiring(); 1_000])).await;
    let told = many["data"]["notices"].as_array().unwrap().len();
    assert!(told > 10, "{told}");
    assert_eq!(many["data"]["count"], 1_000);
    assert_eq!(many["data"]["more"]["count"], 1_000 - told);
    assert_eq!(many["data"]["more"]["readAt"], "nopic notice list");
}

#[tokio::test]
async fn a_notice_without_room_is_shortened_and_says_so() {
    let one = body(&single("msg_1", huge())).await;
    assert_eq!(one["data"]["shortened"]["readAt"], "nopic notice list");
    assert_eq!(one["data"]["kind"], "LINES_REJECTED");
    assert!(!one["data"]["sentences"].as_array().unwrap().is_empty());
    let many = body(&of_many("msg_2", vec![huge(), expiring(), huge()])).await;
    let notices = many["data"]["notices"].as_array().unwrap();
    assert_eq!(notices.len(), 3);
    // What somebody must act on comes first.
    assert_eq!(notices[2]["severity"], "WARNING");
    assert!(notices[2].get("shortened").is_none());
    // What was shortened is still a notice.
    let _: Notice = serde_json::from_value(notices[0].clone()).unwrap();
}
