//! Blocks of rows and items: reading and deleting them. Writing them is what the engines do differently.

use nopic_sql::Error;
use sqlx::Row as _;

use super::Store;
use super::engine::Connection;
use crate::store::blocks::unpack;
use crate::store::{BlockRef, BlockStore, corrupt, entries_of};

nopic_sql::statements! {
    const SELECT_BLOCK: &str = "SELECT bytes FROM block WHERE block = $1";
    const SELECT_LAST_BLOCK: &str = "SELECT COALESCE(MAX(block), 0) FROM block";
    const DELETE_BLOCKS: &str = "DELETE FROM block WHERE written_by = $1 RETURNING block";
}

#[tonic::async_trait]
impl BlockStore for Store {
    async fn next_block(&self) -> Result<i64, Error> {
        let last: i64 = sqlx::query_scalar(SELECT_LAST_BLOCK)
            .fetch_one(self.database.readers())
            .await?;
        Ok(last + 1)
    }

    async fn block(&self, block: i64) -> Result<Vec<u8>, Error> {
        let row = sqlx::query(SELECT_BLOCK)
            .bind(block)
            .fetch_optional(self.database.readers())
            .await?
            .ok_or_else(|| corrupt("block.block", format!("block {block} is missing")))?;
        let bytes: &[u8] = row.try_get(0)?;
        unpack(bytes)
    }

    async fn entry(&self, place: BlockRef) -> Result<Vec<u8>, Error> {
        let content = self.block(place.block).await?;
        entries_of(&content)
            .nth(place.slot as usize)
            .map(<[u8]>::to_vec)
            .ok_or_else(|| corrupt("block.bytes", format!("{place:?} is missing")))
    }
}

/// Deletes the blocks of an import that is thrown away, and names them.
pub(super) async fn delete(connection: &mut Connection, by: u32) -> Result<Vec<(i64,)>, Error> {
    Ok(sqlx::query_as(DELETE_BLOCKS)
        .bind(i64::from(by))
        .fetch_all(connection)
        .await?)
}
