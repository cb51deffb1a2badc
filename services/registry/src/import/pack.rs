//! From the events of a reader to what an import may have to write.
//!
//! Runs on a thread of its own, between the reader's thread and the database's: hashing and compressing a row takes
//! about as long as reading it. A row that is known already costs its hash and 32 bytes.

use nopic_domain::identifier::NopId;
use nopic_formats::oid::{OidEvent, OidItem, OidList, OidReject, OidRow};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::store::{
    AllLatest, Block, BlockBuilder, BlockRef, Heading, Kind, NewContent, Seen, statement_to_json,
};

/// Rows between two reports of progress.
const PROGRESS_EVERY: u32 = 2_000;

/// What comes out while a file is read.
#[derive(Debug)]
pub(super) enum Packed {
    /// A block to be saved.
    Block(Block),
    /// A row was refused.
    Reject(Box<OidReject>),
    /// Two rows with one id: the later won.
    Duplicate {
        nop_id: NopId,
        lost_record: u32,
        won_record: u32,
    },
    /// Rows and items so far.
    Progress { rows: u32, items: u32 },
}

/// One operation of the new snapshot.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) record: u32,
    pub(super) said: IncomingSaid,
}

/// What its row says.
#[derive(Debug)]
pub(super) enum IncomingSaid {
    /// What was said last: nothing of it is kept.
    Known,
    New(Box<NewContent>),
    Refused,
}

/// The items of one operation in the new snapshot.
#[derive(Debug, Default)]
pub(super) struct IncomingItems {
    /// Sum of the items' hashes: their order does not matter.
    pub(super) content_hash: u128,
    /// Where they were written.
    pub(super) runs: Vec<BlockRef>,
    /// Whether the first run was not written because it is the list that is known.
    pub(super) begins_with_known: bool,
}

/// What was said before, by the newest snapshots.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) operations: AllLatest,
    /// Every list of items by rank.
    pub(super) items: FxHashMap<NopId, Vec<Seen>>,
}

/// A run of items of one operation.
#[derive(Debug, Default)]
struct Run {
    nop_id: Option<NopId>,
    content_hash: u128,
    bytes: Vec<u8>,
}

/// Takes events, hands out what is to be saved, and keeps what the decision needs.
#[derive(Debug)]
pub(super) struct Packer {
    pub(super) known: Known,
    pub(super) incoming: FxHashMap<NopId, Incoming>,
    pub(super) items: FxHashMap<NopId, IncomingItems>,
    pub(super) certifiers: FxHashSet<String>,
    pub(super) rows: u32,
    pub(super) item_rows: u32,
    pub(super) rejected_rows: u32,
    pub(super) rejected_items: u32,
    pub(super) duplicates: u32,
    builder: BlockBuilder,
    run: Run,
}

/// The receiver has gone: the import was given up.
#[derive(Debug)]
pub(super) struct Gone;

impl Packer {
    /// A packer whose blocks are numbered from `first_block` on.
    pub(super) fn new(known: Known, first_block: i64) -> Self {
        Self {
            known,
            incoming: FxHashMap::default(),
            items: FxHashMap::default(),
            certifiers: FxHashSet::default(),
            rows: 0,
            item_rows: 0,
            rejected_rows: 0,
            rejected_items: 0,
            duplicates: 0,
            builder: BlockBuilder::new(first_block),
            run: Run::default(),
        }
    }

    /// Takes one event.
    pub(super) fn event(
        &mut self,
        event: OidEvent,
        out: &mut impl FnMut(Packed) -> Result<(), Gone>,
    ) -> Result<(), Gone> {
        match event {
            OidEvent::Row(row) => {
                self.rows += 1;
                self.row(row, out)?;
                if self.rows.is_multiple_of(PROGRESS_EVERY) {
                    self.progress(out)?;
                }
            }
            OidEvent::Item(item) => {
                self.item_rows += 1;
                self.item(&item, out)?;
                if self.item_rows.is_multiple_of(PROGRESS_EVERY) {
                    self.progress(out)?;
                }
            }
            OidEvent::Reject(reject) => {
                match reject.list {
                    OidList::Operations => {
                        self.rejected_rows += 1;
                        if let Some(nop_id) = reject.nop_id {
                            let record = u32::try_from(reject.reject.record).unwrap_or(u32::MAX);
                            self.take(nop_id, record, IncomingSaid::Refused, out)?;
                        }
                    }
                    OidList::Items => self.rejected_items += 1,
                }
                out(Packed::Reject(reject))?;
            }
        }
        if let Some(block) = self.builder.take_full() {
            out(Packed::Block(block))?;
        }
        Ok(())
    }

