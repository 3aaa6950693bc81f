//! Answers that are to be kept in something that is no store.

// says: is no store of last known good answers
// says: `MemoryStore` keeps them in this process

use std::collections::HashMap;

use buttress::prelude::*;
use bytes::Bytes;

fn main() {
    let map = HashMap::<String, Bytes>::new();
    let _memory = LastKnownGood::new(map, |_: &()| Some("all"));
}
