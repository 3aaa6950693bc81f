//! What `poll_ready` says, where that is struck as well.

use std::{
    fmt,
    task::{Context, Poll, ready},
};

use buttress_core::BoxError;

use crate::{draw::Unready, pause::Pause, shared::Shared};

/// The question of one service whether it is ready: it is drawn for once, however often it is polled,
/// until there is an answer and the call that it was asked for.
#[derive(Default)]
pub(crate) struct Readiness(Question);

#[derive(Default)]
enum Question {
    #[default]
    Unasked,
    // Boxed, for most services never have one.
    Late(Box<Pause>),
    Answered,
}

impl Readiness {
    #[inline]
    pub(crate) fn poll(
        &mut self,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BoxError>> {
        if matches!(self.0, Question::Unasked) && !shared.switch.is_on() {
            self.0 = Question::Answered;
            return Poll::Ready(Ok(()));
        }
        self.poll_struck(shared, cx)
    }

    fn poll_struck(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        loop {
            match &mut self.0 {
                Question::Answered => return Poll::Ready(Ok(())),
                Question::Late(pause) => {
                    ready!(pause.poll(cx));
                    self.0 = Question::Answered;
                }
                Question::Unasked => match shared.draw_ready() {
                    None => self.0 = Question::Answered,
                    Some(Unready::Refused) => {
                        shared.tell("unready");
                        return Poll::Ready(Err(shared.error()));
                    }
                    Some(Unready::Late(delay)) => {
                        shared.tell("ready_late");
                        self.0 = Question::Late(Box::new(Pause::new(delay)));
                    }
                },
            }
        }
    }

    /// The call is made that was asked for.
    pub(crate) fn called(&mut self) {
        self.0 = Question::Unasked;
    }
}

// A clone has not been asked whether it is ready.
impl Clone for Readiness {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Question::Unasked => "Unasked",
            Question::Late(_) => "Late",
            Question::Answered => "Answered",
        })
    }
}
