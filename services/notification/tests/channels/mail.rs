//! Mail by a real server, and into a folder.

use std::time::Duration;

use lettre::transport::smtp::client::Certificate;
use nopic_chassis::config::Reader;
use nopic_notification::channels::email::{Email, EmailOptions, Encryption, Server, Transport};
use nopic_notification::channels::{Channel, Channels, Content, MailFolder, Message, Outcome, Surroundings};
use nopic_testing::certificates::{Authority, Files};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::mailbox::Mailbox;
use crate::samples::{digest, moment, rejected, single};

fn server(port: u16, encryption: Encryption) -> Server {
    Server {
        host: "localhost".to_owned(),
        port,
        encryption,
        credentials: None,
        authority: None,
        connections: 2,
    }
}

fn email(server: Server) -> Email {
    Email::new(EmailOptions {
        transport: Transport::Server(Box::new(server)),
        from: "nopic <nopic@broker.example>".parse().unwrap(),
        patience: Duration::from_secs(30),
        read_at: "https://nopic.broker.example/notices".to_owned(),
    })
    .unwrap()
}

fn to(addresses: &[&str]) -> Value {
    json!({"addresses": addresses})
}

async fn deliver(email: &dyn Channel, addresses: &[&str], message: &Message) -> Outcome {
    email.deliver(&to(addresses), &[], message, moment()).await
}

/// The channels as an operator configures them, for a server that wants TLS and a login.
fn configured(transport: &str, password: &str, files: &Files) -> Channels {
    let environment = [
        ("TRANSPORT", transport),
        ("USER", "nopic"),
        ("PASSWORD", password),
        ("FROM", "nopic <nopic@broker.example>"),
        ("AUTHORITY", files.authority.to_str().unwrap()),
    ];
    let environment =
        environment.map(|(key, value)| (format!("NOPIC_NOTIFICATION_MAIL_{key}"), value.to_owned()));
    let mut reader = Reader::of_environment(environment);
    let channels = Channels::configured(&mut reader, &Surroundings::new(MailFolder::default()));
    reader.finish().unwrap();
    channels
}

#[tokio::test]
async fn mail_goes_by_starttls_and_a_login_and_is_read_back_as_text_and_html() {
    let folder = tempfile::tempdir().unwrap();
    let files = Authority::new().files(folder.path(), "localhost");
    let mut mailbox = Mailbox::open(
        Some((&files.certificate, &files.key)),
        Some(("nopic", "correct horse")),
    )
    .await;
    let transport = format!("smtp://localhost:{}", mailbox.port);
    let channels = configured(&transport, "correct horse", &files);
    let email = channels.find("email").unwrap();
    let message = single("msg_1", rejected());
    assert_eq!(
        deliver(&**email, &["anna@example.com"], &message).await,
        Outcome::Delivered
    );
    let letter = mailbox.next().await;
    assert_eq!(letter["tls"], true);
    assert_eq!(letter["authenticated"], true);
    assert_eq!(letter["from"], "nopic@broker.example");
    assert_eq!(letter["to"], json!(["anna@example.com"]));
    let headers = &letter["headers"];
    assert_eq!(
        headers["Subject"],
        "2 lines of entry B76-0324527-8 cannot be filed as organic"
    );
    assert_eq!(headers["Message-ID"], "<msg_1@broker.example>");
    assert_eq!(headers["From"], "nopic <nopic@broker.example>");
    assert_eq!(headers["Date"], "Mon, 30 Nov 2026 14:05:00 +0000");
    assert_eq!(headers["Auto-Submitted"], "auto-generated");
    let (text, html) = (letter["text"].as_str().unwrap(), letter["html"].as_str().unwrap());
    assert!(
        text.contains("* The broker, by December 4, 2026: Correct the lines"),
        "{text}"
    );
    assert!(text.contains("\"Control & Cert <EU>\""), "{text}");
    assert!(
        html.contains("&quot;Control &amp; Cert &lt;EU&gt;&quot;"),
        "{html}"
    );
    assert!(letter["longest"].as_u64().unwrap() <= 78);

    // The next letter goes over the same connection.
    let message = digest("msg_2");
    assert_eq!(
        deliver(&**email, &["anna@example.com"], &message).await,
        Outcome::Delivered
    );
    let second = mailbox.next().await;
    assert_eq!(second["peer"], letter["peer"]);
    assert!(
        second["headers"]["Subject"]
            .as_str()
            .unwrap()
            .starts_with("3 notices: 2 lines of entry")
    );

    let wrong = configured(&transport, "battery staple", &files);
    let outcome = deliver(&**wrong.find("email").unwrap(), &["anna@example.com"], &message).await;
    let Outcome::Ours { why } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(
        why.contains("an operator must look after it") && !why.contains("staple"),
        "{why}"
    );
}

