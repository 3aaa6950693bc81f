use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// With every place taken, the share alone lets calls in: a half of them on average.
#[test]
fn a_growing_share_is_let_in() {
    let probing = Probing { ramp: Some(10 * SECOND), lease: Duration::MAX, ..Probing::default() };
    let mut probes = Probes::default();
    let start = Instant::now();
    assert!(probes.admit(&probing, start).is_some());
    assert!(!probes.succeeded(&probing, start), "not yet");
    let mut let_in = Vec::new();
    for tenth in 0..10_u32 {
        let now = start + tenth * SECOND;
        let came = 1_000;
        let admitted = (0..came).filter(|_| probes.admit(&probing, now).is_some()).count();
        let_in.push(admitted);
    }
    for (tenth, admitted) in let_in.iter().enumerate() {
        assert!(admitted.abs_diff(tenth * 100) <= 1, "{let_in:?}");
    }
    let end = start + 10 * SECOND;
    assert_eq!(probes.due(end - Duration::from_nanos(1)), None);
    assert_eq!(probes.due(end), Some(Due::Recovered(end)));
}

/// One that never ends does not let another take it for itself, when numbers begin anew.
#[test]
fn probes_are_told_apart() {
    let probing = Probing { probes: 2, lease: Duration::MAX, ..Probing::default() };
    let now = Instant::now();
    let mut probes = Probes::default();
    let _hangs = probes.admit(&probing, now).unwrap();
    for _ in 0..LOW_BITS {
        let number = probes.admit(&probing, now).expect("a place");
        probes.end(number & LOW_BITS);
        assert_eq!(probes.out(), 1);
    }
    assert_eq!(probes.admit(&probing, now), None, "it would be taken for the first");
    probes.begin();
    for _ in 0..3 {
        let number = probes.admit(&probing, now).expect("a place");
        probes.end(number & LOW_BITS);
        assert_eq!(probes.out(), 0);
    }
}

/// One who read the clock first, and came here last, does not have the first lease to end.
#[test]
fn the_first_lease_ends_first() {
    let probing = Probing { probes: 2, lease: SECOND, ..Probing::default() };
    let now = Instant::now();
    let mut probes = Probes::default();
    let first = probes.admit(&probing, now + SECOND).unwrap();
    let late = probes.admit(&probing, now).unwrap();
    assert_eq!(probes.first_end(), Some(now + 2 * SECOND));
    probes.end(first);
    assert_eq!(probes.first_end(), Some(now + 2 * SECOND));
    probes.end(late);
    assert_eq!(probes.first_end(), None);
}

#[test]
fn a_lease_that_ends_with_the_ramp_counts_first() {
    let probing = Probing { ramp: Some(SECOND), lease: SECOND, ..Probing::default() };
    let start = Instant::now();
    let mut probes = Probes::default();
    assert!(!probes.succeeded(&probing, start));
    probes.admit(&probing, start).unwrap();
    assert_eq!(probes.due(start + SECOND), Some(Due::Lost(start + SECOND)));
    let later = Probing { lease: 2 * SECOND, ..probing };
    let mut probes = Probes::default();
    assert!(!probes.succeeded(&later, start));
    probes.admit(&later, start).unwrap();
    assert_eq!(probes.due(start + 5 * SECOND), Some(Due::Recovered(start + SECOND)));
}
