//! `nopic demo`: everything in one process, on sample data.

mod told;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use nopic_chassis::metrics::Metrics;
use nopic_chassis::part::Process;
use nopic_chassis::transport::ServerOptions;
use nopic_domain::entry::EntryLine;
use nopic_domain::principal::{BUILT_IN_TENANT, Role};
use nopic_formats::entries::{AbiTransmission, write_abi, write_csv, write_csv_header};
use nopic_formats::sample::{SampleLine, SampleOptions, World, generate};
use nopic_host::{
    Deployment, Observability, Opening, PARTS, Reserved, Serving, Settings, Storage, built_in_caller,
};
use nopic_proto::access::{AddPersonRequest, CreateKeyRequest, CreateTenantRequest, Person, Tenant};
use nopic_proto::registry::import_result;

use crate::command::entry::{Reading, Validated, sentences, summary, validate};
use crate::command::registry::import::{self, ContentArguments, Input, Source};
use crate::command::serve::serve_until_stopped;
use crate::command::{certificate, importer};
use crate::connection::{Services, need};
use crate::context::{Context, Done};
use crate::failure::Failure;
use crate::output;
use crate::output::printer::{Printed, Printer};
use crate::output::rejects::RejectsFiles;
use crate::output::verdict_table::VerdictTable;
use crate::output::words::counted;

/// The sample: small enough to be read, of a seed that shows a good mix of verdicts.
const OPERATIONS: u32 = 200;
const CERTIFICATES: u32 = 60;
const SEED: u64 = 2;
/// Lines that are shown, and how many of them at most as ABI.
const LINES: usize = 24;
const ABI_LINES: usize = 12;
/// Of these the entries are picked, with at most so many lines each; so many have no mistake.
const LINES_TO_PICK_FROM: u64 = 2_000;
const LONGEST_ENTRY: usize = 2;
const CLEAN_ENTRIES: usize = 3;