    /// Hands out what is left.
    pub(super) fn finish(&mut self, out: &mut impl FnMut(Packed) -> Result<(), Gone>) -> Result<(), Gone> {
        self.end_run();
        if let Some(block) = self.builder.take_rest() {
            out(Packed::Block(block))?;
        }
        self.progress(out)
    }

    fn progress(&self, out: &mut impl FnMut(Packed) -> Result<(), Gone>) -> Result<(), Gone> {
        out(Packed::Progress {
            rows: self.rows,
            items: self.item_rows,
        })
    }

    fn row(&mut self, row: OidRow, out: &mut impl FnMut(Packed) -> Result<(), Gone>) -> Result<(), Gone> {
        let record = u32::try_from(row.record).unwrap_or(u32::MAX);
        let content_hash = row.fields.content_hash();
        if !self.certifiers.contains(&row.certifier) && !row.certifier.is_empty() {
            self.certifiers.insert(row.certifier.clone());
        }
        let is_known = self
            .known
            .operations
            .get(row.nop_id)
            .is_some_and(|latest| latest.kind == Kind::Listed && latest.content_hash == content_hash);
        let said = if is_known {
            IncomingSaid::Known
        } else {
            let heading = Heading {
                name: row.name,
                other_names: row.other_names,
                certifier: row.certifier,
                country: row.country,
            };
            IncomingSaid::New(Box::new(NewContent {
                content_hash,
                content: self.builder.push(row.fields.as_bytes()),
                statement: statement_to_json(&row.statement).into(),
                heading: heading.to_json().into(),
            }))
        };
        self.take(row.nop_id, record, said, out)
    }

    /// Of two rows with one id the later wins, whether it could be read or not: what a refused row would have said
    /// is not known, so the operation stays as it was.
    fn take(
        &mut self,
        nop_id: NopId,
        record: u32,
        said: IncomingSaid,
        out: &mut impl FnMut(Packed) -> Result<(), Gone>,
    ) -> Result<(), Gone> {
        if let Some(lost) = self.incoming.insert(nop_id, Incoming { record, said }) {
            self.duplicates += 1;
            out(Packed::Duplicate {
                nop_id,
                lost_record: lost.record,
                won_record: record,
            })?;
        }
        Ok(())
    }

    fn item(&mut self, item: &OidItem, out: &mut impl FnMut(Packed) -> Result<(), Gone>) -> Result<(), Gone> {
        if self.run.nop_id != Some(item.nop_id) {
            self.end_run();
            self.run.nop_id = Some(item.nop_id);
            if let Some(block) = self.builder.take_full() {
                out(Packed::Block(block))?;
            }
        }
        let bytes = item.fields.as_bytes();
        self.run.content_hash = self.run.content_hash.wrapping_add(item.fields.content_hash());
        // The readers refuse rows beyond 64 MiB, so the length fits.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.run.bytes.extend_from_slice(&length.to_le_bytes());
        self.run.bytes.extend_from_slice(bytes);
        if self.run.bytes.len() > RUN_BYTES {
            self.end_run();
            self.run.nop_id = Some(item.nop_id);
        }
        Ok(())
    }

    /// Items of an operation mostly stand together: they are written as one entry.
    fn end_run(&mut self) {
        let Some(nop_id) = self.run.nop_id.take() else {
            return;
        };
        let run = std::mem::take(&mut self.run);
        if run.bytes.is_empty() {
            return;
        }
        let list = self.items.entry(nop_id).or_default();
        let is_first = list.runs.is_empty() && !list.begins_with_known;
        let known = self.known.items.get(&nop_id).and_then(|lists| lists.last());
        list.content_hash = list.content_hash.wrapping_add(run.content_hash);
        if is_first && known.is_some_and(|known| known.content_hash == run.content_hash) {
            list.begins_with_known = true;
        } else {
            list.runs.push(self.builder.push(&run.bytes));
        }
    }
}

/// A run that grows beyond this many bytes is cut.
const RUN_BYTES: usize = 1 << 20;
