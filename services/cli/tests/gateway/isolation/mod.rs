//! No call of one tenant returns or changes anything of another: over every unary method of the contract, in every form in
//! which the gateway takes calls, for every role but the operator's, which is the deployment's.
//!
//! Tenants have data of every kind, of sizes that a seed decides. Each then asks every method for the things of each other
//! one, by their right names, and for things that there never were: the answers must be the same but for the names, none
//! may hold a word that only the other one may read, and what the other one reads of its own must stay as it was.
//! `NOPIC_ISOLATION_SEED=N` runs with another seed, a full run has more tenants.

mod apart;
mod methods;
mod seeded;
mod tenant;

use std::collections::BTreeSet;

use nopic_domain::identifier::EntryNumber;
use serde_json::{Value, json};

use crate::forms::{Answer, Door, Form};
use crate::support::{Place, Serving};
use methods::{METHODS, Method};
use seeded::Seeded;
use tenant::{Names, ROLES, Template, Tenant};

/// The seed of a run.
fn seed() -> u64 {
    let seed = std::env::var("NOPIC_ISOLATION_SEED").map_or(20_251_103, |text| text.parse().unwrap());
    eprintln!("NOPIC_ISOLATION_SEED={seed}");
    seed
}

fn tenants() -> usize {
    if std::env::var_os("NOPIC_TESTS_FULL").is_some() {
        6
    } else {
        3
    }
}

/// A gateway with every service behind it, and tenants with data.
struct World {
    door: Door,
    tenants: Vec<Tenant>,
    _server: Serving,
    _place: Place,
}

impl World {
    async fn start(mut seeded: Seeded) -> Self {
        let place = Place::of_any_filing_day();
        place.sample(150, 60, 400, 9);
        for arguments in [
            ["registry", "import", "sample/INTEGRITY_Export_20240301.xlsx"],
            ["registry", "import", "sample/operations-2024-09-30.zip"],
            ["certificate", "import", "sample/certificates.jsonl"],
        ] {
            place.done(&arguments);
        }
        let server = place.serve(&["serve", "all", "--listen", "127.0.0.1:0"]);
        let door = Door::new(&server.url).await;
        let template = template(&place, &door).await;
        let mut tenants = Vec::new();
        for number in 0..self::tenants() {
            tenants.push(Tenant::create(&door, number, &template, &mut seeded).await);
        }
        Self {
            door,
            tenants,
            _server: server,
            _place: place,
        }
    }

    /// All tenants but one.
    fn others(&self, than: &Tenant) -> impl Iterator<Item = &Tenant> {
        let than = than.names.tenant.clone();
        self.tenants
            .iter()
            .filter(move |tenant| tenant.names.tenant != than)
    }

    /// Everything that the tenants but one read of their own.
    async fn read_by_others(&self, than: &Tenant) -> Vec<(String, Value)> {
        let mut all = Vec::new();
        for tenant in self.others(than) {
            let read = tenant.all(&self.door).await.into_iter();
            all.extend(read.map(|(method, answer)| (format!("{method} of {}", tenant.names.tenant), answer)));
        }
        all
    }
}

