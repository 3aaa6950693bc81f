//! Every interleaving of a few threads.

use loom::{sync::Arc, thread};

use super::*;

const BAD: Ended = Ended { failed: true, slow: false };
const SECOND: Duration = Duration::from_secs(1);

/// As a part of time begins, several threads take over its bucket at once: no call is lost, and
/// none of the time before is left.
#[test]
fn a_bucket_is_taken_over_once() {
    loom::model(|| {
        let start = Instant::now();
        let buckets = Arc::new(Buckets::new(10 * SECOND, start));
        buckets.note(BAD, 0, start);
        let now = start + 10 * SECOND;
        let other = {
            let buckets = Arc::clone(&buckets);
            thread::spawn(move || buckets.note(BAD, 0, now).expect("in time"))
        };
        let here = buckets.note(BAD, 0, now).expect("in time");
        let there = other.join().unwrap();
        assert!(here.failed <= here.calls && there.failed <= there.calls);
        // The last to count sees all failures.
        assert_eq!(here.failed.max(there.failed), 2);
        assert_eq!(buckets.counts(0, now), Counts { calls: 2, failed: 2, slow: 0 });
    });
}
