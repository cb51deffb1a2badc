//! Commands whose server stops in the middle of their file.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use nopic_sql::testing::Engine;
use serde_json::Value;

use crate::draining::{FIRST_SERVER, stop};
use crate::running::{Processes, sample, verdicts};

/// A command under way, whose verdicts are read as they come.
struct Running {
    child: Child,
    verdicts: std::sync::mpsc::Receiver<String>,
}

impl Running {
    fn start(mut command: Command, stdin: Stdio) -> Self {
        let mut child = command
            .env("NOPIC_LOG", "info")
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, verdicts) = std::sync::mpsc::channel();
        std::thread::spawn(move || lines.for_each(|line| sender.send(line.unwrap()).unwrap()));
        Self { child, verdicts }
    }

    /// Its verdicts, once it has ended as one that found something to reject. It must have met a server that stopped.
    fn end(mut self, mut before: Vec<String>) -> Vec<Value> {
        before.extend(self.verdicts);
        let mut said = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(1), "{said}");
        assert!(said.contains("going on elsewhere"), "{said}");
        let parse = |line: &String| serde_json::from_str(line).unwrap();
        before.iter().map(parse).collect()
    }
}

#[tokio::test]
async fn a_command_goes_on_by_itself_where_its_server_stopped() {
    let place = sample(12_000);
    let database = Engine::Sqlite.database().await;
    let mut processes = Processes::start(&place, &database);
    processes.import();
    let server = FIRST_SERVER;
    let entries = "sample/entries.jsonl";
    let arguments = |verb, file| ["entry", verb, file, "--output", "jsonl", "--quiet"];
    let expected = verdicts(processes.command("entry-validation", &arguments("validate", entries)));

    // From a pipe, which can be read only once and is silent in the middle of an entry.
    let content = std::fs::read(place.path().join(entries)).unwrap();
    let command = processes.command("entry-validation", &arguments("validate", "-"));
    let mut running = Running::start(command, Stdio::piped());
    let mut input = running.child.stdin.take().unwrap();
    let (first, rest) = content.split_at(content.len() / 3);
    input.write_all(first).unwrap();
    // More than a third of the lines less those of an entry and of a batch that waits.
    let before: Vec<String> = running.verdicts.iter().take(expected.len() / 4).collect();
    stop(processes.running[server].take().unwrap());
    processes.start_one(server);
    input.write_all(rest).unwrap();
    drop(input);
    assert_eq!(running.end(before), expected);

    // Filed from a file: while the first parts are answered, others wait.
    let command = processes.command("entry-validation", &arguments("file", entries));
    let running = Running::start(command, Stdio::null());
    let before = vec![running.verdicts.recv().unwrap()];
    stop(processes.running[server].take().unwrap());
    processes.start_one(server);
    let filed = running.end(before);
    assert_eq!(filed.len(), expected.len());
    // Filed again undisturbed, each part is found on record.
    let again = verdicts(processes.command("entry-validation", &arguments("file", entries)));
    assert_eq!(again, filed);
}
