//! A fallback that is to remember answers, and was not told what they are.

// says: `Plain` can neither copy a response nor make one of the copy
// says: say `.protocol(…)` before `.last_known_good(…)`

use buttress::{fallback::Store, prelude::*};

fn remember(store: impl Store) {
    let _layer = FallbackLayer::<(), u64>::builder()
        .last_known_good("last", LastKnownGood::new(store, |_: &()| Some("all")))
        .build();
}

fn main() {}
