//! Search by name.

use std::sync::Arc;

use nopic_cache::RevisionChoice;
use nopic_chassis::requests;
use nopic_domain::identifier::NopId;
use nopic_domain::registry::Scope;
use nopic_formats::oid::Fields;
use nopic_proto::registry as wire;
use rustc_hash::{FxHashMap, FxHashSet};
use sha2::{Digest as _, Sha256};

use super::convert::revision;
use crate::current::{Answering, Core, ProductOperations};
use crate::error::Error;
use crate::search::{Filter, Product};
use crate::store::{BlockRef, Kind, entries_of};

/// Hits of a page where the caller does not say.
const USUAL_PAGE: u32 = 10;
/// The longest text of a request, in bytes.
const LONGEST_TEXT: usize = 1_000;

pub(super) async fn search(
    core: &Core,
    request: wire::SearchOperationsRequest,
) -> Result<wire::SearchOperationsResponse, Error> {
    let size = requests::Page::with_usual(request.page_size, USUAL_PAGE)?.size();
    for (name, text) in [
        ("query", &request.query),
        ("country", &request.country),
        ("certifier", &request.certifier),
        ("status", &request.status),
        ("product", &request.product),
    ] {
        if text.len() > LONGEST_TEXT {
            return Err(Error::Invalid(format!(
                "{name} has {} bytes: at most {LONGEST_TEXT}",
                text.len()
            )));
        }
    }
    let scope = scope(&request.scope)?;
    let answering = core.answering_with_content(RevisionChoice::Current).await?;
    let index = Arc::clone(answering.current.search(&*core.store).await?);
    let page = Page::read(&request, index.revision())?;
    let with_product = match Product::new(&request.product) {
        Some(product) => Some(operations_with(core, &answering, product).await?),
        None => None,
    };
    let filter = Filter {
        country: request.country,
        certifier: request.certifier,
        status: request.status,
        scope,
        with_product,
    };
    let answer_revision = revision(&answering);
    // Some milliseconds of work: not on a thread that serves connections.
    tokio::task::spawn_blocking(move || {
        let found = index.find(&request.query, &filter);
        let hits: Vec<_> = index
            .hits(&found, page.skip, size)
            .into_iter()
            .map(|hit| wire::SearchHit {
                nop_id: hit.nop_id.to_string(),
                name: hit.name.to_owned(),
                other_names: hit.other_names.iter().map(|name| (*name).to_owned()).collect(),
                certifier: hit.certifier.to_owned(),
                country: hit.country.to_owned(),
                status: hit.status.to_owned(),
                matched_name: hit.matched_name.to_owned(),
                score: hit.score,
            })
            .collect();
        let next = page.skip + hits.len();
        let has_next = next < found.len();
        wire::SearchOperationsResponse {
            hits,
            next_page_token: if has_next { page.token(next) } else { String::new() },
            complete: !has_next && !found.is_cut,
            revision: Some(answer_revision),
        }
    })
    .await
    .map_err(Error::from)
}

fn scope(text: &str) -> Result<Option<Scope>, Error> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    Scope::ALL
        .into_iter()
        .find(|scope| scope.as_str().eq_ignore_ascii_case(text))
        .map(Some)
        .ok_or_else(|| {
            Error::Invalid(format!(
                "scope is {text:?}: it must be CROPS, LIVESTOCK, WILD_CROPS or HANDLING"
            ))
        })
}

/// Where a page begins, for one request at one revision.
struct Page {
    revision: u32,
    skip: usize,
    /// Of everything that decides the order of hits.
    hash: String,
}

impl Page {
    fn read(request: &wire::SearchOperationsRequest, revision: u32) -> Result<Self, Error> {
        let mut hasher = Sha256::new();
        for text in [
            &request.query,
            &request.country,
            &request.certifier,
            &request.status,
            &request.scope,
            &request.product,
        ] {
            // With its length, so that texts cannot be mistaken for each other.
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        }
        let hash = hex::encode(&hasher.finalize()[..8]);
        let token = request.page_token.as_str();
        if token.is_empty() {
            return Ok(Self {
                revision,
                skip: 0,
                hash,
            });
        }
        let not_ours =
            || Error::Invalid("page_token is not one that this call gave for this request".to_owned());
        let mut parts = token.split('-');
        let (Some(of_revision), Some(skip), Some(of_request), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(not_ours());
        };
        let of_revision: u32 = of_revision.parse().map_err(|_| not_ours())?;
        let skip = skip.parse().map_err(|_| not_ours())?;
        if of_request != hash {
            return Err(not_ours());
        }
        if of_revision != revision {
            return Err(Error::NotNow(format!(
                "the pages were of revision {of_revision}, the registry is at revision {revision} now: begin again \
                 without a page_token"
            )));
        }
        Ok(Self { revision, skip, hash })
    }

    fn token(&self, skip: usize) -> String {
        format!("{}-{skip}-{}", self.revision, self.hash)
    }
}

/// The operations whose certified products have these words: one pass over all rows, kept for the next page.
async fn operations_with(
    core: &Core,
    answering: &Answering,
    product: Product,
) -> Result<Arc<FxHashSet<NopId>>, Error> {
    let mut kept = core.products.lock().await;
    let is_asked = |kept: &&ProductOperations| kept.revision == answering.revision && kept.product == product;
    if let Some(kept) = kept.iter().find(is_asked) {
        return Ok(Arc::clone(&kept.operations));
    }
    let mut places: FxHashMap<i64, Vec<(u32, NopId, bool)>> = FxHashMap::default();
    let mut add = |place: BlockRef, id: NopId, is_item: bool| {
        places
            .entry(place.block)
            .or_default()
            .push((place.slot, id, is_item));
    };
    let latest = core.store.latest(&answering.order, answering.revision).await?;
    for (id, latest) in latest.iter() {
        if let Some(place) = latest.content.filter(|_| latest.kind == Kind::Listed) {
            add(place, id, false);
        }
    }
    for (id, runs) in core
        .store
        .all_item_runs(&answering.order, answering.revision)
        .await?
    {
        for run in runs {
            add(run, id, true);
        }
    }
    let mut operations = FxHashSet::default();
    for (block, entries) in places {
        let content = core.store.block(block).await?;
        let by_slot: Vec<&[u8]> = entries_of(&content).collect();
        for (slot, id, is_item) in entries {
            let entry = by_slot.get(slot as usize).copied().unwrap_or_default();
            let is_found = if is_item {
                entries_of(entry).any(|item| {
                    Fields::from_bytes(item)
                        .is_ok_and(|fields| fields.iter().any(|(_, value)| product.is_in(value)))
                })
            } else {
                Fields::from_bytes(entry).is_ok_and(|fields| product.is_in(&fields.products()))
            };
            if is_found {
                operations.insert(id);
            }
        }
        // A pass over every row takes long: let others run.
        tokio::task::yield_now().await;
    }
    let operations = Arc::new(operations);
    kept.push(ProductOperations {
        revision: answering.revision,
        product,
        operations: Arc::clone(&operations),
    });
    if kept.len() > PRODUCTS_KEPT {
        kept.remove(0);
    }
    Ok(operations)
}

/// Products whose operations are kept.
const PRODUCTS_KEPT: usize = 8;
