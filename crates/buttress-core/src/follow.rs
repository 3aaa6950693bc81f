//! When a response is over.

use std::{
    error::Error,
    task::{Context, Poll},
};

use crate::{BoxError, Deadline, Judgement, Outcome};

/// Follows a response to its end.
///
/// A plain value is over when it is returned. An HTTP response is over when its body ends, fails
/// or is dropped: until then a permit is held, a clock runs and a verdict is open. A layer hands
/// the response and a [`Follower`] to its protocol, and the protocol tells the follower.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot follow a response of type `{Res}` to its end",
    note = "choose the protocol with the builder's `.protocol(…)`: `Plain` for ordinary values, \
            `Http` of buttress-http for `http::Response`"
)]
pub trait Follow<Res> {
    /// The response with a follower attached; for plain values the value itself.
    type Response<F: Follower>;

    /// Attaches `follower` to `response`.
    fn follow<F: Follower>(&self, response: Res, follower: F) -> Self::Response<F>;

    /// What the end of this response says, if it is over already, so that a layer need hand nothing
    /// on to its follower. Default: it is not known to be over.
    fn over(&self, _response: &Res) -> Option<Outcome> {
        None
    }

    /// Whether how long this response takes is known with its head: whatever comes after, such as a
    /// stream that stays open, takes as long as it may. Default: no, it takes until it is over.
    ///
    /// Asked by layers that look at how long calls take, and do not bound it: a breaker that counts
    /// slow calls, a limit that learns. They still learn of the call at its end.
    fn timed_to_head(&self, _response: &Res) -> bool {
        false
    }
}

/// Is told once how a response ended.
///
/// One that is dropped without having been told was abandoned: the response, or the future that
/// was to give it, was dropped. Implement `Drop` to act on it.
pub trait Follower {
    /// Ends the response from outside, with this error; for instance because a timer fired.
    ///
    /// Polled after the response itself, where that has nothing. After it was ready it is not
    /// polled again.
    fn poll_cut(&mut self, _cx: &mut Context<'_>) -> Poll<BoxError> {
        Poll::Pending
    }

    /// Is told that a part of the response has come which is not its last, and may end it with an
    /// error: the part wins, and the error follows. After an error it is not told again.
    ///
    /// A response that always has a part ready is never found by [`poll_cut`](Self::poll_cut).
    fn part(&mut self) -> Option<BoxError> {
        None
    }

    /// The ambient deadline under which the response is polled and dropped; `None` leaves the
    /// one that is there.
    ///
    /// Once the follower has ended the response, a deadline that has passed, so that what is
    /// inside knows itself to be cut, and not abandoned by its reader.
    fn deadline(&self) -> Option<Deadline> {
        None
    }

    /// Whether it ends the response itself when that deadline passes, in
    /// [`poll_cut`](Self::poll_cut) and in [`part`](Self::part): what is inside then leaves it to
    /// this one, as by [`Deadline::enforce`]. Default: no.
    fn enforces(&self) -> bool {
        false
    }

    /// The response ended by itself or was cut.
    fn ended(self, end: End<'_>);
}

/// How a response ended.
#[derive(Debug, Clone, Copy)]
pub enum End<'a> {
    /// It came to its end, and this is what the end says: under gRPC the trailers, under plain
    /// HTTP always success.
    Complete(Judgement),
    /// It broke off with this error.
    Failed(&'a (dyn Error + 'static)),
}
