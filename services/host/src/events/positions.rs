//! Where a reader is, over several services: one text that it keeps.

use std::collections::BTreeMap;

use nopic_sql::outbox::Position;
use thiserror::Error;

/// Bytes of positions: more than all services need.
const MAX_POSITION_BYTES: usize = 1_024;

/// Where a reader is in the outbox of each service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Positions(BTreeMap<String, Position>);

/// A text that is no position of a reader.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("after: {0:?} is no position that was told by this service: give one of those as it is, or none")]
pub(super) struct NoPosition(String);

impl NoPosition {
    pub(super) fn of(text: &str) -> Self {
        Self(text.chars().take(80).collect())
    }
}

impl Positions {
    pub(super) fn parse(text: &str) -> Result<Self, NoPosition> {
        let mut positions = Self::default();
        if text.is_empty() {
            return Ok(positions);
        }
        let wrong = || NoPosition::of(text);
        if text.len() > MAX_POSITION_BYTES {
            return Err(wrong());
        }
        for part in text.split(',') {
            let (service, position) = part.split_once(':').ok_or_else(wrong)?;
            let position = position.parse().map_err(|_| wrong())?;
            if positions.0.insert(service.to_owned(), position).is_some() {
                return Err(wrong());
            }
        }
        Ok(positions)
    }

    /// Absent: before the oldest event that is kept.
    pub(super) fn of(&self, service: &str) -> Option<Position> {
        self.0.get(service).copied()
    }

    pub(super) fn advance(&mut self, service: &str, position: Position) {
        self.0.insert(service.to_owned(), position);
    }

    /// The services of which it is known where the reader is.
    pub(super) fn services(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn told(&self) -> String {
        let parts: Vec<String> = self
            .0
            .iter()
            .map(|(service, position)| format!("{service}:{position}"))
            .collect();
        parts.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_as_they_are_told() {
        let mut positions = Positions::default();
        assert_eq!(positions.told(), "");
        positions.advance(
            "registry",
            Position {
                transaction: 3,
                id: 9,
            },
        );
        positions.advance(
            "certificate",
            Position {
                transaction: 0,
                id: 2,
            },
        );
        positions.advance(
            "registry",
            Position {
                transaction: 4,
                id: 1,
            },
        );
        assert_eq!(positions.told(), "certificate:0.2,registry:4.1");
        assert_eq!(Positions::parse(&positions.told()), Ok(positions));
        assert_eq!(Positions::parse(""), Ok(Positions::default()));
        for wrong in [
            "registry",
            "registry:",
            ":1",
            "registry:1.2,",
            "registry:1.2,registry:1.3",
            "registry:x.1",
        ] {
            assert!(Positions::parse(wrong).is_err(), "{wrong}");
        }
    }
}