#[tokio::test]
async fn mail_goes_by_tls_from_the_first_byte() {
    let folder = tempfile::tempdir().unwrap();
    let files = Authority::new().files(folder.path(), "localhost");
    let login = ("nopic", "correct horse");
    let mut mailbox = Mailbox::over_tls((&files.certificate, &files.key), login).await;
    let transport = format!("smtps://localhost:{}", mailbox.port);
    let channels = configured(&transport, login.1, &files);
    let email = channels.find("email").unwrap();
    let message = single("msg_1", rejected());
    assert_eq!(
        deliver(&**email, &["anna@example.com"], &message).await,
        Outcome::Delivered
    );
    let letter = mailbox.next().await;
    assert_eq!(
        (&letter["tls"], &letter["authenticated"]),
        (&json!(true), &json!(true))
    );
    // Nothing of the password is seen where the channel is printed.
    assert!(!format!("{channels:?}").contains("horse"));
}

#[tokio::test]
async fn a_server_without_tls_or_with_a_strange_certificate_gets_no_letter() {
    let mailbox = Mailbox::open(None, None).await;
    let message = single("msg_1", rejected());
    let without = email(server(mailbox.port, Encryption::StartTls));
    let outcome = deliver(&without, &["anna@example.com"], &message).await;
    assert!(
        matches!(&outcome, Outcome::Ours { why } if why.contains("STARTTLS")),
        "{outcome:?}"
    );

    let folder = tempfile::tempdir().unwrap();
    let files = Authority::new().files(folder.path(), "localhost");
    let mailbox = Mailbox::open(Some((&files.certificate, &files.key)), None).await;
    let other = Authority::new().pem();
    for encryption in [Encryption::StartTls, Encryption::IfOffered] {
        let mut server = server(mailbox.port, encryption);
        server.authority = Some(Certificate::from_pem(other.as_bytes()).unwrap());
        let outcome = deliver(&email(server), &["anna@example.com"], &message).await;
        assert!(
            matches!(&outcome, Outcome::Ours { why } if why.contains("certificate")),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn recipients_are_refused_by_name_and_nobody_gets_a_letter_twice() {
    let mut mailbox = Mailbox::open(None, None).await;
    let email = email(server(mailbox.port, Encryption::IfOffered));
    let message = single("msg_1", rejected());

    // One for later, one for never, one at once.
    let all = ["later@example.com", "nobody@example.com", "anna@example.com"];
    let outcome = deliver(&email, &all, &message).await;
    let Outcome::Passing {
        why,
        slow_down: false,
        ..
    } = &outcome
    else {
        panic!("{outcome:?}");
    };
    assert_eq!(
        why,
        "The mail server refused later@example.com (451 4.7.1 Come back later). The others have the letter."
    );
    assert_eq!(mailbox.next().await["to"], json!(["anna@example.com"]));
    // The next try is for those who do not have it, and tells who never will.
    let outcome = deliver(&email, &all, &message).await;
    assert_eq!(
        outcome,
        Outcome::Refused {
            why: "The mail server refused nobody@example.com (550 5.1.1 There is nobody of this name). The others \
                  have the letter."
                .to_owned()
        }
    );
    let letter = mailbox.next().await;
    assert_eq!(letter["to"], json!(["later@example.com"]));
    assert_eq!(letter["headers"]["To"], all.join(", "));

    // Where all have it, somebody wants it sent again.
    assert_eq!(
        deliver(&email, &[all[0], all[2]], &message).await,
        Outcome::Delivered
    );
    assert_eq!(mailbox.next().await["to"], json!([all[0], all[2]]));
    let delivered = single("msg_3", rejected());
    for _ in 0..2 {
        let outcome = deliver(&email, &["anna@example.com"], &delivered).await;
        assert_eq!(outcome, Outcome::Delivered);
        assert_eq!(mailbox.next().await["to"], json!(["anna@example.com"]));
    }
    let alone = single("msg_2", rejected());
    let outcome = deliver(&email, &["nobody@example.com"], &alone).await;
    assert!(
        matches!(&outcome, Outcome::Refused { why } if why.ends_with("name).")),
        "{outcome:?}"
    );
    let outcome = deliver(&email, &["full@example.com"], &alone).await;
    assert!(
        matches!(outcome, Outcome::Passing { slow_down: false, .. }),
        "{outcome:?}"
    );
    let outcome = deliver(&email, &["closing@example.com"], &alone).await;
    assert!(matches!(outcome, Outcome::Ours { .. }), "{outcome:?}");
    assert_eq!(
        deliver(&email, &["bert@example.com"], &alone).await,
        Outcome::Delivered
    );
    assert_eq!(mailbox.next().await["to"], json!(["bert@example.com"]));
}

#[tokio::test]
async fn a_letter_that_the_server_refuses_is_refused_and_no_title_makes_a_header() {
    let mut mailbox = Mailbox::open(None, None).await;
    let email = email(server(mailbox.port, Encryption::IfOffered));
    let mut notice = rejected();
    notice.title = "refuse the content".to_owned();
    let outcome = deliver(&email, &["anna@example.com"], &single("msg_1", notice)).await;
    assert!(
        matches!(&outcome, Outcome::Refused { why } if why.contains("554 5.6.0 Not such a letter")),
        "{outcome:?}"
    );

    let mut notice = rejected();
    notice.title = format!(
        "Grüße\r\nBcc: bert@example.com\r\n\r\n.\r\nQUIT {}",
        "long ".repeat(100)
    );
    notice.sentences = vec!["<script>alert(1)</script>\r\n.\r\nMAIL FROM:<a@b.c>".to_owned()];
    let mut message = single("msg_2", notice);
    message.tenant = "a\r\nb".to_owned();
    assert_eq!(
        deliver(&email, &["anna@example.com"], &message).await,
        Outcome::Delivered
    );
    let letter = mailbox.next().await;
    assert_eq!(letter["to"], json!(["anna@example.com"]));
    assert!(letter["headers"].get("Bcc").is_none());
    let subject = letter["headers"]["Subject"].as_str().unwrap();
    assert!(
        subject.starts_with("Grüße Bcc: bert@example.com . QUIT long") && subject.ends_with('…'),
        "{subject}"
    );
    let html = letter["html"].as_str().unwrap();
    assert!(
        html.contains("&lt;script&gt;") && !html.contains("<script"),
        "{html}"
    );
    assert!(
        letter["text"]
            .as_str()
            .unwrap()
            .contains("<script>alert(1)</script> . MAIL FROM:<a@b.c>")
    );
}

#[tokio::test]
async fn a_server_that_hangs_in_the_middle_is_given_up_and_its_connection_is_not_used_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, mut hangs) = tokio::sync::mpsc::unbounded_channel();
    let serving = tokio::spawn(async move {
        let mut connections = 0;
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            connections += 1;
            let _ = stream.write_all(b"220 here\r\n").await;
            let mut line = [0; 512];
            // To the greeting it answers, to what comes then it does not.
            let _ = stream.read(&mut line).await;
            let _ = stream.write_all(b"250 localhost\r\n").await;
            let _ = stream.read(&mut line).await;
            sender.send(connections).unwrap();
            // Until it is given up.
            while stream.read(&mut line).await.is_ok_and(|read| read > 0) {}
        }
    });
    let mut server = server(port, Encryption::IfOffered);
    server.host = "127.0.0.1".to_owned();
    let email = std::sync::Arc::new(email(server));
    for expected in 1..=2 {
        let trying = {
            let email = email.clone();
            tokio::spawn(async move {
                let message = single("msg_1", rejected());
                deliver(&*email, &["anna@example.com"], &message).await
            })
        };
        assert_eq!(hangs.recv().await, Some(expected));
        tokio::time::pause();
        let outcome = trying.await.unwrap();
        tokio::time::resume();
        assert!(
            matches!(&outcome, Outcome::Ours { why } if why.contains("within 30 seconds")),
            "{outcome:?}"
        );
    }
    serving.abort();
}

#[tokio::test]
async fn without_a_server_letters_become_files_and_a_second_try_writes_the_same_one() {
    let folder = tempfile::tempdir().unwrap();
    let mail = folder.path().join("mail");
    let mut reader = Reader::of_environment([]);
    let channels = Channels::configured(&mut reader, &Surroundings::new(MailFolder::at(mail.clone())));
    let email = channels.find("email").unwrap();
    let mut message = digest("msg_1");
    for _ in 0..2 {
        assert_eq!(
            deliver(&**email, &["anna@example.com"], &message).await,
            Outcome::Delivered
        );
    }
    message.content = Content::Notice(Box::new(rejected()));
    message.id = single("msg_2", rejected()).id;
    assert_eq!(
        deliver(&**email, &["anna@example.com"], &message).await,
        Outcome::Delivered
    );
    let mut names: Vec<String> = std::fs::read_dir(&mail)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["msg_1.eml", "msg_2.eml"]);
    let letter = std::fs::read_to_string(mail.join("msg_1.eml")).unwrap();
    assert!(letter.contains("Subject: 3 notices: "), "{letter}");
    assert_eq!(
        email.destination(&to(&["anna@example.com", "bert@example.com"])),
        "anna@example.com and 1 more"
    );
}
