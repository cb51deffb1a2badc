//! A change with a name.

use std::ops::{Deref, DerefMut};

use tokio::time::Instant;

use super::engine::{Connection, Database, Transaction};
use crate::Error;
use crate::transactions::{Outcome, TransactionCount, Transactions};

/// The transaction of a change: dropped, it is rolled back. How it ended is counted under its name.
#[derive(Debug)]
pub struct WriteTransaction {
    transaction: Transaction,
    measure: Measure,
}

/// Counts a transaction when it has ended.
#[derive(Debug)]
struct Measure {
    name: &'static str,
    begun: Instant,
    outcome: Outcome,
    transactions: Transactions,
}

impl Drop for Measure {
    fn drop(&mut self) {
        self.transactions
            .ended(self.name, self.outcome, self.begun.elapsed());
    }
}

impl WriteTransaction {
    /// Ends the change: all of it is there.
    ///
    /// # Errors
    /// What the engine reports.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        let Self {
            transaction,
            mut measure,
        } = self;
        measure.outcome = Outcome::Failed;
        transaction.commit().await?;
        measure.outcome = Outcome::Committed;
        Ok(())
    }
}

impl Deref for WriteTransaction {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.transaction
    }
}

impl DerefMut for WriteTransaction {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.transaction
    }
}

impl Database {
    /// Begins the transaction of a change of this name: one of few, such as `import_snapshot`. How long it waits for
    /// its beginning is part of its time.
    ///
    /// # Errors
    /// The database cannot be used.
    pub async fn write(&self, name: &'static str) -> Result<WriteTransaction, Error> {
        let measure = Measure {
            name,
            begun: Instant::now(),
            outcome: Outcome::RolledBack,
            transactions: self.transactions.clone(),
        };
        Ok(WriteTransaction {
            transaction: self.begin_write().await?,
            measure,
        })
    }

    /// How the named transactions of this process ended.
    #[must_use]
    pub fn transactions(&self) -> Vec<TransactionCount> {
        self.transactions.counts()
    }
}
