//! Time, by the best of many short batches.
//!
//! Not by criterion, which measures one subject after another and each for itself: what else the machine does
//! meanwhile is then in one figure and not in the next, and their ratio says nothing. Here each round gives every
//! subject one batch, and of all rounds the fastest batch counts, which nothing disturbed.

use std::time::Duration;

use crate::{
    results::Results,
    subject::{Subject, Subjects},
    subjects::Shared,
};

/// Short enough to fit between two interruptions, and long against a reading of the clock.
const BATCH: Duration = Duration::from_micros(400);

/// Longer where there are two threads: those that start together may share a core for a while, until the system
/// moves one away.
const BATCH_OF_THREADS: Duration = Duration::from_millis(20);

/// Measures what each call takes, in so many rounds.
pub fn calls(subjects: &mut Subjects, rounds: u32, into: &mut Results) {
    let batches: Vec<_> = subjects.all.iter_mut().map(batch).collect();
    for round in 0..rounds {
        for (subject, &calls) in subjects.all.iter_mut().zip(&batches) {
            // What takes its time by itself is not disturbed by much, and need not be seen so often.
            if subject.batch.is_some() && round % 20 != 0 {
                continue;
            }
            let nanos = (subject.calls)(calls).as_secs_f64() * 1e9 / calls as f64;
            best(&mut into.entry(&subject.row, subject.who).nanos, nanos);
        }
    }
}

/// Measures what two threads do in the time of one, in so many rounds.
pub fn threads(shared: &[Shared], rounds: u32, into: &mut Results) {
    let mut batches: Vec<_> =
        shared.iter().map(|one| (batch_of_threads(one), [f64::INFINITY; 2])).collect();
    for _ in 0..rounds {
        for (subject, (calls, times)) in shared.iter().zip(&mut batches) {
            for (time, threads) in times.iter_mut().zip(1..) {
                *time = time.min((subject.time_of)(threads, *calls).as_secs_f64());
            }
        }
    }
    for (subject, (calls, [one, two])) in shared.iter().zip(batches) {
        let figures = into.entry(subject.row, subject.who);
        figures.nanos = Some(one * 1e9 / calls as f64);
        figures.two_threads = Some(2.0 * one / two);
    }
}

/// How many calls make a batch.
fn batch(subject: &mut Subject) -> u64 {
    if let Some(calls) = subject.batch {
        return calls;
    }
    let mut calls = 1;
    while (subject.calls)(calls) < BATCH / 2 {
        calls *= 2;
    }
    calls
}

/// How many calls of one thread make a batch.
fn batch_of_threads(subject: &Shared) -> u64 {
    let mut calls = 1_000;
    while (subject.time_of)(1, calls) < BATCH_OF_THREADS / 2 {
        calls *= 2;
    }
    calls
}

fn best(known: &mut Option<f64>, seen: f64) {
    *known = Some(known.map_or(seen, |known| known.min(seen)));
}
