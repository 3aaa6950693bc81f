//! Whether calls pass a layer as if it were not there.

mod http;
mod story;

pub use http::http_differs;

use buttress_core::BoxError;
use tower_service::Service;

use self::story::{Story, first_difference};
use crate::Probe;

/// The first difference that a layer around a plain service makes to any of many calls; none if they
/// pass as if it were not there.
///
/// The calls are drawn at random: they go well, fail, hang, panic, find the service not ready, are late
/// or are given up. What is compared is the answer, the error or the panic, when it comes, what deadline
/// the inner service sees, and how often that was called, dropped, or left reserved. The clock must be
/// paused.
pub async fn plain_differs<S>(wrap: impl Fn(Probe<u64, u64>) -> S) -> Option<String>
where
    S: Service<u64, Response = u64, Error = BoxError> + Clone + 'static,
{
    for story in Story::all() {
        let probe = || {
            let turns = story.clone();
            Probe::new(move |n: u64| turns.reply(n, "a number", move |_| n))
        };
        let read = async |answer: u64| answer.to_string();
        let (bare, handle) = probe();
        let without = story.play(bare, &handle, |n, _| n, read).await;
        let (inner, handle) = probe();
        let with = story.play(wrap(inner), &handle, |n, _| n, read).await;
        if let Some(difference) = first_difference(&without, &with) {
            return Some(difference);
        }
    }
    None
}
