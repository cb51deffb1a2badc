//! What one snapshot says about one operation, in its stored form.

use nopic_domain::date::Date;
use nopic_domain::registry::{Dated, Observation, Statement, Status};
use serde::{Deserialize, Serialize};

use super::blocks::BlockRef;
use super::corrupt;

/// Kind of an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    Listed,
    Refused,
    #[default]
    Absent,
}

impl Kind {
    pub(super) fn code(self) -> i64 {
        match self {
            Self::Listed => 0,
            Self::Refused => 1,
            Self::Absent => 2,
        }
    }

    pub(super) fn from_code(code: i64) -> Result<Self, nopic_sql::Error> {
        match code {
            0 => Ok(Self::Listed),
            1 => Ok(Self::Refused),
            2 => Ok(Self::Absent),
            other => Err(corrupt("observation.kind", other.to_string())),
        }
    }
}

/// What a list shows of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Heading {
    /// `op_name`.
    #[serde(rename = "n", default, skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    /// `op_otherNames`, one each.
    #[serde(rename = "o", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) other_names: Vec<String>,
    /// The certifier's name.
    #[serde(rename = "c", default, skip_serializing_if = "String::is_empty")]
    pub(crate) certifier: String,
    /// The country as the database writes it.
    #[serde(rename = "l", default, skip_serializing_if = "String::is_empty")]
    pub(crate) country: String,
}

impl Heading {
    pub(crate) fn to_json(&self) -> String {
        // Texts only: they always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(crate) fn from_json(json: &str) -> Result<Self, nopic_sql::Error> {
        serde_json::from_str(json).map_err(|error| corrupt("observation.heading", error.to_string()))
    }
}

/// A status with its date as it is stored: a pair, so that 76,000 of them stay small.
type StoredDated<'a> = (std::borrow::Cow<'a, str>, Option<Date>);
type StoredStatement<'a> = (StoredDated<'a>, [Option<StoredDated<'a>>; 4]);

/// The stored form of a statement: `[[status, date], [scope or null × 4]]`.
pub(crate) fn statement_to_json(statement: &Statement) -> String {
    fn stored(dated: &Dated) -> StoredDated<'_> {
        (dated.status.as_str().into(), dated.from)
    }
    let [crops, livestock, wild_crops, handling] = &statement.scopes;
    let statement: StoredStatement<'_> = (
        stored(&statement.status),
        [crops, livestock, wild_crops, handling].map(|scope| scope.as_ref().map(stored)),
    );
    // Texts and dates only: they always have a JSON form.
    serde_json::to_string(&statement).unwrap_or_default()
}

/// Reads what [`statement_to_json`] wrote.
pub(crate) fn statement_from_json(json: &str) -> Result<Statement, nopic_sql::Error> {
    let (status, scopes): StoredStatement<'_> =
        serde_json::from_str(json).map_err(|error| corrupt("observation.statement", error.to_string()))?;
    let dated = |(status, from): StoredDated<'_>| Dated {
        status: Status::from_stored(&status),
        from,
    };
    Ok(Statement {
        status: dated(status),
        scopes: scopes.map(|scope| scope.map(dated)),
    })
}

/// The status alone of a stored statement.
pub(crate) fn status_of_json(json: &str) -> Result<Status, nopic_sql::Error> {
    type Ignored = serde::de::IgnoredAny;
    let ((status, _), _): ((std::borrow::Cow<'_, str>, Ignored), Ignored) =
        serde_json::from_str(json).map_err(|error| corrupt("observation.statement", error.to_string()))?;
    Ok(Status::from_stored(&status))
}

/// One stored observation.
#[derive(Debug, Clone)]
pub(crate) struct StoredObservation {
    pub(crate) revision: u32,
    pub(crate) observation: Observation,
    /// Of a listed one: where its fields stand.
    pub(crate) content: Option<BlockRef>,
    /// Of a listed one.
    pub(crate) heading: Option<Heading>,
}
