//! Decoded shards by the hash of their content.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::shard::{Shard, ShardHash};

/// A bounded set of decoded shards; the one that came first goes first.
#[derive(Debug)]
pub(super) struct L1 {
    limit: usize,
    shards: FxHashMap<ShardHash, Arc<Shard>>,
    order: VecDeque<ShardHash>,
}

impl L1 {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            shards: FxHashMap::default(),
            order: VecDeque::new(),
        }
    }

    pub(super) fn get(&self, hash: &ShardHash) -> Option<Arc<Shard>> {
        self.shards.get(hash).cloned()
    }

    pub(super) fn put(&mut self, hash: ShardHash, shard: Arc<Shard>) {
        if self.shards.insert(hash, shard).is_none() {
            self.order.push_back(hash);
        }
        // One turn at most: a shard that a view still holds costs nothing here, so it goes to the end of the line.
        for _ in 0..self.order.len() {
            if self.order.len() <= self.limit {
                return;
            }
            let Some(first) = self.order.pop_front() else {
                return;
            };
            if self
                .shards
                .get(&first)
                .is_some_and(|shard| Arc::strong_count(shard) > 1)
            {
                self.order.push_back(first);
            } else {
                self.shards.remove(&first);
            }
        }
        // All are held by views: forget the oldest all the same, the bound counts.
        while self.order.len() > self.limit {
            if let Some(first) = self.order.pop_front() {
                self.shards.remove(&first);
            }
        }
    }
}
