//! Fifty thousand certificates: `cargo test --release -p nopic-certificate quickly -- --nocapture` prints how long
//! they take.

use crate::support::sample::{Random, certificate, draws, number};
use crate::support::{Deployment, file_of};
use nopic_sql::testing::Engine;
use rstest::rstest;
use std::collections::BTreeSet;

use nopic_proto::certificate as wire;
use tokio::time::Instant;

/// Calls of each kind.
const CALLS: u32 = 20;

/// Processor time of this process, client and server together, in hundredths of a second; zero where the system does
/// not tell. On a busy machine it says more than the clock.
fn processor_hundredths() -> u32 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The fields behind the program's name, which may hold blanks: user and system time are the 12th and 13th.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u32>().ok())
        .sum()
}

/// Code that is not optimised is tested, not measured.
const CERTIFICATES: u32 = if cfg!(debug_assertions) { 5_000 } else { 50_000 };
const ASKED: usize = 10_000;

#[allow(clippy::print_stdout)]
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_is_imported_and_asked_for_quickly(
    #[values(Engine::Sqlite, Engine::Postgres)] engine: Engine,
) {
    let mut random = Random(21);
    let certificates: Vec<_> = (0..CERTIFICATES)
        .map(|serial| (certificate(serial, &mut random), Some(draws(6, &mut random))))
        .collect();
    let file = file_of(&certificates);
    let deployment = Deployment::new(engine).await;
    for what in ["first", "same"] {
        let (begun, processor) = (Instant::now(), processor_hundredths());
        let result = deployment.import(&file).await.result;
        println!(
            "import, {what}: {:?}, processor {} ms, for {} certificates, {} draws, {} bytes",
            begun.elapsed(),
            (processor_hundredths() - processor) * 10,
            result.certificates,
            result.draws,
            file.len()
        );
        assert_eq!(result.certificates, CERTIFICATES);
    }

    let mut client = deployment.operator();
    let numbers: Vec<u64> = (0..ASKED)
        .map(|_| number(u32::try_from(random.below(CERTIFICATES.into())).unwrap()).number())
        .collect();
    let different = BTreeSet::from_iter(&numbers).len();
    let own_draws: Vec<_> = numbers
        .iter()
        .map(|number| wire::OwnDrawsQuestion {
            number: *number,
            entry_number: crate::support::sample::entry(0).to_string(),
        })
        .collect();
    for (what, own_draws) in [("views", Vec::new()), ("views and own draws", own_draws)] {
        let mut times = Vec::new();
        let mut answered = (0, 0);
        let processor = processor_hundredths();
        for _ in 0..CALLS {
            let request = wire::BatchGetForValidationRequest {
                numbers: numbers.clone(),
                own_draws: own_draws.clone(),
            };
            let begun = Instant::now();
            let answer = client
                .batch_get_for_validation(request)
                .await
                .unwrap()
                .into_inner();
            times.push(begun.elapsed());
            answered = (answer.views.len(), answer.own_draws.len());
        }
        times.sort();
        println!(
            "{what}: {:?} best, {:?} median, processor {} ms, for {ASKED} numbers: {answered:?}",
            times[0],
            times[times.len() / 2],
            (processor_hundredths() - processor) * 10 / CALLS
        );
        assert_eq!(answered.0, different);
    }
}
