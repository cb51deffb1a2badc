//! How long an import takes and how much memory, beside calamine's bare loop over the cells of the same workbook.
//!
//! `NOPIC_BENCH_ROWS` sets the number of operations (default 76,000, the size of the database). Each measurement runs
//! in a process of its own, by running this program again.
#![allow(clippy::print_stderr, reason = "figures for people")]
#![allow(clippy::unwrap_used, reason = "a benchmark may fail where it stands")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs::File;
use std::path::Path;
use std::process::Command;

use calamine::{Xlsx, open_workbook};
use nopic_formats::sample::{write_xlsx, write_xml_zip};
use nopic_proto::registry as wire;
use support::Fixture;
use tokio::time::Instant;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WHAT: &str = "NOPIC_BENCH_WHAT";

fn main() {
    if let Some(what) = std::env::var_os(WHAT) {
        let what = what.to_string_lossy().into_owned();
        let (what, folder) = what.split_once(':').unwrap();
        measure(what, Path::new(folder));
        return;
    }
    let rows = std::env::var("NOPIC_BENCH_ROWS")
        .ok()
        .and_then(|rows| rows.parse().ok())
        .unwrap_or(76_000);
    let folder = tempfile::tempdir().unwrap();
    for (publication, name) in [(0, "first"), (1, "second")] {
        let path = folder.path().join(format!("{name}.xlsx"));
        write_xlsx(File::create(path).unwrap(), 7, rows, publication).unwrap();
        let path = folder.path().join(format!("{name}.zip"));
        write_xml_zip(File::create(path).unwrap(), 7, rows, publication).unwrap();
    }
    for what in ["calamine", "xlsx", "calamine", "xlsx", "zip", "months"] {
        let done = Command::new(std::env::current_exe().unwrap())
            .env(WHAT, format!("{what}:{}", folder.path().display()))
            .status()
            .unwrap();
        assert!(done.success());
    }
}

fn measure(what: &str, folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        match what {
            "calamine" => {
                let began = Instant::now();
                let mut workbook: Xlsx<_> = open_workbook(folder.join("first.xlsx")).unwrap();
                let mut cells = workbook.worksheet_cells_reader("Sheet1").unwrap();
                let mut count = 0u64;
                while cells.next_cell().unwrap().is_some() {
                    count += 1;
                }
                report(&format!("calamine's cell reader alone, {count} cells"), began);
            }
            "xlsx" => import(folder, &["first.xlsx"]).await,
            "zip" => import(folder, &["first.zip"]).await,
            _ => import(folder, &["first.xlsx", "second.xlsx", "first.zip", "second.zip"]).await,
        }
    });
}

async fn import(folder: &Path, names: &[&str]) {
    let mut registry = Fixture::new().await;
    for name in names {
        let path = folder.join(name);
        let began = Instant::now();
        let options = wire::ImportOptions::default();
        let report_of = support::import_file(&mut registry.client, options, name, &path)
            .await
            .unwrap();
        let result = report_of.result;
        report(
            &format!(
                "import of {name}: {:?}, {} added, {} changed, {} unlisted, {} items",
                result.outcome(),
                result.added,
                result.changed,
                result.unlisted,
                result.snapshot.unwrap().items,
            ),
            began,
        );
    }
    let database = registry.folder.path().join("registry.sqlite");
    let began = Instant::now();
    let registry = registry.restart().await;
    registry.registry.warm().await.unwrap();
    report(
        &format!(
            "started again and warmed; database {} MB",
            database.metadata().unwrap().len() / 1_000_000
        ),
        began,
    );
}

fn report(what: &str, began: Instant) {
    eprintln!(
        "{what}: {:.2} s; the process so far: {:.2} s of processor time, peak memory {} MB",
        began.elapsed().as_secs_f64(),
        processor_seconds(),
        peak_memory() / 1_000_000
    );
}

/// Processor time of all threads of this process, in seconds (Linux; 0 elsewhere).
fn processor_seconds() -> f64 {
    /// Of the kernel's clock a second.
    const TICKS: f64 = 100.0;
    std::fs::read_to_string("/proc/self/stat")
        .ok()
        .and_then(|stat| {
            // Behind the name of the program, which may have spaces: the 12th and 13th field.
            let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
            let user: f64 = fields.next()?.parse().ok()?;
            let system: f64 = fields.next()?.parse().ok()?;
            Some((user + system) / TICKS)
        })
        .unwrap_or_default()
}

/// The most memory that this process ever held, in bytes (Linux; 0 elsewhere).
fn peak_memory() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status.lines().find(|line| line.starts_with("VmHWM:"))?.to_owned();
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .map_or(0, |kibibytes| kibibytes * 1024)
}