/// A line of the sample that is accepted, on a certificate that many entries may use.
async fn template(place: &Place, door: &Door) -> Template {
    let read = |file: &str| -> Vec<Value> {
        let text = std::fs::read_to_string(place.path().join("sample").join(file)).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let is_certified = async |certificate: &Value| {
        let mut certified = true;
        for of in ["exporterNopId", "importerNopId"] {
            let method = "nopic.registry.v1.RegistryService/GetOperation";
            let found = door.ask(None, method, &json!({ "nopId": certificate[of] })).await;
            certified &= found.message["operation"]["status"] == "Certified";
        }
        certified
    };
    let mut certificates = Vec::new();
    for certificate in read("certificates.jsonl") {
        if is_certified(&certificate).await {
            certificates.push(certificate);
        }
    }
    for line in read("entries.jsonl") {
        let number = line["certificateNumber"].as_str().unwrap_or_default();
        if number.len() != 21 || line["importerNopId"].is_null() {
            continue;
        }
        let method = "nopic.certificate.v1.CertificateService/GetCertificate";
        let found = door.ask(None, method, &json!({ "number": number })).await;
        if !found.is_ok() || found.message["state"]["certificate"]["kind"] == "SINGLE_SHIPMENT" {
            continue;
        }
        let template = Template {
            line,
            certificates: certificates.clone(),
        };
        let tried = template.line(
            EntryNumber::from_parts("T0X", 9).unwrap().as_str(),
            1,
            "",
            "10-000000001",
        );
        let method = "nopic.entry_validation.v1.EntryValidationService/ValidateEntry";
        let answer = door.ask(None, method, &json!({ "line": tried })).await.done();
        let verdict = answer["verdict"]["verdict"].as_str().unwrap_or_default();
        if ["ACCEPT", "WARN"].contains(&verdict) {
            return template;
        }
    }
    panic!("the sample has no such line");
}

/// Whether a text holds a word, with nothing on either side that would make it another one.
fn places(text: &str, word: &str) -> Vec<usize> {
    let is_part = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    text.match_indices(word)
        .map(|(at, _)| at)
        .filter(|at| {
            let bytes = text.as_bytes();
            !is_part(at.checked_sub(1).and_then(|before| bytes.get(before)))
                && !is_part(bytes.get(at + word.len()))
        })
        .collect()
}

/// The text with some names of things replaced by their kinds.
fn without_names(text: &str, names: &Names, is_meant: impl Fn(&str) -> bool) -> String {
    let mut text = text.to_owned();
    for (name, kind) in names.each().into_iter().filter(|(name, _)| is_meant(name)) {
        for at in places(&text, name).into_iter().rev() {
            text.replace_range(at..at + name.len(), kind);
        }
    }
    text
}

/// A message without these fields, wherever they stand.
fn without(names: &[&str], value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !names.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), without(names, value)))
            .collect(),
        Value::Array(values) => values.iter().map(|value| without(names, value)).collect(),
        value => value.clone(),
    }
}

/// What two answers are compared by: all that is said but for names, and for what is counted or told of the time.
fn essence(answer: &Answer, names: &Names, asked: &Value) -> String {
    const COUNTED: [&str; 7] = [
        "decisionId",
        "recordedAt",
        "endedAt",
        "recordIds",
        "recordId",
        "linkedAt",
        "instance",
    ];
    let said = if answer.is_ok() {
        without(&COUNTED, &answer.message).to_string()
    } else if let Ok(problem) = serde_json::from_str::<Value>(&answer.said) {
        without(&COUNTED, &problem).to_string()
    } else {
        answer.said.clone()
    };
    let asked = asked.to_string();
    // Numbers are other things' as well; one that was asked for stands in what a refusal says.
    let is_told = |number: &str| !answer.is_ok() && !places(&asked, number).is_empty();
    let is_name = |name: &str| name.parse::<u32>().is_err() || is_told(name);
    format!("{} {}", answer.code, without_names(&said, names, is_name))
}

