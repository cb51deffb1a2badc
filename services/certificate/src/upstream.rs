//! What the service asks others: the registry, about the operations of a request.

use std::time::Duration;

use futures::future::join3;
use nopic_chassis::deadline;
use nopic_chassis::principal::AttachPrincipal;
use nopic_chassis::rpc;
use nopic_chassis::transport::MAX_MESSAGE_BYTES;
use nopic_domain::date::parse_iso;
use nopic_domain::identifier::NopId;
use nopic_domain::lifecycle::knowledge::{Knowledge, Operation, RegistryKnowledge, StatedProduct};
use nopic_domain::principal::Principal;
use nopic_domain::registry::{Scope, Segment, Status, Timeline};
use nopic_proto::registry::registry_service_client::RegistryServiceClient;
use nopic_proto::registry::{self as wire, revision_choice::Choice};
use tonic::Code;
use tonic::service::interceptor::InterceptedService;

/// How long the registry may take to answer; after that nothing is known.
const PATIENCE: Duration = Duration::from_secs(5);

type Client = RegistryServiceClient<InterceptedService<rpc::client::Client, AttachPrincipal>>;

/// The registry, where there is one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registry(Option<Client>);

impl Registry {
    pub(crate) fn new(client: rpc::client::Client) -> Self {
        let principal = AttachPrincipal::new(&Principal::built_in("certificate"));
        let client = RegistryServiceClient::with_interceptor(client, principal);
        let client = client.max_decoding_message_size(MAX_MESSAGE_BYTES);
        Self(Some(client))
    }

    /// What is known of the operations of a request, all from one revision. What does not come in time is unknown.
    pub(crate) async fn knowledge(
        &self,
        exporter: NopId,
        importer: NopId,
        final_handler: Option<NopId>,
    ) -> RegistryKnowledge {
        let Some(client) = &self.0 else {
            return RegistryKnowledge::unavailable();
        };
        match deadline::timeout(PATIENCE, ask(client, exporter, importer, final_handler)).await {
            Ok(Some(known)) => known,
            Ok(None) => RegistryKnowledge::unavailable(),
            Err(_) => {
                tracing::warn!("the registry did not answer in time");
                RegistryKnowledge::unavailable()
            }
        }
    }
}

async fn ask(
    client: &Client,
    exporter: NopId,
    importer: NopId,
    final_handler: Option<NopId>,
) -> Option<RegistryKnowledge> {
    let current = client
        .clone()
        .get_current_revision(wire::GetCurrentRevisionRequest {})
        .await;
    let revision = match current {
        Ok(answer) => answer.into_inner().revision?,
        Err(status) => {
            tracing::warn!(code = ?status.code(), "the registry did not answer");
            return None;
        }
    };
    // No snapshot yet: nothing is known of anybody.
    if revision.revision == 0 {
        return None;
    }
    let of = |id| operation(client, id, revision.revision);
    let handler = async {
        match final_handler {
            Some(id) => of(id).await,
            None => Knowledge::NotListed,
        }
    };
    let (exporter, importer, final_handler) = join3(of(exporter), of(importer), handler).await;
    Some(RegistryKnowledge {
        revision: Some(revision.revision),
        published_on: parse_iso(&revision.published_on),
        exporter,
        importer,
        final_handler,
    })
}

async fn operation(client: &Client, id: NopId, revision: u32) -> Knowledge {
    let request = wire::GetOperationRequest {
        nop_id: id.to_string(),
        revision: Some(wire::RevisionChoice {
            choice: Some(Choice::Exact(revision)),
        }),
    };
    match client.clone().get_operation(request).await {
        Ok(answer) => match answer.into_inner().operation.and_then(from_wire) {
            Some(operation) => Knowledge::Listed(Box::new(operation)),
            None => {
                tracing::warn!(operation = %id, "the registry's answer cannot be read");
                Knowledge::Unavailable
            }
        },
        Err(status) if status.code() == Code::NotFound => Knowledge::NotListed,
        Err(status) => {
            tracing::warn!(code = ?status.code(), operation = %id, "the registry did not answer");
            Knowledge::Unavailable
        }
    }
}

/// `None` where a date or a scope cannot be read.
fn from_wire(wire: wire::Operation) -> Option<Operation> {
    let mut timeline = Timeline {
        status: segments(&wire.history)?,
        ..Timeline::default()
    };
    for scope in &wire.scopes {
        let known = Scope::ALL
            .into_iter()
            .find(|known| known.as_str() == scope.scope)?;
        timeline.scopes[known as usize] = segments(&scope.history)?;
    }
    let row_products = wire.fields.into_iter().filter_map(row_product);
    let products = row_products
        .chain(wire.items.iter().filter_map(item_product))
        .collect();
    Some(Operation {
        name: wire.name,
        other_names: wire.other_names,
        timeline,
        products,
    })
}

fn segments(periods: &[wire::StatusPeriod]) -> Option<Vec<Segment>> {
    periods
        .iter()
        .map(|period| {
            Some(Segment {
                from: parse_iso(&period.from)?,
                status: Status::from_stored(&period.status),
            })
        })
        .collect()
}

/// `CR_CertifiedProducts`, `LS_…`, `WC_…`, `Han_…` and what years added to these names.
fn row_product(field: wire::Field) -> Option<StatedProduct> {
    let name = field.name.to_ascii_lowercase();
    if !name.contains("certifiedproducts") || field.value.trim().is_empty() {
        return None;
    }
    let scope = match name.split('_').next()? {
        "cr" => Some(Scope::Crops),
        "ls" => Some(Scope::Livestock),
        "wc" => Some(Scope::WildCrops),
        "han" => Some(Scope::Handling),
        _ => None,
    };
    Some(StatedProduct {
        field: field.name,
        scope,
        status: None,
        category: String::new(),
        text: field.value,
    })
}

fn item_product(item: &wire::Item) -> Option<StatedProduct> {
    let value = |name: &str| {
        item.fields
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name))
            .map_or("", |field| field.value.trim())
    };
    let parts: Vec<&str> = ["ci_itemList", "ci_varieties"]
        .into_iter()
        .map(value)
        .filter(|text| !text.is_empty())
        .collect();
    (!parts.is_empty()).then(|| StatedProduct {
        field: "ci_itemList".to_owned(),
        scope: scope(value("ci_nopScope")),
        status: Status::parse(value("ci_status")),
        category: value("ci_nopCatName").to_owned(),
        text: parts.join(", "),
    })
}

fn scope(text: &str) -> Option<Scope> {
    let letters: String = text
        .chars()
        .filter(char::is_ascii_alphabetic)
        .map(|letter| letter.to_ascii_uppercase())
        .collect();
    Scope::ALL
        .into_iter()
        .find(|scope| scope.as_str().replace('_', "") == letters)
}
