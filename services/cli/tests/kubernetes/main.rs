//! What `k8s/` makes of the program: each overlay as kustomize renders it, by itself and against the program.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod alerts;
mod arguments;
mod configuration;
mod containers;
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
