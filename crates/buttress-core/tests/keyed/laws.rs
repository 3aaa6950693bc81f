//! The map against a naive one that looks at every entry.

use std::sync::Arc;

use proptest::prelude::*;

use super::{State, States};

#[derive(Debug, Clone, Copy)]
enum Step {
    Get(usize),
    Ask(usize),
    Need(usize, bool),
    Hold(usize),
    LetGo,
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0..60_usize;
    prop_oneof![
        2 => key().prop_map(Step::Get),
        5 => key().prop_map(Step::Ask),
        2 => (key(), any::<bool>()).prop_map(|(key, needed)| Step::Need(key, needed)),
        1 => key().prop_map(Step::Hold),
        1 => Just(Step::LetGo),
    ]
}

/// What the naive map knows of one that is kept.
struct Known {
    key: usize,
    state: std::sync::Weak<State>,
    asked_for: bool,
    asked_for_since_last_insertion: bool,
}

impl Known {
    fn is_needed(&self) -> bool {
        self.state.strong_count() > 1
            || self.state.upgrade().is_some_and(|state| buttress_core::Keep::is_needed(&*state))
    }
}

#[derive(Default)]
struct Naive {
    kept: Vec<Known>,
    overflowed: u64,
}

impl Naive {
    fn ask(
        &mut self,
        states: &States<usize>,
        key: usize,
        known: Option<usize>,
    ) -> Result<Arc<State>, TestCaseError> {
        if let Some(at) = known {
            let state = states.try_get_or_insert_with(&key, |_key| Arc::default());
            let state = state.map_err(|_state| TestCaseError::fail("it is kept"))?;
            prop_assert_eq!(Arc::as_ptr(&state), self.kept[at].state.as_ptr());
            self.kept[at].asked_for = true;
            self.kept[at].asked_for_since_last_insertion = true;
            return Ok(state);
        }
        let full = self.kept.len() == states.max_keys();
        let needed: Vec<bool> = self.kept.iter().map(Known::is_needed).collect();
        let asked = states.try_get_or_insert_with(&key, |_key| Arc::default());
        let is_kept = asked.is_ok();
        let state = asked.unwrap_or_else(|not_kept| not_kept);
        let new = Known {
            key,
            state: Arc::downgrade(&state),
            asked_for: false,
            asked_for_since_last_insertion: false,
        };
        // Asking what is there would change what goes next; the entries do not.
        let mut there: Vec<usize> = states.entries().into_iter().map(|(key, _)| key).collect();
        there.sort_unstable();
        prop_assert_eq!(is_kept, there.contains(&key), "it is told");
        if full && needed.iter().all(|&needed| needed) {
            self.overflowed += 1;
            prop_assert!(!there.contains(&key), "refused, for all are needed");
        } else if full {
            let gone: Vec<usize> =
                (0..self.kept.len()).filter(|&at| !there.contains(&self.kept[at].key)).collect();
            prop_assert_eq!(gone.len(), 1, "one goes for one that comes");
            let gone = gone[0];
            prop_assert!(!needed[gone], "what is needed stays");
            let never =
                self.kept.iter().zip(&needed).any(|(known, &needed)| !needed && !known.asked_for);
            prop_assert!(
                !(never && self.kept[gone].asked_for_since_last_insertion),
                "asked for of late, but forgotten first"
            );
            self.kept.swap_remove(gone);
            self.kept.push(new);
        } else {
            self.kept.push(new);
        }
        self.kept.iter_mut().for_each(|known| known.asked_for_since_last_insertion = false);
        Ok(state)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Up to 64 keys the map looks at all of them, and so does exactly what the naive one does; which of
    /// those that may go does go is only bounded.
    #[test]
    fn a_small_map_is_as_a_naive_one(max_keys in 1..=64_usize, steps in prop::collection::vec(step(), 1..300)) {
        let states = States::new(max_keys).unwrap();
        let mut naive = Naive::default();
        let mut held = Vec::new();
        for step in steps {
            let known = |key| naive.kept.iter().position(|known| known.key == key);
            match step {
                Step::Get(key) => {
                    let at = known(key);
                    let found = states.get(&key);
                    prop_assert_eq!(found.is_some(), at.is_some());
                    if let (Some(state), Some(at)) = (found, at) {
                        prop_assert_eq!(Arc::as_ptr(&state), naive.kept[at].state.as_ptr());
                        naive.kept[at].asked_for = true;
                        naive.kept[at].asked_for_since_last_insertion = true;
                    }
                }
                Step::Ask(key) => drop(naive.ask(&states, key, known(key))?),
                Step::Hold(key) => held.push(naive.ask(&states, key, known(key))?),
                Step::LetGo => held.clear(),
                Step::Need(key, needed) => {
                    if let Some(at) = known(key) {
                        naive.kept[at].state.upgrade().unwrap().need(needed);
                    }
                }
            }
            prop_assert_eq!(states.len(), naive.kept.len());
            prop_assert!(states.len() <= max_keys);
            prop_assert_eq!(states.overflowed(), naive.overflowed);
        }
        let mut there: Vec<usize> = states.entries().into_iter().map(|(key, _)| key).collect();
        let mut kept: Vec<usize> = naive.kept.iter().map(|known| known.key).collect();
        there.sort_unstable();
        kept.sort_unstable();
        prop_assert_eq!(there, kept);
    }
}
