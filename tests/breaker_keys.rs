//! What a breaker with a circuit for each of 100,000 keys costs.

use std::{
    convert::Infallible,
    fmt::Display,
    fs,
    future::{Ready, ready},
    hash::Hash,
    hint::black_box,
    task::{Context, Poll},
    time::Duration,
};

use buttress::prelude::*;
use futures_util::FutureExt;
use tower::{Layer, Service};

const KEYS: u32 = 100_000;

/// Answers at once.
#[derive(Clone)]
struct Serves;

impl Service<u32> for Serves {
    type Response = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _number: u32) -> Self::Future {
        ready(Ok(()))
    }
}

/// The time that this thread has spent on a processor, whatever else the machine does meanwhile;
/// none where the system does not tell.
fn processor_time() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
}

/// The time of one of so many, in an order that no cache can guess.
fn each(times: u32, mut act: impl FnMut(u32)) -> Option<Duration> {
    let before = processor_time();
    for time in 0..times {
        act(time.wrapping_mul(2_654_435_761) % KEYS);
    }
    Some(processor_time()?.checked_sub(before?)? / times)
}

/// Calls once for each key, and gives the bytes that are kept for one of them.
fn bytes_per_key<K>(key: impl Fn(&u32) -> K + Clone) -> i64
where
    K: Hash + Eq + Clone + Display,
{
    let mut kept = None;
    let counted = allocation_counter::measure(|| {
        let layer = BreakerLayer::builder().keyed(key).max_keys(KEYS as usize).build().unwrap();
        let mut service = layer.layer(Serves);
        for number in 0..KEYS {
            assert!(matches!(service.call(number).now_or_never(), Some(Ok(()))));
        }
        let handle = layer.handle();
        assert_eq!((handle.len(), handle.overflowed()), (KEYS as usize, 0));
        kept = Some(service);
    });
    let bytes = counted.bytes_current / i64::from(KEYS);
    let mut keyed = kept.expect("it was made");
    let mut one = BreakerLayer::new().layer(Serves);
    let by_key = each(1_000_000, |number| drop(black_box(keyed.call(number))));
    let alone = each(1_000_000, |number| drop(black_box(one.call(number))));
    let key = std::any::type_name::<K>();
    eprintln!("{key}: {bytes} bytes a key; {by_key:?} a call, {alone:?} with one circuit");
    bytes
}

/// Most of it is the state of one circuit; then come its name, its place in the map, and the key.
#[test]
fn a_hundred_thousand_keys_cost_little_each() {
    // As long as many names of hosts are.
    let of_host = bytes_per_key(|number| format!("host-{number:015}"));
    let of_number = bytes_per_key(|number| *number);
    assert!(of_number < of_host && of_host <= 512, "{of_host} and {of_number}");
}
