//! Which pages say what the product costs, be the price fresh or remembered.

use std::collections::HashSet;

use serde::Serialize;

use crate::{figures::ratio, load::Arrival, measure::Answer, timeline::Window};

/// The pages with the price of the product that was asked for.
#[derive(Debug, Serialize)]
pub(crate) struct Priced {
    pub(crate) pages: usize,
    /// The part of the requests that were due while pricing failed; those that got no page are
    /// among them.
    pub(crate) while_pricing_failed: f64,
}

impl Priced {
    /// Of these answers to the requests of `schedule`; pricing failed in this time.
    pub(crate) fn of(
        schedule: &[Arrival],
        answers: &[Option<Answer>],
        outage: Option<Window>,
    ) -> Self {
        let is_priced = |answer: &Option<Answer>| answer.is_some_and(|answer| answer.priced);
        let (mut due, mut priced) = (0, 0);
        for (arrival, answer) in schedule.iter().zip(answers) {
            if outage.is_some_and(|outage| outage.contains(arrival.at)) {
                due += 1;
                priced += u64::from(is_priced(answer));
            }
        }
        Self {
            pages: answers.iter().filter(|answer| is_priced(answer)).count(),
            while_pricing_failed: ratio(priced, due),
        }
    }
}

/// The part of the requests in the outage whose product somebody looked at before it: more of them
/// can not be answered with a price that was remembered.
pub(crate) fn looked_at_before(schedule: &[Arrival], outage: Option<Window>) -> f64 {
    let Some(outage) = outage else { return 0.0 };
    let before = schedule.iter().take_while(|arrival| arrival.at < outage.from);
    let known: HashSet<_> = before.map(|arrival| arrival.product).collect();
    let (mut due, mut known_due) = (0, 0);
    for arrival in schedule.iter().filter(|arrival| outage.contains(arrival.at)) {
        due += 1;
        known_due += u64::from(known.contains(&arrival.product));
    }
    ratio(known_due, due)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{measure::Outcome, shop::Upstream, timeline::Fault};

    const OUTAGE: Option<Window> = Some(Window {
        upstream: Upstream::Pricing,
        fault: Fault::Refuses,
        from: Duration::from_secs(2),
        to: Duration::from_secs(6),
    });

    /// Looks at one product each second.
    fn schedule(products: &[u32]) -> Vec<Arrival> {
        (0..)
            .zip(products)
            .map(|(at, &product)| Arrival::at(Duration::from_secs(at), product))
            .collect()
    }

    #[test]
    fn what_is_not_answered_with_a_price_counts_as_without() {
        let page =
            |priced| Some(Answer { outcome: Outcome::Degraded, priced, latency: Duration::ZERO });
        let [with, without] = [true, false].map(page);
        let answers = [without, with, with, without, None, with, without];
        let priced = Priced::of(&schedule(&[1; 7]), &answers, OUTAGE);
        assert_eq!(priced.pages, 3, "of the whole run");
        assert!((priced.while_pricing_failed - 0.5).abs() < f64::EPSILON, "{priced:?}");
    }

    #[test]
    fn only_what_was_looked_at_before_the_outage_can_be_remembered() {
        let part = looked_at_before(&schedule(&[1, 2, 1, 2, 3, 3, 3]), OUTAGE);
        assert!((part - 0.5).abs() < f64::EPSILON, "{part}");
        assert!(looked_at_before(&[], OUTAGE).abs() < f64::EPSILON);
    }
}
