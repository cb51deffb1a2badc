//! Migrations: append-only, each applied once.

use crate::Error;
use crate::audit::Audited;

/// One step of a schema. Steps are numbered from 1 by their place in the list and never change once released.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// What it does, as a file name: `create_snapshots`.
    pub name: &'static str,
    /// The statements for SQLite.
    pub sqlite: &'static str,
    /// The statements for PostgreSQL.
    pub postgres: &'static str,
    /// The lowest schema number that a program must know to live with a database that has this step: a number below
    /// its own lets older programs go on, its own number shuts them out.
    pub oldest_compatible: u32,
}

/// The tables that the services of a system of record share: answers by request, audit records, outbox.
pub const SHARED: Migration = Migration {
    name: "create_shared_tables",
    sqlite: include_str!("../migrations/shared.sqlite.sql"),
    postgres: include_str!("../migrations/shared.postgres.sql"),
    oldest_compatible: 1,
};

/// What notes say of rows: which they leave how. What the database holds by then is noted as it is.
pub const AUDIT_ROWS: Migration = Migration {
    name: "add_row_hashes",
    sqlite: include_str!("../migrations/audit_rows.sqlite.sql"),
    postgres: include_str!("../migrations/audit_rows.postgres.sql"),
    // An older program would change rows without a word.
    oldest_compatible: u32::MAX,
};

/// From where on the outbox is whole, and each tenant's messages in order.
pub const OUTBOX_FLOOR: Migration = Migration {
    name: "keep_outbox_floor",
    sqlite: include_str!("../migrations/outbox_floor.sqlite.sql"),
    postgres: include_str!("../migrations/outbox_floor.postgres.sql"),
    oldest_compatible: 1,
};

/// The schema of one service.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// Name of the schema on PostgreSQL, and with dashes for underscores of the file on SQLite: that of the service.
    pub name: &'static str,
    /// Its steps.
    pub migrations: &'static [Migration],
    /// The rows that its audit log answers for.
    pub audited: &'static [&'static Audited],
}

/// What opening a database does about a schema that is not up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaUpdate {
    /// Bring it up to date.
    Apply,
    /// Refuse to use it: a job of its own brings it up to date, before any process needs it.
    Refuse,
}

/// A step that was applied: number, name, lowest schema number of a program that can live with it.
pub(crate) type Applied = (i64, String, i64);

/// How many steps are missing. A newer schema is accepted where it says that this program can live with it.
pub(crate) fn missing(schema: &Schema, applied: &[Applied]) -> Result<usize, Error> {
    let migrations = schema.migrations;
    let known = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    for (number, name, oldest_compatible) in applied {
        let place = usize::try_from(number - 1).unwrap_or(usize::MAX);
        match migrations.get(place) {
            Some(migration) if migration.name == name => {}
            Some(migration) => {
                return Err(Error::Schema(format!(
                    "the database has the schema step {number} {name:?} where this program has {:?}: it belongs to \
                     another program or service",
                    migration.name
                )));
            }
            None if *oldest_compatible <= known => {}
            None => {
                return Err(Error::Schema(format!(
                    "the database has the schema step {number} {name:?}, which this program is too old for: use a \
                     newer nopic"
                )));
            }
        }
    }
    Ok(migrations.len().saturating_sub(applied.len()))
}

/// The refusal of a schema that lacks steps.
pub(crate) fn not_up_to_date(schema: &Schema, missing: usize) -> Error {
    Error::Schema(format!(
        "the schema {:?} lacks {missing} of {} steps: run `nopic migrate` once, before the services start",
        schema.name,
        schema.migrations.len()
    ))
}
