//! What `k8s/` makes of the program: each overlay as kustomize renders it, by itself and against the program.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]
#![allow(clippy::print_stderr, reason = "figures of a run are told")]

mod alerts;
mod arguments;
mod cluster;
mod configuration;
mod containers;
#[path = "../support/draws.rs"]
mod draws;
mod faults;
mod image;
mod names;
mod network;
mod numbers;
mod objects;
mod readme;
mod rendered;
mod schemas;
#[path = "../support/mod.rs"]
mod support;
mod types;
