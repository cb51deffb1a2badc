//! Notices from the command line over a server: who is told, by webhook and mail, and what becomes of it.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use std::io::{BufReader, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nopic_chassis::clock::{Clock as _, SystemClock};
use serde_json::Value;
use support::{Ended, Place, Serving};
use tokio::time::Instant;

/// For so long something is waited for that takes a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// A webhook that answers with a status, which a test may change, and passes on what came: identifier and body.
struct Hook {
    url: String,
    status: Arc<Mutex<u16>>,
    came: Receiver<(String, Value)>,
}

impl Hook {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/nopic", listener.local_addr().unwrap());
        let status = Arc::new(Mutex::new(204));
        let (sender, came) = channel();
        let answers = Arc::clone(&status);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                // Whoever goes away in between ends a connection, not the server.
                while let Some((id, body)) = request(&mut stream) {
                    let status = *answers.lock().unwrap();
                    let answer = format!("HTTP/1.1 {status} It\r\ncontent-length: 0\r\n\r\n");
                    if sender.send((id, body)).is_err()
                        || stream.get_mut().write_all(answer.as_bytes()).is_err()
                    {
                        break;
                    }
                }
            }
        });
        Self { url, status, came }
    }

    fn answers(&self, status: u16) {
        *self.status.lock().unwrap() = status;
    }

    fn next(&self) -> (String, Value) {
        self.came.recv_timeout(PATIENCE).unwrap()
    }
}

