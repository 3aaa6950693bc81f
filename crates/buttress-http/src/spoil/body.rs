//! A body that is damaged on its way.

use std::{
    fmt,
    mem::{replace, take},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use buttress_core::{BoxError, Break, Damage, Pace, Stall};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

/// How many pieces a second go by of a body that is slow: a frame that holds more is divided.
const PIECES: u64 = 20;

/// How far a slow body may lag behind and catch up: what timers lose by their being coarse.
const GRACE: Duration = Duration::from_millis(20);

/// How long a body waits before it breaks off. A server sends what it has, the head among it, when it
/// has to wait, and forgets it at an error; over HTTP/2 another task sends, and has to come round to it.
const LINGER: Duration = Duration::from_millis(5);

/// The body of a response that went through a chaos layer: as it was, or damaged.
///
/// As it was, frames, `size_hint` and `is_end_stream` are those of the body inside. A body that is to be
/// cut still promises what it promised, as one does whose connection is lost. A place counts as reached
/// when so many bytes have passed, also if nothing more would have come. It breaks off 5 ms later, so that a
/// server has sent what came before.
#[pin_project]
pub struct Spoiled<B> {
    // None where it is over.
    #[pin]
    body: Option<B>,
    // Boxed, for nearly all are spared.
    spoiling: Option<Box<Spoiling>>,
}

/// The damage that is still to come, and how far the body is.
struct Spoiling {
    breaks: Option<Break>,
    stalls: Option<Stall>,
    pace: Option<Pace>,
    trailers: Option<u16>,
    /// Whether the reader was given time to pass on what he has, before the body breaks off.
    lingered: bool,
    /// The bytes of data that the reader has.
    passed: u64,
    /// What comes next, and waits for its time.
    next: Option<Frame<Bytes>>,
    /// What is left of a frame that was divided, or of a body that is no other's.
    rest: Bytes,
    wait: Wait,
    /// When the pace allows what has passed.
    due: Option<Instant>,
}

enum Wait {
    None,
    Until(Pin<Box<Sleep>>),
    ForEver,
}

impl<B> Spoiled<B> {
    pub(super) fn spared(body: B) -> Self {
        Self { body: Some(body), spoiling: None }
    }

    pub(super) fn new(body: B, damage: Damage) -> Self {
        let spoiling = (!damage.is_none()).then(|| Box::new(Spoiling::new(damage)));
        Self { body: Some(body), spoiling }
    }

    /// One of these bytes alone.
    pub(super) fn whole(bytes: Bytes) -> Self {
        let rest = |bytes| Box::new(Spoiling { rest: bytes, ..Spoiling::new(Damage::default()) });
        Self { body: None, spoiling: (!bytes.is_empty()).then(|| rest(bytes)) }
    }
}

impl Spoiling {
    fn new(damage: Damage) -> Self {
        let Damage { breaks, stalls, pace, trailers, .. } = damage;
        Self {
            breaks,
            stalls,
            pace,
            trailers,
            lingered: false,
            passed: 0,
            next: None,
            rest: Bytes::new(),
            wait: Wait::None,
            due: None,
        }
    }

    fn poll_frame<B>(
        &mut self,
        mut body: Pin<&mut Option<B>>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        loop {
            ready!(self.wait.poll(cx));
            if let Some(frame) = self.next.take() {
                self.passed += frame.data_ref().map_or(0, |data| data.len() as u64);
                return Poll::Ready(Some(Ok(frame)));
            }
            if let Some(stall) = self.stalls.take_if(|stall| stall.after <= self.passed) {
                self.wait = Wait::of(stall.lasts, Instant::now());
                continue;
            }
            let is_at = |broken: &Break| broken.after <= self.passed;
            if self.breaks.as_ref().is_some_and(is_at) && !replace(&mut self.lingered, true) {
                self.wait = Wait::of(LINGER, Instant::now());
                continue;
            }
            if let Some(broken) = self.breaks.take_if(|broken| is_at(broken)) {
                body.set(None);
                self.end();
                return Poll::Ready(Some(Err(broken.error)));
            }
            let frame = if self.rest.is_empty() {
                match ready!(poll_inner(body.as_mut(), cx)) {
                    Some(Ok(frame)) => Some(frame),
                    Some(Err(error)) => {
                        self.end();
                        return Poll::Ready(Some(Err(error)));
                    }
                    None => None,
                }
            } else {
                Some(Frame::data(take(&mut self.rest)))
            };
            let Some(frame) = self.trailed(frame) else { return Poll::Ready(None) };
            let frame = self.divided(frame);
            self.wait = self.paced(&frame);
            self.next = Some(frame);
        }
    }

    /// Nothing comes any more.
    fn end(&mut self) {
        let damage = Damage::default();
        *self = Self { passed: self.passed, ..Self::new(damage) };
    }

    /// The frame, or the trailers that are to come in its place; None stands for the end.
    fn trailed(&mut self, frame: Option<Frame<Bytes>>) -> Option<Frame<Bytes>> {
        let mut trailers = match frame {
            Some(frame) => match frame.into_trailers() {
                Ok(trailers) => trailers,
                Err(data) => return Some(data),
            },
            None if self.trailers.is_none() => return None,
            None => HeaderMap::new(),
        };
        if let Some(code) = self.trailers.take() {
            super::say(&mut trailers, code);
        }
        Some(Frame::trailers(trailers))
    }

    /// As much of the frame as may pass at once; the rest is kept.
    fn divided(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        let mut data = match frame.into_data() {
            Ok(data) => data,
            Err(trailers) => return trailers,
        };
        let stall = self.stalls.map(|stall| stall.after);
        let places = [stall, self.breaks.as_ref().map(|broken| broken.after)];
        let to_place = places.into_iter().flatten().map(|place| place - self.passed).min();
        let piece = match self.pace {
            Some(Pace::BytesPerSecond(bytes)) => Some((bytes.get() / PIECES).max(1)),
            _ => None,
        };
        let most = to_place.into_iter().chain(piece).min().and_then(|most| most.try_into().ok());
        if let Some(most) = most.filter(|most| *most < data.len()) {
            self.rest = data.split_off(most);
        }
        Frame::data(data)
    }

    /// How long this frame has to wait.
    fn paced(&mut self, frame: &Frame<Bytes>) -> Wait {
        let now = Instant::now();
        match self.pace {
            Some(Pace::EachFrame(delay)) => Wait::of(delay, now),
            Some(Pace::BytesPerSecond(bytes)) => {
                let length = frame.data_ref().map_or(0, Bytes::len) as u128;
                let nanos = length * 1_000_000_000 / u128::from(bytes.get());
                let takes = Duration::from_nanos(nanos.try_into().unwrap_or(u64::MAX));
                let since =
                    self.due.map_or(now, |due| due.max(now.checked_sub(GRACE).unwrap_or(now)));
                let due = since + takes;
                self.due = Some(due);
                Wait::until(due, now)
            }
            _ => Wait::None,
        }
    }

    /// Whether there is more to come, whatever the body inside says.
    fn goes_on(&self) -> bool {
        let place = self.stalls.map(|stall| stall.after);
        let places = [place, self.breaks.as_ref().map(|broken| broken.after)];
        // What comes next is there only while it waits.
        !self.rest.is_empty()
            || self.trailers.is_some()
            || !matches!(self.wait, Wait::None)
            || places.into_iter().flatten().any(|place| place <= self.passed)
    }

    /// The bytes that were taken out of the body inside, and that the reader has not yet.
    fn held(&self) -> u64 {
        let next = self.next.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len);
        (next + self.rest.len()) as u64
    }
}

