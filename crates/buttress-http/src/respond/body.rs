//! The body of a response, or of what stands in its place.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use buttress_core::BoxError;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::Full;
use pin_project::pin_project;

use super::{answers::Answers, grpc_status::GrpcStatus};

/// The body of a response of [`Respond`](super::Respond).
///
/// It is the body of the inner response, whose frames, `size_hint` and `is_end_stream` it has; or
/// the text of a response that stands for an error. A body that breaks off gives one error and
/// then nothing; under gRPC it gives trailers with the status instead of the error, and promises
/// no length.
#[pin_project]
pub struct Body<B> {
    #[pin]
    state: State<B>,
}

#[pin_project(project = StateProj)]
enum State<B> {
    Plain {
        #[pin]
        body: B,
    },
    Grpc {
        #[pin]
        body: B,
        answers: Answers,
    },
    Text(Full<Bytes>),
    Over,
}

impl<B> Body<B> {
    /// The body of the inner response; under gRPC its errors become trailers.
    pub(super) fn inner(body: B, grpc: Option<Answers>) -> Self {
        Self {
            state: match grpc {
                Some(answers) => State::Grpc { body, answers },
                None => State::Plain { body },
            },
        }
    }

    /// A text that stands for an error.
    pub(super) fn text(text: Full<Bytes>) -> Self {
        Self { state: State::Text(text) }
    }

    /// Nothing.
    pub(super) fn empty() -> Self {
        Self { state: State::Over }
    }
}

impl<B> http_body::Body for Body<B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut state = self.project().state;
        let frame = match state.as_mut().project() {
            StateProj::Plain { body } => {
                let frame = ready!(body.poll_frame(cx));
                if matches!(frame, Some(Err(_))) {
                    state.set(State::Over);
                }
                frame.map(|frame| frame.map_err(Into::into))
            }
            StateProj::Grpc { body, answers } => match ready!(body.poll_frame(cx)) {
                Some(Ok(frame)) => {
                    // An error that comes after the trailers comes too late to be said.
                    if frame.is_trailers() {
                        state.set(State::Over);
                    }
                    Some(Ok(frame))
                }
                Some(Err(error)) => {
                    let error: BoxError = error.into();
                    let trailers = GrpcStatus::of(error.as_ref(), answers).trailers();
                    state.set(State::Over);
                    Some(Ok(Frame::trailers(trailers)))
                }
                None => None,
            },
            StateProj::Text(text) => {
                return Pin::new(text).poll_frame(cx).map_err(|never| match never {});
            }
            StateProj::Over => None,
        };
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Plain { body } | State::Grpc { body, .. } => body.is_end_stream(),
            State::Text(text) => text.is_end_stream(),
            State::Over => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            // An exact one would become a `Content-Length`, and trailers that stand in for the
            // rest of the body would break that promise.
            State::Grpc { body, .. } if !body.is_end_stream() => SizeHint::default(),
            State::Plain { body } | State::Grpc { body, .. } => body.size_hint(),
            State::Text(text) => text.size_hint(),
            State::Over => SizeHint::with_exact(0),
        }
    }
}

impl<B> fmt::Debug for Body<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Plain { .. } => "plain",
            State::Grpc { .. } => "grpc",
            State::Text(_) => "text",
            State::Over => "over",
        };
        f.debug_struct("Body").field("state", &state).finish_non_exhaustive()
    }
}