fn request(stream: &mut impl std::io::BufRead) -> Option<(String, Value)> {
    let (mut id, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        match name.to_ascii_lowercase().as_str() {
            "webhook-id" => value.clone_into(&mut id),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((id, serde_json::from_slice(&body).unwrap()))
}

struct World {
    place: Place,
    serving: Serving,
}

impl World {
    fn new() -> Self {
        let place = Place::of_any_filing_day();
        place.sample(60, 20, 60, 9);
        let allow = [
            ("NOPIC_NOTIFICATION_WEBHOOK_ALLOW", "127.0.0.0/8"),
            ("NOPIC_NOTIFICATION_WEBHOOK_PLAIN_HTTP", "127.0.0.0/8"),
        ];
        let mut command = place.command(&["serve", "all", "--listen", "127.0.0.1:0"]);
        command.envs(allow);
        let serving = place.serve_by(command);
        Self { place, serving }
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let mut all = arguments.to_vec();
        all.extend(["--endpoint", &self.serving.url]);
        self.place.run(&all)
    }

    fn done(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        assert_eq!(done.status, 0, "{arguments:?}: {done:?}");
        done.out
    }

    fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        let mut all = arguments.to_vec();
        all.extend(["--output", "jsonl"]);
        let out = self.done(&all);
        out.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Asks until the answer is as it is waited for.
    fn until(&self, arguments: &[&str], is_there: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let lines = self.lines(arguments);
            if is_there(&lines) {
                return lines;
            }
            assert!(begun.elapsed() < PATIENCE, "{arguments:?}: {lines:?}");
        }
    }
}

#[test]
fn what_is_filed_reaches_a_webhook_and_a_mailbox_and_what_could_not_be_sent_is_sent_again() {
    let world = World::new();
    let (hook, silent) = (Hook::new(), Hook::new());
    let made = world.done(&["receiver", "create", "erp", "--webhook", &hook.url, "--ordered"]);
    assert!(
        made.contains("whsec_") && made.contains("erp-all sends it everything at once"),
        "{made}"
    );
    let made = world.done(&[
        "receiver",
        "create",
        "people",
        "--email",
        "compliance@example.com",
    ]);
    assert!(
        made.contains("people-urgent sends it what somebody must act on at once"),
        "{made}"
    );
    assert!(
        made.contains("people-daily sends it everything of a day at 07:00"),
        "{made}"
    );
    let made = world.done(&[
        "receiver",
        "create",
        "silent",
        "--webhook",
        &silent.url,
        "--without-subscriptions",
    ]);
    assert!(!made.contains("sends it"), "{made}");
    let subscribed = world.lines(&["subscription", "list"]);
    assert_eq!(subscribed.len(), 3, "{subscribed:?}");

    world.done(&["receiver", "test", "erp"]);
    let (_, test) = hook.next();
    assert_eq!(test["type"], "nopic.notice.test.v1", "{test}");

    // Nothing is known here: every line is indeterminate, which somebody must act on.
    let filed = world.run(&["entry", "file", "sample/entries.jsonl"]);
    assert_eq!(filed.status, 1, "{filed:?}");
    let (id, event) = hook.next();
    assert!(!id.is_empty(), "{event}");
    let notices = world.until(&["notice", "list", "--least-severity", "ACTION"], |all| {
        all.iter().any(|notice| notice["subject"] == event["subject"])
    });
    let notice = notices
        .iter()
        .find(|notice| notice["subject"] == event["subject"])
        .unwrap();
    let number = notice["notice"].to_string();
    world.until(
        &[
            "notice",
            "deliveries",
            "--receiver",
            "people",
            "--state",
            "DELIVERED",
        ],
        |all| !all.is_empty(),
    );
    let shown = world.done(&["notice", "show", &number]);
    assert!(
        shown.contains("→ the broker:") && shown.contains("to erp"),
        "{shown}"
    );
    let mails: Vec<_> = std::fs::read_dir(world.place.path().join("nopic-data/mail"))
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    assert!(
        mails
            .iter()
            .all(|mail| mail.contains("To: compliance@example.com")),
        "{mails:?}"
    );

    // A refusal is for good until somebody sends it again.
    world.until(
        &["notice", "deliveries", "--receiver", "erp", "--state", "WAITING"],
        <[Value]>::is_empty,
    );
    hook.answers(400);
    while hook.came.try_recv().is_ok() {}
    world.done(&["receiver", "test", "erp"]);
    let (id, _) = hook.next();
    let dead = world.until(&["notice", "deliveries", "--state", "DEAD"], |all| {
        !all.is_empty()
    });
    assert_eq!(
        (dead.len(), &dead[0]["messageId"]),
        (1, &Value::from(id.as_str()))
    );
    assert!(
        dead[0]["lastResult"].as_str().unwrap().contains("400"),
        "{dead:?}"
    );
    hook.answers(204);
    let again = world.done(&["notice", "redeliver", "--receiver", "erp"]);
    assert!(again.starts_with("1 message"), "{again}");
    assert_eq!(hook.next().0, id);
    world.until(&["notice", "deliveries", "--state", "DEAD"], <[Value]>::is_empty);

    // Whoever wants nothing more says so: nobody asks for it.
    hook.answers(410);
    world.done(&["receiver", "test", "erp"]);
    hook.next();
    let gone = world.until(&["receiver", "list"], |all| {
        all.iter().any(|receiver| receiver["state"] == "GONE")
    });
    assert_eq!(gone.len(), 3, "{gone:?}");
    let told = world.until(&["notice", "list", "--kind", "RECEIVER_PAUSED"], |all| {
        !all.is_empty()
    });
    assert_eq!(told[0]["subject"], "erp");
    // By every other way that there is, also where nobody has asked for it.
    let (_, event) = silent.next();
    assert_eq!(event["type"], "nopic.notice.receiver_paused.v1", "{event}");
    let tested = world.run(&["receiver", "test", "erp"]);
    assert_eq!(tested.status, 2);
    assert!(tested.said.contains("GONE: resume it first"), "{tested:?}");
    hook.answers(204);
    world.done(&["receiver", "resume", "erp"]);
    // It was not told of itself; it is sent to again.
    world.done(&["receiver", "test", "erp"]);
    let (_, event) = hook.next();
    assert_eq!(event["type"], "nopic.notice.test.v1", "{event}");
    world.done(&["receiver", "remove", "erp"]);
    assert_eq!(world.lines(&["subscription", "list"]).len(), 2);
    assert_eq!(world.serving.stop(), Some(0));
}

/// So many days from today, as files have it.
fn in_days(days: u64) -> String {
    let today = SystemClock.now().date_naive();
    today
        .checked_add_days(chrono::Days::new(days))
        .unwrap()
        .to_string()
}

#[test]
fn what_time_alone_brings_is_told_to_whoever_deals_with_it() {
    let world = World::new();
    let (soon, later) = (in_days(9), in_days(12));
    let number = "555-5550000001-000001";
    world.place.file(
        "certificates.jsonl",
        format!(
            r#"{{"number":"{number}","status":"ISSUED","certifierId":"555","exporterNopId":"5550000001","importerNopId":"7770000001","finalHandlerNopId":"5550000001","product":"Green coffee","htsCode":"0901110015","kind":"MULTIPLE_SHIPMENTS","issuedOn":"2022-12-20","validFrom":"2023-01-01","validTo":"{soon}","totalWeightKg":"10000","countriesOfOrigin":["PE"],"lots":["LOT-1"]}}"#
        ) + "\n",
    );
    world.place.file(
        "entries.jsonl",
        format!(
            r#"{{"entryNumber":"ZZ900000037","lineNumber":1,"entryDate":"{}","importerNopId":"7770000001","exporterNopId":"5550000001","htsCode":"0901110015","messageSet":"OR2","certificateNumber":"{number}","netWeightKg":"100"}}"#,
            in_days(0)
        ) + "\n",
    );
    world.place.file(
        "flags.csv",
        format!(
            "hts,flag,from,to\n0901110015,AM8,2024-01-01,{soon}\n0901110015,AM7,{},\n0802120015,AM8,{later},\n",
            in_days(10)
        ),
    );
    world.done(&["certificate", "import", "certificates.jsonl"]);
    world.done(&["registry", "import", "sample/INTEGRITY_Export_20240301.xlsx"]);
    world.done(&["flags", "import", "flags.csv"]);
    let filed = world.run(&["entry", "file", "entries.jsonl"]);
    assert!(filed.status < 2, "{filed:?}");
    // That it was filed has been taken in, and so with what this tenant deals.
    world.until(&["notice", "list", "--subject", "ZZ900000037"], |all| {
        !all.is_empty()
    });
    // Time is looked at when a server starts, and every hour.
    let World { place, serving } = world;
    assert_eq!(serving.stop(), Some(0));
    let serving = place.serve(&["serve", "all", "--listen", "127.0.0.1:0"]);
    let world = World { place, serving };
    let of = |kind: &str| world.until(&["notice", "list", "--kind", kind], |all| !all.is_empty());
    let ends = of("CERTIFICATE_EXPIRING");
    assert_eq!((ends.len(), &ends[0]["subject"]), (1, &Value::from(number)));
    assert!(
        ends[0]["title"]
            .as_str()
            .unwrap()
            .ends_with(&format!("ends on {soon}")),
        "{ends:?}"
    );
    // Of the other code, which nobody here uses, nobody is told.
    let flags = of("FLAG_CHANGES_SOON");
    assert_eq!(
        (flags.len(), &flags[0]["subject"]),
        (1, &Value::from("0901110015"))
    );
    let title = flags[0]["title"].as_str().unwrap();
    assert!(
        title.contains(&format!("from AM8 to AM7 on {}", in_days(10))),
        "{title}"
    );
    let stale = of("REGISTRY_STALE");
    assert_eq!(stale[0]["subject"], "2024-03-01");
}