/// A frame of the body inside, which is let go of at its end.
fn poll_inner<B>(
    mut body: Pin<&mut Option<B>>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BoxError>>>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    let Some(inner) = body.as_mut().as_pin_mut() else { return Poll::Ready(None) };
    let frame = ready!(inner.poll_frame(cx));
    if frame.as_ref().is_none_or(Result::is_err) {
        body.set(None);
    }
    Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
}

impl Wait {
    /// `Duration::MAX`, and what is beyond all time, is for ever.
    fn of(lasts: Duration, now: Instant) -> Self {
        now.checked_add(lasts).map_or(Self::ForEver, |until| Self::until(until, now))
    }

    fn until(until: Instant, now: Instant) -> Self {
        if until > now { Self::Until(Box::pin(sleep_until(until))) } else { Self::None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::None => return Poll::Ready(()),
            Self::Until(timer) => ready!(timer.as_mut().poll(cx)),
            Self::ForEver => return Poll::Pending,
        }
        *self = Self::None;
        Poll::Ready(())
    }
}

impl<B> Body for Spoiled<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        match (this.spoiling, this.body) {
            (Some(spoiling), body) => spoiling.poll_frame(body, cx),
            // As it comes, also after its end.
            (None, body) => match body.as_pin_mut() {
                Some(body) => body.poll_frame(cx).map_err(Into::into),
                None => Poll::Ready(None),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        let over = self.body.as_ref().is_none_or(Body::is_end_stream);
        over && !self.spoiling.as_ref().is_some_and(|spoiling| spoiling.goes_on())
    }

    fn size_hint(&self) -> SizeHint {
        let inner = self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let Some(spoiling) = &self.spoiling else { return inner };
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(spoiling.held()));
        // Over HTTP/1 no trailers can follow what is of a known length.
        if spoiling.trailers.is_none()
            && let Some(upper) = inner.upper()
        {
            hint.set_upper(upper.saturating_add(spoiling.held()));
        }
        hint
    }
}

impl<B> fmt::Debug for Spoiled<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spoiled").field("spared", &self.spoiling.is_none()).finish_non_exhaustive()
    }
}
