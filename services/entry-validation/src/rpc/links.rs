//! Importer-of-record numbers and the operations behind them, each tenant's own.

use chrono::SecondsFormat;
use nopic_chassis::requests::Page;
use nopic_domain::decision::link_key;
use nopic_domain::identifier::NopId;
use nopic_domain::principal::Principal;
use nopic_proto::entry_validation as wire;

use crate::engine::Engine;
use crate::error::Error;
use crate::store::Link;

/// Longest importer-of-record number that is taken, in bytes; CBP's have 12 characters.
const LONGEST_NUMBER: usize = 35;

fn to_wire(link: Link) -> wire::ImporterLink {
    wire::ImporterLink {
        importer_of_record: link.importer_of_record,
        nop_id: link.nop_id.to_string(),
        linked_by: link.linked_by,
        linked_at: link.linked_at.to_rfc3339_opts(SecondsFormat::Secs, true),
    }
}

/// The number as it is stored and compared.
fn number(text: &str) -> Result<String, Error> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST_NUMBER || text.chars().any(char::is_control) {
        return Err(Error::invalid(
            "importer_of_record",
            format!("{text:?} is not a number of 1 to {LONGEST_NUMBER} characters"),
        ));
    }
    Ok(link_key(text).into_owned())
}

pub(super) async fn link(
    engine: &Engine,
    principal: &Principal,
    request: &wire::LinkImporterRequest,
) -> Result<wire::LinkImporterResponse, Error> {
    let number = number(&request.importer_of_record)?;
    let nop_id: NopId = request
        .nop_id
        .trim()
        .parse()
        .map_err(|error| Error::invalid("nop_id", error))?;
    let (link, before) = engine
        .store
        .link_importer(
            principal,
            Link {
                importer_of_record: number,
                nop_id,
                linked_by: principal.actor.clone(),
                linked_at: engine.clock.now(),
            },
        )
        .await?;
    Ok(wire::LinkImporterResponse {
        link: Some(to_wire(link)),
        replaced_nop_id: before.map(|nop_id| nop_id.to_string()).unwrap_or_default(),
    })
}

pub(super) async fn unlink(
    engine: &Engine,
    principal: &Principal,
    request: &wire::UnlinkImporterRequest,
) -> Result<wire::UnlinkImporterResponse, Error> {
    let number = number(&request.importer_of_record)?;
    let link = engine
        .store
        .unlink_importer(&number, principal, engine.clock.now())
        .await?;
    let link =
        link.ok_or_else(|| Error::NotFound(format!("the importer of record {number} is not linked")))?;
    Ok(wire::UnlinkImporterResponse {
        link: Some(to_wire(link)),
    })
}

pub(super) async fn list(
    engine: &Engine,
    principal: &Principal,
    request: wire::ListImporterLinksRequest,
) -> Result<wire::ListImporterLinksResponse, Error> {
    let page = Page::of(request.page_size)?;
    let mut links = engine
        .store
        .list_links(&principal.tenant, &request.page_token, page.to_read())
        .await?;
    let next = page.cut(&mut links, |last| last.importer_of_record.clone());
    Ok(wire::ListImporterLinksResponse {
        links: links.into_iter().map(to_wire).collect(),
        complete: next.is_none(),
        next_page_token: next.unwrap_or_default(),
    })
}
