//! From the cells of one row, whatever form they came in, to an operation or an item.

use memchr::memchr2;
use nopic_domain::date::Date;
use nopic_domain::identifier::NopId;
use nopic_domain::registry::{Dated, Scope, Statement, Status};

use super::columns::{Column, Columns, MOST_COLUMNS, Role};
use super::error::OidProblem;
use super::fields::{Fields, printable};
use super::{OidItem, OidList, OidReject, OidRow, date};
use crate::reject::Reject;

/// The longest content that one row may have; a cell of XLSX holds at most 32,767 characters.
pub(crate) const ROW_LIMIT: usize = 64 << 20;

/// Why a row without a key is refused.
const NO_KEY: &str = "is not a NOP operation ID of 10 digits";

/// A piece of the arena; empty where the row has no such cell.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    start: usize,
    end: usize,
    /// Written as a number, not as text.
    numeric: bool,
}

/// One row under construction. Its memory is used again for the next.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) columns: Columns,
    /// The text of all cells of the row, one behind the other.
    arena: String,
    /// By position of the column.
    slots: Vec<Slot>,
    /// Where the cell that is being written began.
    open_at: usize,
    /// Whether serial numbers of dates count from 1904.
    is_1904: bool,
}

impl Record {
    /// A record of a workbook, which says from which year its serial numbers count.
    pub(crate) fn with_epoch(is_1904: bool) -> Self {
        Self {
            is_1904,
            ..Self::default()
        }
    }

    /// Forgets the last row.
    pub(crate) fn clear(&mut self) {
        self.arena.clear();
        self.slots.clear();
        self.slots.resize(self.columns.list().len(), Slot::default());
    }

    /// Begins a cell: what is pushed to the text until [`Record::close`] is its content.
    pub(crate) fn open(&mut self) -> &mut String {
        self.open_at = self.arena.len();
        &mut self.arena
    }

    /// The text of the open cell.
    pub(crate) fn open_text(&mut self) -> &mut String {
        &mut self.arena
    }

    /// Ends a cell. A second cell of the same column joins the first, with `; ` between them: nothing is lost, and a
    /// doubled key or date is refused as unreadable instead of being chosen at random.
    pub(crate) fn close(&mut self, column: usize, numeric: bool) -> Result<(), OidProblem> {
        if self.arena.len() > ROW_LIMIT {
            return Err(row_too_large());
        }
        if column >= self.slots.len() {
            self.slots.resize(column + 1, Slot::default());
        }
        let (start, end) = (self.open_at, self.arena.len());
        if self.arena[start..end].trim().is_empty() {
            return Ok(());
        }
        let slot = &mut self.slots[column];
        if slot.start == slot.end {
            *slot = Slot { start, end, numeric };
        } else {
            let joined = format!(
                "{}; {}",
                &self.arena[slot.start..slot.end],
                &self.arena[start..end]
            );
            self.arena.truncate(start);
            self.arena.push_str(&joined);
            *slot = Slot {
                start,
                end: self.arena.len(),
                numeric: false,
            };
        }
        Ok(())
    }

    /// Position of a technical name.
    pub(crate) fn column(&mut self, name: &str) -> Result<usize, OidProblem> {
        self.columns.position(name).ok_or_else(|| OidProblem::TooLarge {
            what: "the number of technical names".to_owned(),
            limit: MOST_COLUMNS as u64,
        })
    }

    /// Whether the row has no content at all.
    pub(crate) fn is_blank(&self) -> bool {
        self.slots.iter().all(|slot| slot.start == slot.end)
    }

    fn text(&self, slot: Slot) -> &str {
        &self.arena[slot.start..slot.end]
    }

    /// The trimmed text of the first column with this role.
    fn by_role(&self, role: Role) -> Option<(&Column, Slot, &str)> {
        let position = self
            .columns
            .list()
            .iter()
            .position(|column| column.role == role)?;
        let slot = *self.slots.get(position)?;
        (slot.start != slot.end).then(|| (&self.columns.list()[position], slot, self.text(slot).trim()))
    }

    fn value(&self, role: Role) -> Option<&str> {
        self.by_role(role).map(|(_, _, text)| text)
    }

    fn parse_date(&self, slot: Slot) -> Option<Date> {
        let text = self.text(slot);
        if slot.numeric {
            date::from_serial(text.trim().parse().ok()?, self.is_1904)
        } else {
            date::from_text(text, self.is_1904)
        }
    }

    /// The key of the row, if it has one that can be read.
    pub(crate) fn nop_id(&self) -> Option<NopId> {
        let (_, slot, text) = self.by_role(Role::NopId)?;
        if slot.numeric {
            // A spreadsheet drops the leading zeros of what it takes for a number.
            text.parse().ok().and_then(NopId::from_number)
        } else {
            text.parse().ok()
        }
    }

    /// The publication date that the row states.
    fn published(&self) -> Option<Date> {
        let (_, slot, _) = self.by_role(Role::PubDate)?;
        self.parse_date(slot)
    }

