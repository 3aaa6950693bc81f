//! What is measured of one gateway while the traffic runs.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{page::Page, parts::Parts, shop::Upstream};

/// A call that ends without the real answer within this time ended fast: nobody was waited for.
const FAST: Duration = Duration::from_millis(10);

/// What came of a page, as the visitor sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All parts are the real thing.
    Full,
    /// Something stands in for at least one of them.
    Degraded,
    /// No page: another status than 200, or no answer that can be read.
    Failed,
}

/// The answer to one request for a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    /// Whether the page says what the product costs that was asked for.
    pub(crate) priced: bool,
    /// From the moment at which the request was due to the end of the answer.
    pub(crate) latency: Duration,
}

/// How many pages of each outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) full: u64,
    pub(crate) degraded: u64,
    pub(crate) failed: u64,
}

/// Calls to upstreams that pages wanted, and those that were sent for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    pub(crate) wanted: u64,
    pub(crate) sent: u64,
}

/// Measures one gateway.
#[derive(Debug)]
pub(crate) struct Meter {
    wanted: AtomicU64,
    sent: AtomicU64,
    /// The calls until the first fault began, and those until the last one was over.
    marks: Mutex<[Calls; 2]>,
    faults: [Mutex<FirstFast>; 6],
    pages: Mutex<Pages>,
}

#[derive(Debug)]
struct Pages {
    /// By the number of the request; none as long as there is no answer.
    answers: Vec<Option<Answer>>,
    tally: Tally,
    parts: Parts,
}

/// How soon after the beginning of a fault a call failed fast.
#[derive(Debug, Clone, Copy, Default)]
struct FirstFast {
    began: Option<Instant>,
    after: Option<Duration>,
}

impl Meter {
    /// For so many pages.
    pub(crate) fn new(pages: usize) -> Self {
        Self {
            wanted: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            marks: Mutex::default(),
            faults: Default::default(),
            pages: Mutex::new(Pages {
                answers: vec![None; pages],
                tally: Tally::default(),
                parts: Parts::default(),
            }),
        }
    }

    /// A page wants a call to an upstream.
    pub(crate) fn wanted(&self) {
        self.wanted.fetch_add(1, Ordering::Relaxed);
    }

    /// A request is sent to an upstream, or was to be and the connection is refused.
    pub(crate) fn sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    fn calls(&self) -> Calls {
        let wanted = self.wanted.load(Ordering::Relaxed);
        Calls { wanted, sent: self.sent.load(Ordering::Relaxed) }
    }

    /// The first of the faults begins now.
    pub(crate) fn faults_begin(&self) {
        *lock(&self.marks) = [self.calls(); 2];
    }

    /// The last of the faults is over now.
    pub(crate) fn faults_are_over(&self) {
        lock(&self.marks)[1] = self.calls();
    }

    /// The calls, to all upstreams, from the beginning of the first fault to the end of the last.
    pub(crate) fn calls_during_faults(&self) -> Calls {
        let [begin, end] = *lock(&self.marks);
        Calls { wanted: end.wanted - begin.wanted, sent: end.sent - begin.sent }
    }

    /// An upstream begins to fail.
    pub(crate) fn fault_began(&self, upstream: Upstream, now: Instant) {
        *lock(&self.faults[upstream as usize]) = FirstFast { began: Some(now), after: None };
    }

    /// A call that a page wanted has ended, with the real answer or without.
    pub(crate) fn ended(&self, upstream: Upstream, start: Instant, end: Instant, full: bool) {
        if !full {
            lock(&self.faults[upstream as usize]).failed(start, end);
        }
    }

    /// The time from the beginning of the upstream's fault to the end of the first call that
    /// began after it, and ended without the real answer within 10 ms.
    pub(crate) fn first_fast_failure(&self, upstream: Upstream) -> Option<Duration> {
        lock(&self.faults[upstream as usize]).after
    }