/// Show everything at work on sample data, then serve it
///
/// Starts every service on embedded databases in a temporary folder, imports a sample of the registry and of
/// certificates in the forms in which they come, validates an ABI transmission and a CSV, prints the verdicts, files
/// both and shows what people are told. Then it serves gRPC and JSON until Ctrl-C, with a key and three lines to paste.
/// Nothing is left behind.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  nopic demo --exit\n  nopic demo --port 50051")]
pub(crate) struct Arguments {
    /// Port to serve on; 0: a free one
    #[arg(long, value_name = "PORT", default_value_t = 0, env = "NOPIC_PORT")]
    port: u16,
    /// End instead of serving
    #[arg(long)]
    exit: bool,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<Done, Failure> {
    if context.options.endpoint.is_some() {
        return Err(
            Failure::new("The demonstration runs in this process, not on a server.")
                .advice("Leave out --endpoint (and NOPIC_ENDPOINT)."),
        );
    }
    if context.options.database.is_some() {
        return Err(
            Failure::new("The demonstration has a database of its own, which it throws away.")
                .advice("Leave out --database (and NOPIC_DATABASE)."),
        );
    }
    let temporary = |error: std::io::Error| Failure::writing(&std::env::temp_dir(), &error);
    let folder = tempfile::Builder::new()
        .prefix("nopic-demo-")
        .tempdir()
        .map_err(temporary)?;
    let data = folder.path().join("data");
    std::fs::create_dir(&data).map_err(temporary)?;
    // Before the work: a port that is taken is found at once.
    let reserved = if arguments.exit {
        None
    } else {
        Some(Reserved::new(SocketAddr::from((
            Ipv4Addr::LOCALHOST,
            arguments.port,
        )))?)
    };
    let sample = Sample::write(folder.path())?;
    let of_sample = folder.path().join("policy.toml");
    std::fs::write(&of_sample, told::policy()).map_err(temporary)?;
    let policy = context.options.policy.as_deref().or(Some(of_sample.as_path()));
    let deployment = Deployment::new(Storage::in_folder(&data), policy, context.clock.clone())?;
    let opening = Opening {
        parts: PARTS,
        deployment: &deployment,
        settings: Settings::of_command(PARTS)?,
        metrics: Metrics::default(),
        caller: Some(built_in_caller()),
    };
    let mut opened = opening.together(need::ALL, Process::All).await?;

    let services = Services::in_this_process(opened.served.calls.clone());
    load(context, &services, &sample).await?;
    judge(context, &services, &sample).await?;
    opened.work();
    told::show(context, &services, &sample).await?;
    if let Some(reserved) = reserved {
        let key = key(&services).await?;
        let serving = Serving {
            opened,
            options: ServerOptions::default(),
            observability: Observability::unseen(),
            clock: context.clock.clone(),
            settings: String::new(),
        };
        let welcome = |url: &str| welcome(url, &key, &sample.csv, &data.join("mail"));
        serve_until_stopped(context, reserved, serving, None, None, welcome).await?;
    }
    Ok(Done::Well)
}

/// A key of an operator of the built-in tenant, which ends with the demonstration.
async fn key(services: &Services) -> Result<String, Failure> {
    let (tenant, person) = (BUILT_IN_TENANT.to_owned(), "demo".to_owned());
    let made = CreateTenantRequest {
        request_id: "demo-tenant".to_owned(),
        tenant: Some(Tenant {
            tenant: tenant.clone(),
            all_filer_codes: true,
            ..Tenant::default()
        }),
    };
    services.answer(services.access().create_tenant(made).await)?;
    let added = AddPersonRequest {
        request_id: "demo-person".to_owned(),
        person: Some(Person {
            tenant: tenant.clone(),
            name: person.clone(),
            role: Role::Operator.as_str().to_owned(),
            ..Person::default()
        }),
    };
    services.answer(services.access().add_person(added).await)?;
    let made = CreateKeyRequest {
        request_id: "demo-key".to_owned(),
        tenant,
        person,
        ends_at: String::new(),
    };
    Ok(services.answer(services.access().create_key(made).await)?.secret)
}

/// Three lines to paste: a question, a file, and this program as a client.
fn welcome(url: &str, key: &str, csv: &Path, mail: &Path) -> String {
    format!(
        "\nAn API key for this demonstration, and three lines to paste:\n\n  export NOPIC_API_KEY={key}\n  curl \
         --header \"Authorization: Bearer $NOPIC_API_KEY\" {url}/v1/revision\n  curl --header \"Authorization: Bearer \
         $NOPIC_API_KEY\" --data-binary @{} \"{url}/v1/entries:validateDocument\"\n  nopic registry list --endpoint \
         {url}\n\nMail to {} becomes files in {}\nEvery path is explained at {url}/docs\n",
        csv.display(),
        told::ADDRESS,
        mail.display()
    )
}

/// The files of the sample.
struct Sample {
    /// Snapshots, oldest first.
    snapshots: Vec<PathBuf>,
    certificates: PathBuf,
    links: PathBuf,
    abi: PathBuf,
    csv: PathBuf,
}

impl Sample {
    fn write(folder: &Path) -> Result<Self, Failure> {
        let failed =
            |error: &dyn std::fmt::Display| Failure::new(format!("The sample cannot be made: {error}."));
        let options = SampleOptions {
            operations: OPERATIONS,
            certificates: CERTIFICATES,
            lines: 0,
            seed: SEED,
        };
        let made = generate(&options, folder).map_err(|error| failed(&error))?;
        let sample = Self {
            snapshots: made.files.iter().take(3).cloned().collect(),
            certificates: folder.join("certificates.jsonl"),
            links: folder.join("importer-links.csv"),
            abi: folder.join("transmission.abi"),
            csv: folder.join("entries.csv"),
        };
        sample.write_entries().map_err(|error| failed(&error))?;
        Ok(sample)
    }

