//! The name of this database's history.

use nopic_sql::Error;

use super::Store;
use crate::store::{LineageStore, corrupt};

nopic_sql::statements! {
    const INSERT: &str =
        "INSERT INTO lineage (slot, lineage) VALUES (1, $1) ON CONFLICT (slot) DO NOTHING";
    const SELECT: &str = "SELECT lineage FROM lineage WHERE slot = 1";
    const REPLACE: &str = "UPDATE lineage SET lineage = $1 WHERE slot = 1 AND lineage = $2";
}

#[tonic::async_trait]
impl LineageStore for Store {
    async fn lineage(&self, fresh: [u8; 16]) -> Result<[u8; 16], Error> {
        let mut transaction = self.database.write("name_lineage").await?;
        sqlx::query(INSERT)
            .bind(&fresh[..])
            .execute(&mut *transaction)
            .await?;
        let lineage: Vec<u8> = sqlx::query_scalar(SELECT).fetch_one(&mut *transaction).await?;
        transaction.commit().await?;
        lineage
            .try_into()
            .map_err(|_| corrupt("lineage.lineage", "it has not 16 bytes"))
    }

    async fn replace_lineage(&self, old: [u8; 16], fresh: [u8; 16]) -> Result<(), Error> {
        let mut transaction = self.database.write("replace_lineage").await?;
        sqlx::query(REPLACE)
            .bind(&fresh[..])
            .bind(&old[..])
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}
