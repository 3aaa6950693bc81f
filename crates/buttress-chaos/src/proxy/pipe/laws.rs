//! What a pipe promises, over times that the tests choose.

mod chance;
mod closing;
mod order;
mod pace;
mod run;
mod time;

use std::time::Duration;

use proptest::prelude::*;

use crate::proxy::Toxic;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MEBIBYTE: usize = 1024 * 1024;
const BUFFER: usize = MEBIBYTE;

fn lossless() -> impl Strategy<Value = Toxic> {
    let time = |most: u64| (0..=most).prop_map(Duration::from_micros);
    let kind = prop_oneof![
        (time(300_000), time(300_000)).prop_map(|(delay, by)| Toxic::latency(delay, by).unwrap()),
        (1_000_u64..10_000_000).prop_map(|rate| Toxic::bandwidth(rate).unwrap()),
        (1_usize..2_000, 0_usize..2_000, time(20_000)).prop_map(|(average, by, delay)| {
            Toxic::slicer(average, by % average, delay).unwrap()
        }),
        time(300_000).prop_map(|delay| Toxic::slow_close(delay).unwrap()),
        Just(Toxic::blackhole()),
    ];
    (kind, prop_oneof![Just(1.0), 0.0..=1.0])
        .prop_map(|(toxic, share)| toxic.toxicity(share).unwrap())
}
