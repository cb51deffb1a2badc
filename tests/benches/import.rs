//! The import of a large snapshot, beside calamine's cell reader alone over the same workbook.
//!
//! The clock of the import stops when the revision answers a question about a status and a search by name. Peaks of
//! memory are those of a process that does nothing else. `NOPIC_BENCH_OPERATIONS` makes it smaller. Under
//! `tests/with-postgres` the same is measured on PostgreSQL.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use calamine::Reader as _;
use criterion::{Criterion, criterion_group, criterion_main};
use nopic_formats::sample::{write_xlsx, write_xml_zip};
use nopic_proto::registry::import_options::Completeness;
use nopic_proto::registry::{SearchOperationsRequest, StatusQuestion};
use nopic_sql::testing::{Engine, SERVER};
use nopic_tests::memory::{peak_kib, wait_and_watch};
use nopic_tests::services::{Services, Setup};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SEED: u64 = 7;
const CHILD: &str = "NOPIC_BENCH_IMPORT";

fn operations() -> u32 {
    let text = std::env::var("NOPIC_BENCH_OPERATIONS").unwrap_or_else(|_| "76000".to_owned());
    text.parse().expect("NOPIC_BENCH_OPERATIONS is a number")
}

/// Reads every cell of the workbook, and nothing else.
fn calamine(path: &Path) -> u64 {
    let mut workbook: calamine::Xlsx<_> = calamine::open_workbook(path).expect("the workbook opens");
    let sheet = workbook.sheet_names().first().cloned().expect("there is a sheet");
    let mut cells = workbook
        .worksheet_cells_reader(&sheet)
        .expect("the sheet can be read");
    let mut count = 0;
    while let Some(cell) = cells.next_cell().expect("the cell can be read") {
        black_box(cell.get_value());
        count += 1;
    }
    count
}

/// Imports into an empty registry and asks it, as a user would.
async fn import(engine: Engine, path: &Path) {
    let setup = Setup {
        engine,
        ..Setup::default()
    };
    let mut services = Services::start(&setup).await;
    let result = services
        .import_snapshot(path, Completeness::Unspecified)
        .await
        .expect("the import works");
    let snapshot = result.snapshot.expect("there is a snapshot");
    assert_eq!(snapshot.revision, 1);
    let request = SearchOperationsRequest {
        query: "green valley farms".to_owned(),
        ..SearchOperationsRequest::default()
    };
    let found = services
        .registry
        .search_operations(request)
        .await
        .expect("the search works")
        .into_inner();
    let hit = found.hits.first().expect("something is found");
    let question = StatusQuestion {
        nop_id: hit.nop_id.clone(),
        on: "2024-03-01".to_owned(),
    };
    let request = nopic_proto::registry::BatchGetStatusRequest {
        questions: vec![question],
        ..nopic_proto::registry::BatchGetStatusRequest::default()
    };
    black_box(
        services
            .registry
            .batch_get_status(request)
            .await
            .expect("the status is known"),
    );
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts")
}

fn bench(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let workbook = folder.path().join("INTEGRITY_Export_20240301.xlsx");
    let archive = folder.path().join("operations-2024-09-30.zip");
    let create = |path: &PathBuf| std::fs::File::create(path).expect("the file can be made");
    write_xlsx(create(&workbook), SEED, operations(), 0).expect("the workbook is written");
    write_xml_zip(create(&archive), SEED, operations(), 1).expect("the archive is written");

    for path in [&workbook, &archive] {
        let own = std::env::current_exe().expect("this program has a path");
        let child = Command::new(own)
            .env(CHILD, path)
            .stdout(Stdio::null())
            .spawn()
            .expect("this program starts again");
        let (status, peak) = wait_and_watch(child).expect("the import ends");
        assert!(status.success(), "the import failed");
        report(&format!("import of {}: peak {} MiB", name(path), peak / 1024));
    }

    let runtime = runtime();
    let mut group = criterion.benchmark_group(format!("import of {} operations", operations()));
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(1))
        .measurement_time(Duration::from_secs(30));
    group.bench_function("calamine, cells alone", |bencher| {
        bencher.iter(|| calamine(&workbook))
    });
    group.bench_function("XLSX, to the answer", |bencher| {
        bencher.iter(|| runtime.block_on(import(Engine::Sqlite, &workbook)));
    });
    if std::env::var_os(SERVER).is_some() {
        group.bench_function("XLSX, to the answer, on PostgreSQL", |bencher| {
            bencher.iter(|| runtime.block_on(import(Engine::Postgres, &workbook)));
        });
    }
    group.bench_function("XML ZIP, to the answer", |bencher| {
        bencher.iter(|| runtime.block_on(import(Engine::Sqlite, &archive)));
    });
    group.finish();
}

fn name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[allow(clippy::print_stderr)]
fn report(text: &str) {
    eprintln!("{text}");
}

fn child_or_bench(criterion: &mut Criterion) {
    if let Ok(path) = std::env::var(CHILD) {
        runtime().block_on(import(Engine::Sqlite, Path::new(&path)));
        report(&format!(
            "own count: {} MiB",
            peak_kib("self").unwrap_or(0) / 1024
        ));
        std::process::exit(0);
    }
    bench(criterion);
}

criterion_group!(benches, child_or_bench);
criterion_main!(benches);