    /// The request of this number, for this product, is answered, with this page or with none.
    pub(crate) fn answered(
        &self,
        request: usize,
        product: &str,
        latency: Duration,
        page: Option<&Page>,
    ) {
        let answer = Answer::of(page, product, latency);
        let mut pages = lock(&self.pages);
        if let Some(page) = page {
            pages.parts.count(page);
        }
        pages.answers[request] = Some(answer);
        match answer.outcome {
            Outcome::Full => pages.tally.full += 1,
            Outcome::Degraded => pages.tally.degraded += 1,
            Outcome::Failed => pages.tally.failed += 1,
        }
    }

    /// All answers so far, by the number of the request.
    pub(crate) fn answers(&self) -> Vec<Option<Answer>> {
        lock(&self.pages).answers.clone()
    }

    /// Who served the parts of all pages so far.
    pub(crate) fn parts(&self) -> Parts {
        lock(&self.pages).parts.clone()
    }

    pub(crate) fn tally(&self) -> Tally {
        lock(&self.pages).tally
    }
}

impl Answer {
    fn of(page: Option<&Page>, product: &str, latency: Duration) -> Self {
        let outcome = match page {
            Some(page) if page.is_full() => Outcome::Full,
            Some(_) => Outcome::Degraded,
            None => Outcome::Failed,
        };
        Self { outcome, priced: page.is_some_and(|page| page.has_price_of(product)), latency }
    }
}

impl FirstFast {
    fn failed(&mut self, start: Instant, end: Instant) {
        let Some(began) = self.began else { return };
        if self.after.is_none() && start >= began && end - start <= FAST {
            self.after = Some(end - began);
        }
    }
}

impl Tally {
    /// How many a second since `earlier`, which was `seconds` ago.
    pub(crate) fn per_second(self, earlier: Self, seconds: f64) -> Self {
        // Counts of pages: neither negative nor beyond what fits.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let rate = |now: u64, then: u64| ((now - then) as f64 / seconds).round() as u64;
        Self {
            full: rate(self.full, earlier.full),
            degraded: rate(self.degraded, earlier.degraded),
            failed: rate(self.failed, earlier.failed),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_fast_failure_is_one_that_began_in_the_fault_and_waited_for_nobody() {
        let began = Instant::now() + Duration::from_secs(1);
        let mut first = FirstFast::default();
        first.failed(began, began + MS);
        assert_eq!(first.after, None, "there is no fault yet");

        first.began = Some(began);
        first.failed(began - MS, began + MS);
        assert_eq!(first.after, None, "it began before the fault");
        first.failed(began + MS, began + 250 * MS);
        assert_eq!(first.after, None, "it waited");
        first.failed(began + 251 * MS, began + 252 * MS);
        assert_eq!(first.after, Some(252 * MS));
        first.failed(began + 253 * MS, began + 254 * MS);
        assert_eq!(first.after, Some(252 * MS), "the first one counts");
    }

    #[test]
    fn successes_are_no_failures_however_fast() {
        let meter = Meter::new(0);
        let now = Instant::now();
        meter.fault_began(Upstream::Search, now);
        meter.ended(Upstream::Search, now, now + MS, true);
        meter.ended(Upstream::Images, now, now + MS, false);
        assert_eq!(meter.first_fast_failure(Upstream::Search), None);
        meter.ended(Upstream::Search, now, now + 2 * MS, false);
        assert_eq!(meter.first_fast_failure(Upstream::Search), Some(2 * MS));
        assert_eq!(meter.first_fast_failure(Upstream::Images), None, "it had no fault");
    }

    #[test]
    fn only_calls_during_the_faults_count_for_the_amplification() {
        let meter = Meter::new(0);
        let call = |sent: u64| {
            meter.wanted();
            (0..sent).for_each(|_| meter.sent());
        };
        call(1);
        meter.faults_begin();
        call(3);
        call(0);
        meter.faults_are_over();
        call(1);
        assert_eq!(meter.calls_during_faults(), Calls { wanted: 2, sent: 3 });
    }
}
