//! What separate services show of themselves: one trace through all of them, numbers, logs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nopic_chassis::balance::Balancer;
use nopic_chassis::principal::AttachPrincipal;
use nopic_domain::principal::Principal;
use nopic_proto::entry_validation as wire;
use nopic_proto::entry_validation::entry_record_service_client::EntryRecordServiceClient;
use nopic_sql::testing::Engine;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost_reflect::DescriptorPool;
use serde_json::Value as Json;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::running::{Processes, sample};
use crate::support::{Place, Serving, a_drawing_entry};

/// A span as it came, with the service that made it.
#[derive(Debug, Clone)]
struct Span {
    service: String,
    trace: String,
    id: String,
    parent: String,
    name: String,
    kind: SpanKind,
    attributes: BTreeMap<String, String>,
}

/// An OTLP receiver that keeps every span.
#[derive(Debug, Clone, Default)]
struct Receiver(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = self.0.lock().unwrap();
        for resource in request.into_inner().resource_spans {
            let of_resource = resource.resource.unwrap_or_default();
            let service = attributes(of_resource.attributes)["service.name"].clone();
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                spans.push(Span {
                    service: service.clone(),
                    trace: hex(&span.trace_id),
                    id: hex(&span.span_id),
                    parent: hex(&span.parent_span_id),
                    kind: span.kind(),
                    name: span.name,
                    attributes: attributes(span.attributes),
                });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn attributes(pairs: Vec<opentelemetry_proto::tonic::common::v1::KeyValue>) -> BTreeMap<String, String> {
    pairs
        .into_iter()
        .filter_map(|pair| {
            let text = match pair.value?.value? {
                Value::StringValue(text) => text,
                Value::IntValue(number) => number.to_string(),
                other => format!("{other:?}"),
            };
            Some((pair.key, text))
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Receiver {
    /// Serves until the test ends; gives its URL.
    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let served = Server::builder()
            .add_service(TraceServiceServer::new(self.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(served);
        url
    }
}

/// The spans of one trace.
struct Trace(Vec<Span>);

impl Trace {
    /// The one span below `parent` of this kind and name, made by this service.
    #[track_caller]
    fn child(&self, parent: &Span, service: &str, kind: SpanKind, name: &str) -> &Span {
        let mut found = self.0.iter().filter(|span| {
            span.parent == parent.id && span.service == service && span.kind == kind && span.name == name
        });
        let Some(child) = found.next() else {
            panic!(
                "below {} of {} there is no {name} of {service}:\n{}",
                parent.name,
                parent.service,
                self.tree()
            );
        };
        child
    }

    fn tree(&self) -> String {
        self.0
            .iter()
            .map(|span| {
                let parent = self.0.iter().find(|other| other.id == span.parent);
                let parent = parent.map_or("?", |parent| parent.name.as_str());
                format!("{} {:?} {} < {parent}\n", span.service, span.kind, span.name)
            })
            .collect()
    }
}

const RECORD: &str = "nopic.entry_validation.v1.EntryRecordService/FileEntries";
const ASK: &str = "nopic.certificate.v1.CertificateService/BatchGetForValidation";
const DRAW: &str = "nopic.certificate.v1.LedgerService/SetDraws";
const MANIFEST: &str = "nopic.registry.v1.RegistryService/GetStatusManifest";

pub(crate) async fn get(address: &str, path: &str) -> (u16, String) {
    // The one that reqwest is built to take; a second choice changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let answer = reqwest::get(format!("{address}{path}")).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Where a server shows its metrics.
pub(crate) fn admin(serving: &Serving) -> String {
    let line = serving
        .before
        .lines()
        .find_map(|line| line.strip_prefix("showing metrics and health on "));
    line.expect("the admin port is told").trim().to_owned()
}

/// Three processes that are observed, with the sample imported.
async fn observed<'a>(
    place: &'a Place,
    database: &'a nopic_sql::testing::TestDatabase,
    receiver: &Receiver,
) -> Processes<'a> {
    let redis =
        std::env::var("NOPIC_TEST_REDIS").expect("Redis runs: begin the command with tests/with-redis");
    let deployment = format!("telemetry-{}-{}", std::process::id(), place.path().display()).replace('/', "-");
    let mut processes = Processes::prepare(place, database, Some((redis, deployment)), 1);
    processes.environment = vec![
        ("NOPIC_ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
        ("NOPIC_TELEMETRY_OTLP_ENDPOINT", receiver.serve().await),
        ("NOPIC_TELEMETRY_TRACE_PERCENT", "100".to_owned()),
    ];
    processes.start_all();
    processes.import();
    processes
}

/// Files the entry in the name of a trace.
async fn file_in_trace(
    place: &Place,
    processes: &Processes<'_>,
    traceparent: &str,
) -> wire::FileEntriesResponse {
    let attach = AttachPrincipal::new(&Principal::built_in("tester"));
    let mut client =
        EntryRecordServiceClient::with_interceptor(Balancer::new(processes.target(2)).unwrap(), attach);
    let mut request = Request::new(wire::FileEntriesRequest {
        request_id: "traced".to_owned(),
        lines: a_drawing_entry(place),
        ..wire::FileEntriesRequest::default()
    });
    request
        .metadata_mut()
        .insert("traceparent", traceparent.parse().unwrap());
    request.set_timeout(Duration::from_secs(20));
    client.file_entries(request).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trace_leads_from_a_call_to_every_statement() {
    let place = sample(1_500);
    let database = Engine::Postgres.database().await;
    let receiver = Receiver::default();
    let mut processes = observed(&place, &database, &receiver).await;
    let (trace, caller) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let answer = file_in_trace(&place, &processes, &format!("00-{trace}-{caller}-01")).await;
    assert!(!answer.decisions.is_empty());
    // What a server has not sent yet it sends when it stops.
    for serving in &mut processes.running {
        assert_eq!(serving.take().unwrap().stop(), Some(0));
    }
    let spans = receiver.0.lock().unwrap().clone();
    let trace = Trace(spans.into_iter().filter(|span| span.trace == trace).collect());

    let outside = Span {
        service: "caller".to_owned(),
        trace: String::new(),
        id: caller.to_owned(),
        parent: String::new(),
        name: "the call".to_owned(),
        kind: SpanKind::Client,
        attributes: BTreeMap::new(),
    };
    let filed = trace.child(&outside, "entry-validation", SpanKind::Server, RECORD);
    assert_eq!(filed.attributes["rpc.system.name"], "grpc");
    assert_eq!(filed.attributes["rpc.method"], RECORD);
    assert_eq!(filed.attributes["rpc.response.status_code"], "OK");
    assert_eq!(filed.attributes["nopic.client"], "operator");
    // Its own record: begun before the ledger is asked, finished after.
    for statement in [
        "nopic-entry-validation.INSERT_FILING",
        "nopic-entry-validation.FINISH",
        "nopic-sql.INSERT_RECORD",
        "nopic-sql.INSERT_MESSAGES",
    ] {
        let statement = trace.child(filed, "entry-validation", SpanKind::Client, statement);
        assert_eq!(statement.attributes["db.system.name"], "postgresql");
    }
    // The certificates, and their statements.
    let asked = trace.child(filed, "entry-validation", SpanKind::Client, ASK);
    assert_eq!(asked.attributes["server.address"], "certificate");
    let answered = trace.child(asked, "certificate", SpanKind::Server, ASK);
    assert_eq!(answered.attributes["nopic.client"], "entry-validation");
    trace.child(
        answered,
        "certificate",
        SpanKind::Client,
        "nopic-certificate.SELECT_CERTIFICATES",
    );
    // The ledger.
    let drawn = trace.child(filed, "entry-validation", SpanKind::Client, DRAW);
    let set = trace.child(drawn, "certificate", SpanKind::Server, DRAW);
    const DRAWS: &str = "nopic-certificate.INSERT_DRAWS";
    let statement = trace.child(set, "certificate", SpanKind::Client, DRAWS);
    assert!(statement.attributes["db.query.text"].contains(&format!("/* {DRAWS} */")));
    // The registry, and Redis before it.
    let revision = trace.child(filed, "entry-validation", SpanKind::Client, MANIFEST);
    trace.child(revision, "registry", SpanKind::Server, MANIFEST);
    let pointer = trace.child(filed, "entry-validation", SpanKind::Client, "GET");
    assert_eq!(pointer.attributes["db.system.name"], "redis");
    trace.child(filed, "entry-validation", SpanKind::Client, "MGET");
    // Nothing hangs in the air.
    let known: BTreeSet<&str> = trace
        .0
        .iter()
        .map(|span| span.id.as_str())
        .chain([caller])
        .collect();
    for span in &trace.0 {
        assert!(known.contains(span.parent.as_str()), "{span:?}\n{}", trace.tree());
    }
}

/// Families by name, with the names of their labels and every value that each had.
fn families(text: &str) -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let mut families: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, labels) = match line.split_once('{') {
            Some((name, rest)) => (name, rest.rsplit_once('}').unwrap().0),
            None => (line.split(' ').next().unwrap(), ""),
        };
        let family = families.entry(name.to_owned()).or_default();
        for label in labels.split("\",").filter(|label| !label.is_empty()) {
            let (label, value) = label.split_once("=\"").unwrap();
            let value = value.trim_end_matches('"').to_owned();
            family.entry(label.to_owned()).or_default().insert(value);
        }
    }
    families
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_have_names_and_closed_labels() {
    let place = sample(1_500);
    let database = Engine::Postgres.database().await;
    let receiver = Receiver::default();
    let processes = observed(&place, &database, &receiver).await;
    file_in_trace(
        &place,
        &processes,
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    .await;
    let of = async |service: usize| {
        let address = admin(processes.running[service].as_ref().unwrap());
        let (status, text) = get(&address, "/metrics").await;
        assert_eq!(status, 200);
        assert!(text.ends_with("# EOF\n"), "OpenMetrics ends with its mark");
        for path in ["/startup", "/live", "/ready"] {
            assert_eq!(get(&address, path).await.0, 200, "{path}");
        }
        (families(&text), text)
    };
    let (registry, text) = of(0).await;
    assert!(text.contains("\nregistry_revision 2\n"), "{text}");
    assert!(registry.contains_key("registry_snapshot_age_seconds"), "{text}");
    assert!(
        text.contains("\nregistry_publications_total{result=\"published\"}"),
        "{text}"
    );
    let (certificate, text) = of(1).await;
    assert_eq!(
        certificate["certificates_ending"]["within"],
        BTreeSet::from(["7d".to_owned(), "30d".to_owned()]),
        "{text}"
    );
    let (entries, text) = of(2).await;
    let values = |family: &str, label: &str| {
        entries
            .get(family)
            .and_then(|family| family.get(label))
            .unwrap_or_else(|| panic!("{family} with {label} is missing:\n{text}"))
    };
    let set = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(
        *values("verdicts_total", "verdict"),
        set(&["ACCEPT", "WARN", "REJECT", "INDETERMINATE"])
    );
    assert_eq!(*values("verdicts_total", "purpose"), set(&["validated", "filed"]));
    let pool = DescriptorPool::decode(nopic_proto::DESCRIPTORS).unwrap();
    let codes = pool
        .get_enum_by_name("nopic.entry_validation.v1.Finding.Code")
        .unwrap();
    // Every one, but the one that means none.
    assert_eq!(values("findings_total", "code").len(), codes.values().len() - 1);
    assert_eq!(
        *values("cache_shards_total", "level"),
        set(&["l1", "redis", "origin"])
    );
    assert_eq!(
        *values("dependency_up", "dependency"),
        set(&["database", "registry", "certificate", "redis"])
    );
    assert_eq!(*values("dependency_up", "need"), set(&["hard", "soft"]));
    assert!(values("rpc_server_call_duration_seconds_count", "rpc_method").contains(RECORD));
    assert!(values("rpc_client_call_duration_seconds_count", "rpc_method").contains(DRAW));
    assert!(entries.contains_key("cache_snapshot_age_seconds"));
    let filed: u64 = text
        .lines()
        .filter(|line| line.starts_with("verdicts_total{purpose=\"filed\""))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
        .sum();
    assert_eq!(filed, a_drawing_entry(&place).len() as u64);
    // Whatever a caller asks for, the labels are ours.
    let contract: BTreeSet<String> = pool
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .map(|method| format!("{}/{}", method.parent_service().full_name(), method.name()))
        .collect();
    for families in [&registry, &certificate, &entries] {
        for (name, labels) in families {
            for (label, values) in labels {
                if label == "rpc_method" {
                    let ours = values
                        .iter()
                        .filter(|value| !value.starts_with("grpc.") && *value != "_OTHER");
                    assert!(
                        ours.clone().all(|value| contract.contains(value)),
                        "{name}: {values:?}"
                    );
                }
                let is_known = [
                    "le",
                    "rpc_method",
                    "rpc_response_status_code",
                    "verdict",
                    "purpose",
                    "code",
                    "level",
                    "reason",
                    "result",
                    "within",
                    "dependency",
                    "need",
                    "service",
                    "transaction",
                    "outcome",
                    "version",
                    // The services that are asked, and how each of their servers is.
                    "target",
                    "state",
                ]
                .contains(&label.as_str());
                assert!(is_known, "{name} has a label {label}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_are_json_with_trace_ids_and_their_filter_can_be_changed() {
    let place = sample(1_500);
    let database = Engine::Postgres.database().await;
    let receiver = Receiver::default();
    let processes = observed(&place, &database, &receiver).await;
    let serving = processes.running[2].as_ref().unwrap();
    let address = admin(serving);
    let before = get(&address, "/log-filter").await;
    assert_eq!(
        before,
        (
            200,
            "warn,sqlx=error,nopic::start=info,nopic::access=info\n".to_owned()
        )
    );
    let client = reqwest::Client::new();
    let put = async |filter: &str| {
        let answer = client
            .put(format!("{address}/log-filter"))
            .body(filter.to_owned())
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(
        get(&address, "/log-filter").await,
        before,
        "what was asked changed nothing"
    );
    let (status, why) = put("nopic=loud").await;
    assert!(status == 400 && why.contains("nopic=loud"), "{status} {why}");
    assert_eq!(get(&address, "/log-filter").await, before, "the old one stays");
    assert_eq!(put("warn,sqlx=debug").await.0, 200);

    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    file_in_trace(&place, &processes, &format!("00-{trace}-00f067aa0ba902b7-01")).await;
    let said = serving.said();
    let lines: Vec<Json> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let of_trace: Vec<_> = lines.iter().filter(|line| line["trace_id"] == trace).collect();
    assert!(!of_trace.is_empty(), "{said}");
    for line in of_trace {
        for key in ["timestamp", "severity_text", "target", "span_id"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
    }
    // And back to quiet.
    assert_eq!(put("").await.0, 200);
    assert_eq!(get(&address, "/log-filter").await.1, "warn,sqlx=error\n");
}
