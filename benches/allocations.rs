//! What a call of each subject allocates, for the table.
//!
//! A program of its own: an allocator that counts takes longer, and those that allocate would pay for it.

use std::{error::Error, fs, path::Path};

use buttress_benches::{
    handover,
    results::{Allocations, Results},
    subjects,
};
use tokio::runtime::Builder;

/// Enough to see what is allocated once in many calls.
const CALLS: u64 = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let _entered = runtime.enter();
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(counted.count_total, 1, "the counter counts");
    let mut results = Results::default();
    for mut subject in subjects::all().all {
        let counted = allocation_counter::measure(|| {
            (subject.calls)(CALLS);
        });
        results.entry(&subject.row, subject.who).allocations = Some(Allocations {
            count: counted.count_total as f64 / CALLS as f64,
            bytes: counted.bytes_total as f64 / CALLS as f64,
        });
    }
    let text = handover::write(&results);
    print!("{text}");
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(handover::ALLOCATIONS), text)?;
    Ok(())
}
