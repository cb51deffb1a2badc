//! Calls through the gateway, all layers on, beside an opaque pass-through of HTTP/2 and beside calls without either, in one
//! run, in turn: calls a second, latency of one at a time, memory of connections that say nothing, and lines that
//! are streamed.
//!
//! Every server is a process of its own and speaks TLS; behind both doors stands the same server, which says what it was
//! told. `cargo bench -p nopic-tests --bench gateway`; with `--test` each part runs for a moment only.
#![allow(clippy::print_stdout, reason = "figures are its result")]

mod idle;
mod lines;
mod load;
mod processes;
mod servers;
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};

use load::{Round, Way};
use processes::{ECHO, GATEWAY, PASS_THROUGH, Processes};
use servers::connect;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A method of entry validation that is called for each line of an entry.
const METHOD: &str = "/nopic.entry_validation.v1.EntryValidationService/ValidateEntry";
/// Bytes of its message: a line with an importer, a certificate and quantities.
const MESSAGE: usize = 400;
const CONNECTIONS: usize = 4;
const AT_A_TIME: usize = 16;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    if let Some((role, listen, certificates)) = processes::own_role() {
        runtime.block_on(servers::serve(role, listen, &certificates));
        return;
    }
    let is_test = std::env::args().any(|argument| argument == "--test");
    let (rounds, lasting) = if is_test {
        (1, Duration::from_millis(300))
    } else {
        (9, Duration::from_secs(2))
    };
    let mut processes = Processes::start();
    runtime.block_on(measure(&processes, rounds, lasting));
    runtime.block_on(idle::measure(&processes, if is_test { 100 } else { 10_000 }));
    lines::measure(
        &mut processes,
        if is_test { 2_000 } else { 300_000 },
        rounds.div_ceil(2),
    );
}

async fn measure(processes: &Processes, rounds: usize, lasting: Duration) {
    let direct = way(processes, "direct", ECHO, "entry-validation").await;
    let floor = way(processes, "pass-through", PASS_THROUGH, "gateway").await;
    let gateway = way(processes, "gateway", GATEWAY, "gateway").await;
    let message = message();
    println!("{CONNECTIONS} connections, {AT_A_TIME} calls at a time on each, {MESSAGE} bytes");
    let many = in_turn(&[&floor, &gateway], &message, AT_A_TIME, rounds, lasting).await;
    let share = ratio(&many[1], &many[0]);
    println!("gateway / pass-through: {share:.3} of its calls a second\n");
    let one_connection = |way: &Way| Way {
        connections: way.connections[..1].to_vec(),
        ..way.clone()
    };
    let (direct, floor, gateway) = (
        one_connection(&direct),
        one_connection(&floor),
        one_connection(&gateway),
    );
    println!("1 connection, 1 call at a time");
    let single = in_turn(&[&direct, &floor, &gateway], &message, 1, rounds, lasting).await;
    let p50: Vec<f64> = single
        .iter()
        .map(|rounds| median(rounds, |round| micros(round.quantile(0.5))))
        .collect();
    println!(
        "added p50: pass-through {:.1} us, gateway {:.1} us, gateway over pass-through {:.1} us",
        p50[1] - p50[0],
        p50[2] - p50[0],
        p50[2] - p50[1]
    );
}

/// Measures ways in turn; a round of each to begin with is thrown away.
async fn in_turn(
    ways: &[&Way],
    message: &Bytes,
    at_a_time: usize,
    rounds: usize,
    lasting: Duration,
) -> Vec<Vec<Round>> {
    let mut seen = vec![Vec::new(); ways.len()];
    for round in 0..=rounds {
        for (way, seen) in ways.iter().zip(&mut seen) {
            let measured = way.run(METHOD, message, at_a_time, lasting).await;
            if round > 0 {
                seen.push(measured);
            }
        }
    }
    for (way, rounds) in ways.iter().zip(&seen) {
        println!(
            "{:>13}: {:>7.0} calls/s, p50 {:>7.1} us, p99 {:>7.1} us",
            way.name,
            median(rounds, |round| round.per_second),
            median(rounds, |round| micros(round.quantile(0.5))),
            median(rounds, |round| micros(round.quantile(0.99))),
        );
    }
    seen
}

/// The median of the ratios of rounds beside each other.
fn ratio(ours: &[Round], floor: &[Round]) -> f64 {
    let mut ratios: Vec<f64> = ours
        .iter()
        .zip(floor)
        .map(|(ours, floor)| ours.per_second / floor.per_second)
        .collect();
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

fn median(rounds: &[Round], value: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

async fn way(processes: &Processes, name: &'static str, to: SocketAddr, server: &'static str) -> Way {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        // The service knows its callers by certificates, a door by keys.
        connections.push(connect(to, processes.folder(), None, server).await);
    }
    Way {
        name,
        connections,
        credential: processes.credential(),
    }
}

/// A gRPC message of this length: nobody on the way looks into it.
fn message() -> Bytes {
    let mut message = BytesMut::new();
    message.put_u8(0);
    message.put_u32(u32::try_from(MESSAGE).expect("short"));
    message.put_bytes(0, MESSAGE);
    message.freeze()
}
