//! What receivers find out with the libraries that Standard Webhooks gives them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use chrono::TimeDelta;
use nopic_chassis::clock::{Clock as _, SystemClock};
use nopic_notification::channels::{Channel as _, Outcome, Secret};
use serde_json::{Value, json};

use crate::receiver::{Receiver, answer};
use crate::samples::{digest, rejected, single};
use crate::{installed, local, verifier, webhook};

/// What is asked of the libraries, and what they should say.
async fn asked() -> Vec<(Value, &'static str)> {
    let now = SystemClock.now();
    let (old, new) = (Secret::generate().unwrap(), Secret::generate().unwrap());
    let (shortest, longest) = (
        Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap(),
        Secret::parse(&format!("whsec_{}==", "A".repeat(86))).unwrap(),
    );
    let both = [old.clone(), new.clone()];
    let mut receiver = Receiver::that(answer(200, "", "")).await;
    let webhook = webhook(local());
    let mut asked = Vec::new();
    let mut seen = Vec::new();
    for (id, secrets, at) in [
        ("msg_one", &both[..1], now),
        ("msg_both", &both[..], now),
        ("msg_shortest", std::slice::from_ref(&shortest), now),
        ("msg_longest", std::slice::from_ref(&longest), now),
        ("msg_stale", &both[..], now - TimeDelta::hours(1)),
    ] {
        let message = if id == "msg_both" {
            digest(id)
        } else {
            single(id, rejected())
        };
        let outcome = webhook.deliver(&receiver.settings(), secrets, &message, at).await;
        assert_eq!(outcome, Outcome::Delivered);
        let request = receiver.next().await;
        assert_eq!(request.line, "POST /hooks?key=hidden HTTP/1.1");
        assert_eq!(
            request.header("content-type"),
            "application/cloudevents+json; charset=utf-8"
        );
        assert_eq!(
            request.header("webhook-signature").split(' ').count(),
            secrets.len()
        );
        assert_eq!(request.json()["id"], id);
        let headers = ["webhook-id", "webhook-timestamp", "webhook-signature"]
            .map(|name| (name.to_owned(), Value::from(request.header(name))));
        seen.push((Value::Object(headers.into_iter().collect()), request.body));
    }
    let mut ask = |secret: &Secret, (headers, body): &(Value, String), said: &'static str| {
        asked.push((
            json!({"secret": secret.show(), "headers": headers, "body": body}),
            said,
        ));
    };
    ask(&old, &seen[0], "verified msg_one");
    ask(&new, &seen[0], "refused WebhookVerificationError");
    // While one secret takes the place of another, either is right.
    ask(&old, &seen[1], "verified msg_both");
    ask(&new, &seen[1], "verified msg_both");
    ask(&shortest, &seen[2], "verified msg_shortest");
    ask(&longest, &seen[3], "verified msg_longest");
    ask(&new, &seen[4], "refused WebhookVerificationError");
    // Whoever changes the body, or takes the signature of another message, is found out.
    let changed = (seen[0].0.clone(), seen[0].1.replace("1,200", "1,201"));
    ask(&old, &changed, "refused WebhookVerificationError");
    let mut other = seen[0].clone();
    other.0["webhook-id"] = "msg_both".into();
    ask(&old, &other, "refused WebhookVerificationError");
    asked
}

/// What a verifier says to these, a line each.
fn said(mut command: Command, asked: &[(Value, &'static str)]) -> Vec<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut given = child.stdin.take().unwrap();
    for (question, _) in asked {
        writeln!(given, "{question}").unwrap();
    }
    drop(given);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn the_library_for_python_verifies_what_we_sign() {
    let asked = asked().await;
    let python =
        nopic_testing::languages::python(&installed(), "channels-python", &verifier("requirements.txt"));
    let mut command = Command::new(python);
    command.arg(verifier("verify.py"));
    let expected: Vec<&str> = asked.iter().map(|(_, said)| *said).collect();
    assert_eq!(said(command, &asked), expected);
}

#[tokio::test]
async fn the_library_for_node_verifies_what_we_sign() {
    let asked = asked().await;
    let folder = nopic_testing::languages::node(&installed(), "channels-node", &verifier(""));
    let script = folder.join("verify.mjs");
    std::fs::copy(verifier("verify.mjs"), &script).unwrap();
    let mut command = Command::new("node");
    command.arg(script);
    let expected: Vec<&str> = asked.iter().map(|(_, said)| *said).collect();
    assert_eq!(said(command, &asked), expected);
}
