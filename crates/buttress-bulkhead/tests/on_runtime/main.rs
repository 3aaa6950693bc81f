//! Calls on a runtime of their own: where they run, what they take along, and how they end.

mod apart;
mod bodies;
mod ends;
mod neighbours;
mod service;
mod threads;

use apart::Apart;
use buttress_bulkhead::{BulkheadLayer, OnRuntime, OneCompartment};
use buttress_core::{BoxError, Plain, Rejection, RejectionKind};

type OneOnRuntime = BulkheadLayer<Plain, OneCompartment, OnRuntime>;

/// One place, on that runtime.
fn one(apart: &Apart) -> OneOnRuntime {
    BulkheadLayer::builder().max_concurrent(1).on_runtime(apart.handle()).build().unwrap()
}

fn kind(error: &BoxError) -> &RejectionKind {
    Rejection::find(error.as_ref()).expect("a rejection").kind()
}