    /// Refuses the row because of one of its columns.
    fn refuse(&self, list: OidList, part: u32, record: u64, role: Role, reason: &str) -> Box<OidReject> {
        let nop_id = self.nop_id();
        let default = match (role, list) {
            (Role::Status, _) => "op_status",
            (_, OidList::Operations) => "op_nopOpID",
            (_, OidList::Items) => "ci_nopOpID",
        };
        let found = self.by_role(role);
        let field = found.map_or(default, |(column, _, _)| &*column.name);
        let reject = Reject {
            key: nop_id.map(|id| id.to_string()),
            field: Some(field.to_owned()),
            ..Reject::new(record, reason)
        };
        Box::new(OidReject {
            reject: reject.with_value(found.map_or("", |(_, _, text)| text)),
            nop_id,
            list,
            part,
        })
    }

    /// Refuses the row, which has no such field as the key.
    pub(crate) fn refuse_without_key(&self, list: OidList, part: u32, record: u64) -> Box<OidReject> {
        self.refuse(list, part, record, Role::NopId, NO_KEY)
    }

    /// The date in a column that must hold one or nothing.
    fn date_or_blank(&self, part: u32, record: u64, role: Role) -> Result<Option<Date>, Box<OidReject>> {
        let Some((_, slot, _)) = self.by_role(role) else {
            return Ok(None);
        };
        self.parse_date(slot).map(Some).ok_or_else(|| {
            let reason = "is no date: write M/D/YYYY or YYYY-MM-DD, or leave it blank";
            self.refuse(OidList::Operations, part, record, role, reason)
        })
    }

    /// The row as an operation.
    pub(crate) fn operation(&self, part: u32, record: u64) -> Result<OidRow, Box<OidReject>> {
        let refuse = |role, reason| self.refuse(OidList::Operations, part, record, role, reason);
        let nop_id = self.nop_id().ok_or_else(|| refuse(Role::NopId, NO_KEY))?;
        let status = self
            .value(Role::Status)
            .and_then(Status::parse)
            .ok_or_else(|| refuse(Role::Status, "is empty: every operation needs a status"))?;
        let from = self.date_or_blank(part, record, Role::StatusDate)?;
        let mut scopes = [const { None }; Scope::ALL.len()];
        for (index, scope) in scopes.iter_mut().enumerate() {
            let from = self.date_or_blank(part, record, Role::ScopeDate(index))?;
            *scope = self
                .value(Role::Scope(index))
                .and_then(Status::parse_scope)
                .map(|status| Dated { status, from });
        }
        let either = |first, second| {
            self.value(first)
                .or_else(|| self.value(second))
                .unwrap_or_default()
        };
        Ok(OidRow {
            record,
            part,
            nop_id,
            name: self.value(Role::Name).unwrap_or_default().to_owned(),
            other_names: other_names(self.value(Role::OtherNames).unwrap_or_default()),
            certifier: either(Role::Certifier, Role::CertifierToo).to_owned(),
            country: either(Role::Country, Role::CountryToo).to_owned(),
            statement: Statement {
                status: Dated { status, from },
                scopes,
            },
            published: self.published(),
            fields: self.fields(nop_id),
        })
    }

    /// The row as an item.
    pub(crate) fn item(&self, part: u32, record: u64) -> Result<OidItem, Box<OidReject>> {
        let nop_id = self.nop_id().ok_or_else(|| {
            let reason = NO_KEY;
            self.refuse(OidList::Items, part, record, Role::NopId, reason)
        })?;
        Ok(OidItem {
            record,
            part,
            nop_id,
            published: self.published(),
            fields: self.fields(nop_id),
        })
    }

    fn fields(&self, nop_id: NopId) -> Fields {
        let present = || {
            self.columns.sorted().filter_map(|(position, column)| {
                let slot = *self.slots.get(position)?;
                (slot.start != slot.end).then_some((column, slot))
            })
        };
        let room = present()
            .map(|(column, slot)| {
                let value = match column.role {
                    // As a date is written: at least so long, whatever it was.
                    Role::Text => slot.end - slot.start,
                    _ => (slot.end - slot.start).max(10),
                };
                column.name.len() + value + 2
            })
            .sum();
        let mut fields = Fields::with_capacity(room);
        // Separators are so rare that one look at the whole row is enough.
        let is_printable = memchr2(0x1e, 0x1f, self.arena.as_bytes()).is_none();
        for (column, slot) in present() {
            let text = self.text(slot);
            match column.role {
                Role::NopId => fields.push(&column.name, &nop_id.to_string()),
                // It is another one in each snapshot, and stands in the row beside the fields.
                Role::PubDate if self.parse_date(slot).is_some() => {}
                Role::StatusDate | Role::ScopeDate(_) | Role::Date => match self.parse_date(slot) {
                    Some(date) => fields.push(&column.name, &date.to_string()),
                    None => fields.push(&column.name, &printable(text)),
                },
                _ if is_printable => fields.push(&column.name, text),
                _ => fields.push(&column.name, &printable(text)),
            }
        }
        fields
    }
}

/// A row beyond [`ROW_LIMIT`].
pub(crate) fn row_too_large() -> OidProblem {
    OidProblem::TooLarge {
        what: "one row".to_owned(),
        limit: ROW_LIMIT as u64,
    }
}

/// The names between the semicolons; a leading `dba` stays.
fn other_names(text: &str) -> Vec<String> {
    text.split(';')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}
