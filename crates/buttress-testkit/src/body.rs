//! An HTTP body that plays a script.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::BoxError;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// One step of a [`ScriptedBody`].
#[derive(Debug, Clone)]
pub enum BodyStep {
    /// A frame of data.
    Data(&'static str),
    /// A frame of trailers, one name and value.
    Trailers(&'static str, &'static str),
    /// Nothing, for this long.
    Wait(Duration),
    /// Nothing, ever.
    Hang,
    /// An error with this text.
    Error(&'static str),
    /// A panic.
    Panic,
}

/// A body that plays its steps in order and then ends.
///
/// `is_end_stream` is true once no step is left, and `size_hint` is exact as long as the script
/// has nothing but data in it.
#[derive(Debug)]
pub struct ScriptedBody {
    steps: VecDeque<BodyStep>,
    sleep: Option<Pin<Box<Sleep>>>,
    dropped: Arc<AtomicBool>,
    left: Arc<AtomicUsize>,
}

impl ScriptedBody {
    /// A body of these steps.
    pub fn new(steps: impl IntoIterator<Item = BodyStep>) -> Self {
        let steps: VecDeque<_> = steps.into_iter().collect();
        let left = Arc::new(AtomicUsize::new(steps.len()));
        Self { steps, sleep: None, dropped: Arc::new(AtomicBool::new(false)), left }
    }

    /// A flag that is set when the body is dropped.
    pub fn dropped(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.dropped)
    }

    /// How many steps were not played yet.
    pub fn left(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.left)
    }
}

// Needed where a layer must be able to make an empty body of this type.
impl Default for ScriptedBody {
    fn default() -> Self {
        Self::new([])
    }
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            if let Some(sleep) = self.sleep.as_mut() {
                if sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.sleep = None;
            }
            let Some(step) = self.steps.pop_front() else { return Poll::Ready(None) };
            self.left.fetch_sub(1, Ordering::SeqCst);
            let frame = match step {
                BodyStep::Data(text) => Ok(Frame::data(Bytes::from_static(text.as_bytes()))),
                BodyStep::Trailers(name, value) => {
                    let mut trailers = HeaderMap::new();
                    trailers.insert(name, value.parse().expect("a valid header value"));
                    Ok(Frame::trailers(trailers))
                }
                BodyStep::Wait(delay) => {
                    self.sleep = Some(Box::pin(sleep(delay)));
                    continue;
                }
                BodyStep::Hang => {
                    self.steps.push_front(BodyStep::Hang);
                    self.left.fetch_add(1, Ordering::SeqCst);
                    return Poll::Pending;
                }
                BodyStep::Error(text) => Err(text.into()),
                BodyStep::Panic => panic!("the body was told to panic"),
            };
            return Poll::Ready(Some(frame));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty() && self.sleep.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let mut total = 0;
        for step in &self.steps {
            match step {
                BodyStep::Data(text) => total += text.len() as u64,
                _ => return SizeHint::default(),
            }
        }
        SizeHint::with_exact(total)
    }
}

impl Drop for ScriptedBody {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::SeqCst);
    }
}
