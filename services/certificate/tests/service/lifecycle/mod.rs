//! The life of certificates through the client, on both engines.

mod amending;
mod audit;
mod events;
mod importing;
mod model;
mod numbers;
mod registry;
mod review;
mod support;
mod time;
