//! Packets between services that are lost, some and all: registry and certificate service are in a network of their own.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::database::Postgres;
use crate::lines::Kind;
use crate::load::{Load, Report};
use crate::tally::Depth;
use crate::world::{Name, Plan, World};

const ALL: [Name; 3] = [Name::Registry, Name::Certificate, Name::EntryValidation];
/// Lines that need no certificate.
const WITHOUT: [Kind; 3] = [Kind::Disclaimed, Kind::Nothing, Kind::SpecialCode];
/// The share of packets to the services that is lost.
const SOME: &str = "0.3";
/// Of all lines while some packets are lost: TCP sends them again, mostly soon enough.
const LEAST_DECIDED_BY_SOME: f64 = 60.0;
/// Of all lines while nothing comes through: those that need no certificate, and those whose certificate is remembered.
const LEAST_DECIDED_BY_NONE: f64 = 25.0;
/// No pre-check waits longer for certificates, twice where it asks for its entry's own draws, too.
const LONGEST_BY_SOME: Duration = Duration::from_millis(4250);
const LONGEST_BY_NONE: Duration = Duration::from_millis(2250);

/// A network of its own, with one line to ours. It ends with this.
struct Namespace {
    name: String,
    ours: Ipv4Addr,
    theirs: Ipv4Addr,
}

/// A program that comes with a package.
fn program(name: &str, package: &str) -> PathBuf {
    let folders = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
    let paths = folders.map(|folder| PathBuf::from(folder).join(name));
    paths.into_iter().find(|path| path.exists()).unwrap_or_else(|| {
        panic!("{name} is needed: install Debian's package {package}, as tests/run does it")
    })
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    run(Command::new(program("ip", "iproute2")).args(arguments))
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().unwrap();
    if output.status.success() {
        Ok(())
    } else {
        Err(format!(
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}

impl Namespace {
    fn new() -> Self {
        program("iptables", "iptables");
        // One test is one process; others of this machine may have the same idea.
        let first = std::process::id();
        for turn in 0..50 {
            let number = first.wrapping_add(turn * 7919) % 16_384;
            let [high, low] = u16::try_from(number * 4).unwrap().to_be_bytes();
            let namespace = Self {
                name: format!("nopic{number}"),
                ours: Ipv4Addr::new(10, 213, high, low + 1),
                theirs: Ipv4Addr::new(10, 213, high, low + 2),
            };
            if ip(&["netns", "add", &namespace.name]).is_ok() {
                namespace.connect().unwrap_or_else(|why| {
                    panic!("a network namespace cannot be connected (this test runs as root): {why}")
                });
                return namespace;
            }
        }
        panic!("no network namespace can be made: this test runs as root");
    }

    fn connect(&self) -> Result<(), String> {
        let name = self.name.as_str();
        let (our_end, their_end) = (format!("{name}o"), format!("{name}i"));
        let (ours, theirs) = (format!("{}/30", self.ours), format!("{}/30", self.theirs));
        ip(&[
            "link", "add", &our_end, "type", "veth", "peer", "name", &their_end, "netns", name,
        ])?;
        ip(&["addr", "add", &ours, "dev", &our_end])?;
        ip(&["link", "set", &our_end, "up"])?;
        ip(&["-n", name, "addr", "add", &theirs, "dev", &their_end])?;
        ip(&["-n", name, "link", "set", &their_end, "up"])?;
        ip(&["-n", name, "link", "set", "lo", "up"])
    }

    /// What comes from our side is lost: silently, and where a chance is given with that.
    fn lose(&self, chance: Option<&str>) {
        let ours = self.ours.to_string();
        let mut rule = vec!["-I", "INPUT", "-s", &ours];
        if let Some(chance) = chance {
            rule.extend(["-m", "statistic", "--mode", "random", "--probability", chance]);
        }
        rule.extend(["-j", "DROP"]);
        self.firewall(&rule);
    }

    fn mend(&self) {
        self.firewall(&["-F", "INPUT"]);
    }

    fn firewall(&self, rule: &[&str]) {
        let iptables = program("iptables", "iptables");
        let mut command = Command::new(program("ip", "iproute2"));
        command
            .args(["netns", "exec", &self.name])
            .arg(iptables)
            .args(rule);
        run(&mut command).unwrap();
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // With it goes the line to it.
        let _ = ip(&["netns", "delete", &self.name]);
    }
}

/// How many must be decided, and how long a call may take.
struct Promise {
    fault: &'static str,
    least_decided: f64,
    longest: Duration,
}

impl Promise {
    fn check(&self, report: &Report) {
        report.check(self.fault);
        let during = &report.during;
        let failed = during.failures() * 100 / during.calls;
        assert_eq!(failed, 0, "in a hundred: {:?}", during.failed);
        let (decided, without) = (during.decided(&Kind::ALL), during.decided(&WITHOUT));
        assert!(decided >= self.least_decided, "{decided} % are decided");
        assert!(
            without > 99.999,
            "{without} % of the lines that need no certificate are decided"
        );
        during.assert_p99(self.longest);
    }
}

async fn lost(chance: Option<&str>, promise: Promise) {
    let namespace = Namespace::new();
    let postgres = Postgres::start();
    let mut world = World::start(Plan {
        database: Some(postgres.url_of_socket()),
        apart: Some((namespace.name.clone(), IpAddr::V4(namespace.theirs))),
        ..Plan::default()
    })
    .await;
    let processes = world.processes();
    let mut load = Load::begin(&world, Depth::Verdicts, Name::EntryValidation).await;
    load.fault_begins();
    namespace.lose(chance);
    load.fault_goes_on().await;
    world.assert_serves(Name::EntryValidation).await;
    namespace.mend();
    load.fault_ends();
    promise.check(&load.end().await);
    world.assert_still(&ALL, processes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn some_packets_are_lost() {
    let promise = Promise {
        fault: "30 % of the packets to registry and certificate service lost",
        least_decided: LEAST_DECIDED_BY_SOME,
        longest: LONGEST_BY_SOME,
    };
    lost(Some(SOME), promise).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_packets_are_lost() {
    let promise = Promise {
        fault: "all packets to registry and certificate service lost",
        least_decided: LEAST_DECIDED_BY_NONE,
        longest: LONGEST_BY_NONE,
    };
    lost(None, promise).await;
}