/// Nothing in it is of the tenant but names that the stranger itself has said.
#[track_caller]
fn assert_tells_nothing(answer: &Answer, of: &Tenant, asked: &Value, context: &str) {
    let asked = asked.to_string();
    // Entries and importers a stranger may have on record as well, because it was let to name them.
    for name in [&of.names.tenant, &of.names.person, &of.names.key_prefix] {
        let is_said = asked.contains(name) || places(&answer.said, name).is_empty();
        assert!(is_said, "{context} tells {name}: {}", answer.said);
    }
    let rest = without_names(&answer.said, &of.names, |_| true);
    for secret in &of.secrets {
        assert!(!rest.contains(secret), "{context} tells {secret}: {rest}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_of_a_tenant_returns_or_changes_anything_of_another() {
    let world = World::start(Seeded(seed())).await;
    let door = &world.door;
    let services = door
        .pool
        .services()
        .filter(|service| service.full_name().starts_with("nopic."));
    let contract: BTreeSet<String> = services
        .flat_map(|service| {
            let of = |name: &str| format!("{}/{name}", service.full_name());
            service
                .methods()
                .map(|method| of(method.name()))
                .collect::<Vec<_>>()
        })
        .collect();
    let listed: BTreeSet<String> = METHODS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(
        listed, contract,
        "each method is said to be a tenant's business or not"
    );

    let mut calls = 0;
    for stranger in &world.tenants {
        let before = world.read_by_others(stranger).await;
        for other in world.others(stranger) {
            calls += probe(door, stranger, other).await;
            apart::request_ids_are_apart(door, stranger, other).await;
            apart::pages_go_on_with_what_is_ones_own(door, stranger, other).await;
        }
        let after = world.read_by_others(stranger).await;
        for ((what, before), (_, after)) in before.iter().zip(&after) {
            assert_eq!(
                before, after,
                "{what}, behind the calls of {}",
                stranger.names.tenant
            );
        }
    }
    apart::draws_are_counted_for_each(&world).await;
    apart::first_answers_stand(&world).await;
    apart::callers_are_told_apart_on_one_connection(&world).await;
    apart::places_are_apart(&world).await;
    eprintln!(
        "{calls} calls of {} tenants over {} methods: nothing was told, nothing was changed",
        world.tenants.len(),
        METHODS.len()
    );
}

/// A stranger asks every method for the things of another tenant; how many calls that took.
async fn probe(door: &Door, stranger: &Tenant, other: &Tenant) -> u32 {
    let mut calls = 0;
    for (name, about) in METHODS {
        let method = door.method(name);
        for (role, key) in ROLES.iter().zip(&stranger.keys) {
            // What a role may see does not depend on the form: each form is tried by a broker.
            let forms = if *role == "BROKER" {
                &Form::ALL[..]
            } else {
                &Form::ALL[..1]
            };
            for form in forms {
                let ask = async |request: &Value| door.ask_in(*form, Some(key), &method, request).await;
                let context = format!("{name} by a {role} of {} over {form:?}", stranger.names.tenant);
                // Of each change an id of its own.
                let id = format!("{name}-{form:?}-{role}-{}", other.names.filer);
                let (asked, answer) = match about {
                    Method::Stream(why) => {
                        assert!(!why.is_empty() && !is_unary(&method), "{name}");
                        continue;
                    }
                    Method::Tenants(request) => {
                        let asked = request(&other.names, &format!("probe-{id}"));
                        let Some(answer) = ask(&asked).await else { continue };
                        let control = request(&other.nothing, &format!("control-{id}"));
                        let nothing = ask(&control).await.unwrap();
                        assert_eq!(
                            essence(&answer, &other.names, &asked),
                            essence(&nothing, &other.nothing, &control),
                            "{context}: {asked}"
                        );
                        calls += 1;
                        (asked, answer)
                    }
                    Method::Shared(why, request) => {
                        assert!(!why.is_empty(), "{name}");
                        let asked = request(&other.names);
                        let Some(answer) = ask(&asked).await else { continue };
                        (asked, answer)
                    }
                    Method::Operators(request) => {
                        let asked = request(&other.names);
                        let Some(answer) = ask(&asked).await else { continue };
                        assert_eq!(answer.code, "PERMISSION_DENIED", "{context}: {answer:?}");
                        (asked, answer)
                    }
                };
                assert_tells_nothing(&answer, other, &asked, &context);
                calls += 1;
            }
        }
    }
    calls
}

fn is_unary(method: &prost_reflect::MethodDescriptor) -> bool {
    !method.is_client_streaming() && !method.is_server_streaming()
}
