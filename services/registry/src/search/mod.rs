//! Search by name.

use nopic_domain::date::Date;
use nopic_domain::identifier::NopId;
use nopic_domain::registry::Timeline;

use crate::store::Heading;

#[derive(Debug)]
pub(crate) struct SearchIndex;

#[derive(Debug)]
pub(crate) struct SearchIndexBuilder;

impl SearchIndex {
    pub(crate) fn builder(_revision: u32, _today: Date) -> SearchIndexBuilder {
        SearchIndexBuilder
    }
}

impl SearchIndexBuilder {
    pub(crate) fn push(&mut self, _id: NopId, _heading: &Heading, _timeline: &Timeline) {}
    pub(crate) fn finish(self) -> SearchIndex {
        SearchIndex
    }
}
