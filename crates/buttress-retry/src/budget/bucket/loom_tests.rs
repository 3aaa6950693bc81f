//! Every interleaving of a few threads.

use loom::{sync::Arc, thread};

use super::Bucket;

/// Of one token and a deposit of a whole one, three withdrawals get two at most, and two in the
/// end.
#[test]
fn no_token_is_granted_twice_and_none_is_lost() {
    loom::model(|| {
        let bucket = Arc::new(Bucket::new(1.0, 0.0, 4, 1));
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let bucket = Arc::clone(&bucket);
                thread::spawn(move || u32::from(bucket.withdraw(0)))
            })
            .collect();
        bucket.deposit();
        let mut granted: u32 = takers.into_iter().map(|taker| taker.join().unwrap()).sum();
        assert!((1..=2).contains(&granted));
        granted += u32::from(bucket.withdraw(0));
        assert_eq!(granted, 2);
        assert!(!bucket.withdraw(0));
    });
}

/// Threads that read the clock at different times do not add the time between twice.
#[test]
fn time_is_added_once() {
    loom::model(|| {
        let bucket = Arc::new(Bucket::new(0.0, 1000.0, 4, 0));
        let early = {
            let bucket = Arc::clone(&bucket);
            thread::spawn(move || u32::from(bucket.withdraw(1)) + u32::from(bucket.withdraw(2)))
        };
        let late = u32::from(bucket.withdraw(2));
        let granted = early.join().unwrap() + late;
        assert!(granted <= 2, "two milliseconds are two tokens, not {granted}");
        assert_eq!(granted + u32::from(bucket.withdraw(2)) + u32::from(bucket.withdraw(2)), 2);
    });
}

/// A token that comes back is there, and never above what the bucket may keep.
#[test]
fn what_is_given_back_is_there_once() {
    loom::model(|| {
        let bucket = Arc::new(Bucket::new(1.0, 0.0, 1, 1));
        let other = {
            let bucket = Arc::clone(&bucket);
            thread::spawn(move || {
                if bucket.withdraw(0) {
                    bucket.give_back();
                }
            })
        };
        bucket.deposit();
        other.join().unwrap();
        assert!(bucket.withdraw(0));
        assert!(!bucket.withdraw(0));
    });
}
