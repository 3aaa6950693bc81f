//! The circuit under threads.

use std::sync::Mutex;

use super::{is_legal, *};

const THREADS: u32 = 4;
const EACH: u32 = 100_000;

#[test]
fn no_failure_is_lost_under_threads() {
    for (threshold, opened) in [(THREADS * EACH, 1), (THREADS * EACH + 1, 0)] {
        let base = Instant::now();
        let circuit = with(settings(threshold), base);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..EACH {
                        let ticket = circuit.admit(|| base).expect("the last failure trips");
                        circuit.settle(ticket, Outcome::Failure.into(), || base);
                    }
                });
            }
        });
        let snapshot = circuit.snapshot(|| base);
        assert_eq!((snapshot.failures, snapshot.opened), (THREADS * EACH, opened));
    }
}

#[test]
fn the_counters_come_out_exact_under_threads() {
    let base = Instant::now();
    let micros = AtomicU64::new(0);
    let clock = || base + Duration::from_micros(micros.load(Ordering::SeqCst));
    let probing = Probing { probes: 2, close_after: 3, ..settings(3).probing };
    let circuit = with(Settings { probing, ..settings(3) }, base);
    let changes = Mutex::new(Vec::new());
    // The half-open generation, and the probes that are out in it.
    let half_open = Mutex::new((0_u64, 0_u32));

    let run = |seed: u64| {
        let (mut random, mut refused) = (seed, 0_u64);
        let mut out = Vec::new();
        for _ in 0..EACH {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed | 1);
            let draw = (random >> 33) % 100;
            if draw < 55 {
                match circuit.admit(clock) {
                    Ok(ticket) => {
                        if ticket.place().is_some() {
                            let generation = ticket.generation().unwrap();
                            let mut half_open = half_open.lock().unwrap();
                            if half_open.0 < generation {
                                *half_open = (generation, 0);
                            }
                            if half_open.0 == generation {
                                half_open.1 += 1;
                                assert!(half_open.1 <= probing.probes, "too many probes");
                            }
                        }
                        out.push(ticket);
                    }
                    Err(_) => refused += 1,
                }
            } else if draw < 90 {
                let Some(ticket) = out.pop() else { continue };
                if ticket.place().is_some() {
                    let generation = ticket.generation().unwrap();
                    let mut half_open = half_open.lock().unwrap();
                    if half_open.0 == generation {
                        half_open.1 -= 1;
                    }
                }
                let outcome = match draw {
                    55..65 => Outcome::Failure,
                    65..70 => Outcome::Neutral,
                    _ => Outcome::Success,
                };
                circuit.settle(ticket, outcome.into(), clock);
            } else {
                micros.fetch_add(draw, Ordering::SeqCst);
            }
            circuit.tell(|change| changes.lock().unwrap().push(change));
        }
        refused
    };
    let refused: u64 = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS).map(|seed| scope.spawn(move || run(u64::from(seed) + 7))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });

    let changes = changes.into_inner().unwrap();
    let snapshot = circuit.snapshot(|| base);
    assert_eq!(snapshot.rejected, refused);
    assert_eq!(snapshot.generation, changes.len() as u64);
    let opened = changes.iter().filter(|change| change.to == Open).count();
    assert_eq!(snapshot.opened, opened as u64);
    assert!(opened > 100, "only {opened} trips: the test tests nothing");
    for (before, change) in changes.iter().enumerate() {
        assert!(is_legal(*change), "{change:?}");
        assert_eq!(change.generation, before as u64 + 1, "told once and in order");
    }
    for pair in changes.windows(2) {
        assert_eq!(pair[0].to, pair[1].from);
    }
}
