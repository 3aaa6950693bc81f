//! What is measured, row by row.

mod at_once;
mod happy;
pub mod http;
pub mod keyed;
mod pending;
mod refused;
mod shared;
mod sizes;
mod timed_out;

use tower::Service;

pub use self::{
    shared::{Shared, shared},
    sizes::sizes,
};
use crate::{call::answer, results::Who, subject::Subjects};

/// All that is measured by the call, built and warm. Wants a runtime to be entered: some libraries make
/// their timers in any case, and seatbelt's clock is driven by one.
pub fn all() -> Subjects {
    let mut subjects = Subjects::default();
    happy::add(&mut subjects);
    refused::add(&mut subjects);
    timed_out::add(&mut subjects);
    pending::add(&mut subjects);
    keyed::add(&mut subjects);
    http::add(&mut subjects);
    subjects
}

impl Subjects {
    /// Adds a service whose calls all give this answer, and reach the inner one as often.
    fn add_service<S>(&mut self, row: &str, who: Who, mut service: S, expected: Expected)
    where
        S: Service<u64, Response = u64> + 'static,
    {
        let Expected { sent, answer: expected, reaches } = expected;
        let call = move || answer(&mut service, std::hint::black_box(sent)) == expected;
        self.add(row, who, reaches, call);
    }
}

/// What is sent, and what has to come of it.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// The request.
    pub sent: u64,
    /// The response, if there is to be one.
    pub answer: Option<u64>,
    /// How often the inner service does its work.
    pub reaches: u64,
}

/// Goes well.
pub const SERVED: Expected = Expected { sent: 1, answer: Some(2), reaches: 1 };

/// Does not get to the inner service.
pub const REFUSED: Expected = Expected { sent: 1, answer: None, reaches: 0 };

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tokio::runtime::Builder;

    use super::*;
    use crate::{end_to_end, goals::GOALS};

    /// To build them is to call each: they panic if a call ends otherwise than it has to.
    #[test]
    fn every_goal_is_for_a_row_of_ours() {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let _entered = runtime.enter();
        let all = all().all;
        let calls = all.iter().map(|subject| (subject.row.as_str(), subject.who));
        let shared = shared();
        let shared = shared.iter().map(|subject| (subject.row, subject.who));
        let sizes = sizes().into_iter().map(|(row, who, _)| (row, who));
        let rows: BTreeSet<_> =
            calls.chain(shared).chain(sizes).chain([(end_to_end::ROW, Who::Buttress)]).collect();
        for goal in GOALS {
            assert!(rows.contains(&(goal.row, Who::Buttress)), "{goal:?}");
        }
    }

    #[test]
    #[should_panic(expected = "how often the inner service did its work")]
    fn a_subject_that_does_not_do_the_work_is_found_out() {
        Subjects::default().add("lazy", Who::Buttress, 1, || true);
    }

    #[test]
    #[should_panic(expected = "ended otherwise than it had to")]
    fn a_subject_that_answers_wrong_is_found_out() {
        let wrong = Expected { answer: Some(3), ..SERVED };
        Subjects::default().add_service("wrong", Who::Bare, crate::inner::Adds, wrong);
    }

    #[test]
    #[should_panic(expected = "how often the inner service did its work")]
    fn a_refusal_that_lets_the_call_through_is_found_out() {
        let refused = Expected { reaches: 0, ..SERVED };
        Subjects::default().add_service("open", Who::Bare, crate::inner::Adds, refused);
    }
}
