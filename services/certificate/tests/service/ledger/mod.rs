//! The ledger, through its client.

mod concurrency;
mod history;
mod input;
mod model;
mod setting;