    /// Picks entries that show as many different mistakes as fit, and a few without. The first of them go into the
    /// transmission as far as ABI can carry them, all others into the CSV.
    fn write_entries(&self) -> std::io::Result<()> {
        let (mut transmitted, mut table) = (Vec::new(), Vec::new());
        write_csv_header(&mut table);
        let mut scratch = Vec::new();
        for entry in picked_entries() {
            scratch.clear();
            if transmitted.len() + entry.len() <= ABI_LINES
                && write_abi(&mut scratch, &AbiTransmission::default(), &entry).is_ok()
            {
                transmitted.extend(entry);
            } else {
                for line in &entry {
                    write_csv(&mut table, line).map_err(std::io::Error::other)?;
                }
            }
        }
        scratch.clear();
        write_abi(&mut scratch, &AbiTransmission::default(), &transmitted).map_err(std::io::Error::other)?;
        std::fs::write(&self.abi, scratch)?;
        std::fs::write(&self.csv, table)
    }
}

/// Short entries of the sample: each shows a mistake that none before it has, but for a few without any.
fn picked_entries() -> Vec<Vec<EntryLine>> {
    let world = World::new(SEED, OPERATIONS, CERTIFICATES);
    let lines: Vec<SampleLine> = world.entry_lines(LINES_TO_PICK_FROM).collect();
    let mut shown = BTreeSet::new();
    let mut clean = 0;
    let mut count = 0;
    let mut picked = Vec::new();
    for entry in lines.chunk_by(|one, next| one.line.entry_number == next.line.entry_number) {
        let mistakes: Vec<_> = entry.iter().filter_map(|line| line.mistake).collect();
        let is_wanted = match mistakes.as_slice() {
            [] => clean < CLEAN_ENTRIES,
            some => some.iter().all(|mistake| !shown.contains(mistake)),
        };
        if !is_wanted || entry.len() > LONGEST_ENTRY || count + entry.len() > LINES {
            continue;
        }
        clean += usize::from(mistakes.is_empty());
        count += entry.len();
        shown.extend(mistakes);
        picked.push(entry.iter().map(|sample| sample.line.clone()).collect());
    }
    picked
}

/// Imports the registry, the certificates and the links.
async fn load(context: &Context, services: &Services, sample: &Sample) -> Result<(), Failure> {
    let quiet = context.terminal.without_progress();
    for file in &sample.snapshots {
        let is_json = file.extension().is_some_and(|extension| extension == "json");
        let input = Input::named_as_it_is(file);
        let name = input.name.clone();
        let content = ContentArguments::complete(is_json);
        let result = import::send(&quiet, services, &content, vec![input], Source::default()).await?;
        if result.outcome != i32::from(import_result::Outcome::Imported) {
            return Err(Failure::new(format!(
                "{name} was not imported: {}",
                import::text(&result)
            )));
        }
        let snapshot = result.snapshot.unwrap_or_default();
        context.terminal.note(&format!(
            "imported {name:<32} revision {} of the registry, {}",
            snapshot.revision,
            import::describe(&snapshot)
        ));
    }
    let result = certificate::send(
        &quiet,
        services,
        &sample.certificates,
        &RejectsFiles::new(None, &[]),
    )
    .await?;
    let links = importer::import(services, &sample.links).await?;
    context.terminal.note(&format!(
        "imported {:<32} {}; {}",
        "certificates.jsonl",
        counted(result.certificates, "certificate", "certificates"),
        counted(links, "importer link", "importer links")
    ));
    Ok(())
}

/// Validates both files and prints what came of them.
async fn judge(context: &Context, services: &Services, sample: &Sample) -> Result<(), Failure> {
    let mut all: Option<(Validated, Printer)> = None;
    let words = sentences(context, services).await?;
    for (file, what) in [
        (&sample.abi, "An ABI transmission"),
        (&sample.csv, "Entry lines as CSV"),
    ] {
        let mut out = output::results();
        writeln!(out, "\n{what}\n")?;
        let table = VerdictTable::new(&context.terminal, words.clone());
        let printer = Printer::new(Printed::Table(table), out);
        let quiet = context.terminal.without_progress();
        let (validated, printer) = validate(&quiet, services, file, &Reading::default(), printer).await?;
        let validated = validated?;
        all = Some(match all {
            None => (validated, printer),
            Some((mut before, _)) => {
                before.add(validated);
                (before, printer)
            }
        });
    }
    if let Some((validated, printer)) = all {
        let mut out = output::results();
        writeln!(out, "{}\n", summary("", &validated, &printer))?;
        out.flush()?;
    }
    Ok(())
}
