//! Which pages say what the product costs, be the price fresh or remembered.

use std::collections::HashSet;

use serde::Serialize;

use crate::{faults::Script, figures::ratio, load::Arrival, measure::Answer, shop::Upstream};

/// The pages with the price of the product that was asked for.
#[derive(Debug, Serialize)]
pub(crate) struct Priced {
    pub(crate) pages: usize,
    /// The part of the requests that were due while pricing failed; those that got no page are
    /// among them. None if none were due then.
    pub(crate) while_pricing_failed: Option<f64>,
}

impl Priced {
    /// Of these answers to the requests of `schedule`; pricing failed as in `script`.
    pub(crate) fn of(schedule: &[Arrival], answers: &[Option<Answer>], script: &Script) -> Self {
        let is_priced = |answer: &Option<Answer>| answer.is_some_and(|answer| answer.priced);
        let (mut due, mut priced) = (0, 0);
        for (arrival, answer) in schedule.iter().zip(answers) {
            if script.fails(Upstream::Pricing, arrival.at) {
                due += 1;
                priced += u64::from(is_priced(answer));
            }
        }
        Self {
            pages: answers.iter().filter(|answer| is_priced(answer)).count(),
            while_pricing_failed: (due > 0).then(|| ratio(priced, due)),
        }
    }
}

/// The part of the requests in the outage whose product somebody looked at before it: more of them
/// can not be answered with a price that was remembered.
pub(crate) fn looked_at_before(schedule: &[Arrival], script: &Script) -> f64 {
    let Some(first) = script.of_upstream(Upstream::Pricing).next() else { return 0.0 };
    let fails = |arrival: &&Arrival| script.fails(Upstream::Pricing, arrival.at);
    let before = schedule.iter().take_while(|arrival| arrival.at < first.from);
    let known: HashSet<_> = before.map(|arrival| arrival.product).collect();
    let (mut due, mut known_due) = (0, 0);
    for arrival in schedule.iter().filter(fails) {
        due += 1;
        known_due += u64::from(known.contains(&arrival.product));
    }
    ratio(known_due, due)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use buttress::{
        chaos::{Step, Timeline},
        prelude::Faults,
    };

    use super::*;
    use crate::measure::Outcome;

    /// From the second to the sixth second.
    fn outage() -> Script {
        let all = Faults::none().errors(1.0).unwrap();
        let step = Step::new(Duration::from_secs(2), all).lasting(Duration::from_secs(4)).unwrap();
        Script::new(Timeline::new(), Timeline::new().step(step.on("pricing").unwrap()))
    }

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
        let priced = Priced::of(&schedule(&[1; 7]), &answers, &outage());
        assert_eq!(priced.pages, 3, "of the whole run");
        assert_eq!(priced.while_pricing_failed, Some(0.5));
        let well = Script::new(Timeline::new(), Timeline::new());
        let priced = Priced::of(&schedule(&[1; 7]), &answers, &well);
        assert_eq!(priced.while_pricing_failed, None, "pricing has not failed");
    }

    #[test]
    fn only_what_was_looked_at_before_the_outage_can_be_remembered() {
        let part = looked_at_before(&schedule(&[1, 2, 1, 2, 3, 3, 3]), &outage());
        assert!((part - 0.5).abs() < f64::EPSILON, "{part}");
        assert!(looked_at_before(&[], &outage()).abs() < f64::EPSILON);
    }
}
