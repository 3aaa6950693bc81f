//! What is measured: a way to make one call, and what has to be true of it.

use std::{fmt, time::Duration};

use tokio::time::Instant;

use crate::{inner::reached, results::Who};

/// A row's entry of one library, built and warm.
pub struct Subject {
    /// The row of the table.
    pub row: String,
    /// Whose it is.
    pub who: Who,
    /// Makes so many calls, says what they took, and panics if one ended otherwise than it had to, or if the
    /// work was not done.
    pub calls: Box<dyn FnMut(u64) -> Duration>,
    /// How many calls make a batch, where a shorter one would say something else.
    pub batch: Option<u64>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("row", &self.row)
            .field("who", &self.who)
            .finish_non_exhaustive()
    }
}

/// All that is measured in one run.
#[derive(Debug, Default)]
pub struct Subjects {
    /// One after another, as the rows are to stand.
    pub all: Vec<Subject>,
}

impl Subjects {
    /// Adds one whose `call` says whether it ended as it had to, and reaches the inner service so many
    /// times.
    pub fn add<F>(&mut self, row: impl Into<String>, who: Who, reaches: u64, mut call: F)
    where
        F: FnMut() -> bool + 'static,
    {
        let row = row.into();
        let told = format!("{row}, {who:?}");
        // A loop for each type, so that nothing is called through a pointer but the loop.
        let mut calls = move |calls: u64| {
            let before = reached();
            let start = Instant::now();
            for _ in 0..calls {
                assert!(call(), "{told}: a call ended otherwise than it had to");
            }
            let took = start.elapsed();
            let done = reached() - before;
            assert_eq!(done, calls * reaches, "{told}: how often the inner service did its work");
            took
        };
        // What is made once per thread or per process does not belong to a call.
        calls(10);
        self.all.push(Subject { row, who, calls: Box::new(calls), batch: None });
    }

    /// The one that was added last is only measured by so many calls at once, or more.
    pub fn in_batches_of(&mut self, calls: u64) {
        self.all.last_mut().expect("one was added").batch = Some(calls);
    }

    /// Adds one that makes its calls all at once, and times them itself.
    pub fn add_batches<F>(&mut self, row: &str, who: Who, batch: u64, mut calls: F)
    where
        F: FnMut(u64) -> Duration + 'static,
    {
        calls(10);
        let calls = Box::new(calls);
        self.all.push(Subject { row: row.to_owned(), who, calls, batch: Some(batch) });
    }
}
