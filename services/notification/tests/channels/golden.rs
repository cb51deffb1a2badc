//! What people and programs get, as files that a person may read. `NOPIC_GOLDEN=write` writes them anew.

use std::path::Path;

use nopic_notification::channels::email::{Email, EmailOptions, Encryption, Server, Transport};
use nopic_notification::channels::{Channel as _, Message, Outcome};
use serde_json::json;

use crate::mailbox::Mailbox;
use crate::receiver::{Receiver, answer};
use crate::samples::{digest, moment, rejected, single};
use crate::{local, secrets, webhook};

/// The text and the HTML of a letter, as a mail program reads them.
async fn letter(message: &Message) -> (String, String) {
    let mut mailbox = Mailbox::open(None, None).await;
    let email = Email::new(EmailOptions {
        transport: Transport::Server(Box::new(Server {
            host: "localhost".to_owned(),
            port: mailbox.port,
            encryption: Encryption::IfOffered,
            credentials: None,
            authority: None,
            connections: 1,
        })),
        ..EmailOptions::into_folder("unused".into())
    })
    .unwrap();
    let settings = json!({"addresses": ["anna@example.com"]});
    let outcome = email.deliver(&settings, &[], message, moment()).await;
    assert_eq!(outcome, Outcome::Delivered);
    let letter = mailbox.next().await;
    let part = |name: &str| letter[name].as_str().unwrap().replace("\r\n", "\n");
    (part("text"), part("html"))
}

#[tokio::test]
async fn letters_and_bodies_are_those_of_the_files() {
    let mut seen = Vec::new();
    for (name, message) in [
        ("notice", single("msg_1", rejected())),
        ("digest", digest("msg_2")),
    ] {
        let (text, html) = letter(&message).await;
        seen.push((format!("{name}.txt"), text));
        seen.push((format!("{name}.html"), html));
    }
    let mut receiver = Receiver::that(answer(200, "", "")).await;
    let message = single("msg_1", rejected());
    let outcome = webhook(local())
        .deliver(&receiver.settings(), &secrets(), &message, moment())
        .await;
    assert_eq!(outcome, Outcome::Delivered);
    let request = receiver.next().await;
    let headers = [
        "content-type",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    ]
    .map(|name| format!("{name}: {}\n", request.header(name)));
    seen.push((
        "webhook.txt".to_owned(),
        format!("{}\n{}\n", headers.concat(), request.body),
    ));

    let is_writing = std::env::var("NOPIC_GOLDEN").is_ok_and(|value| value == "write");
    let mut differing = Vec::new();
    for (name, content) in seen {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data/golden")
            .join(&name);
        if is_writing {
            std::fs::write(file, content).unwrap();
        } else if std::fs::read_to_string(file).unwrap_or_default() != content {
            differing.push(format!("{name}:\n{content}"));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
