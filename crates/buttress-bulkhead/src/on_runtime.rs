//! Calls that run on a runtime of their own.

use std::{
    fmt,
    future::poll_fn,
    mem,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use buttress_core::{BoxError, Deadline, ReadyCall};
use pin_project::pin_project;
use tokio::task::JoinHandle;
use tower_service::Service;

use crate::{
    BulkheadHandle, InPlace, Permit,
    runner::{Runner, Runs, Sealed},
};

/// Calls run on the runtime of their compartment, if it has one, and else in place.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct OnRuntime;

/// A call that may run on another runtime.
#[pin_project]
pub struct RunOnRuntime<S: Service<Req>, Req> {
    #[pin]
    place: Place<S, Req>,
}

#[pin_project(project = PlaceProj)]
enum Place<S: Service<Req>, Req> {
    Here(#[pin] ReadyCall<S, Req>),
    Elsewhere(Elsewhere<S::Response>),
}

/// A call that runs as a task; dropped, it is aborted.
///
/// The task has the permit: aborted, it gives it back when it has really ended, which is not before it
/// next yields.
struct Elsewhere<Res> {
    task: JoinHandle<(Result<Res, BoxError>, Permit)>,
    // For what is to be said of a call that is lost.
    bulkhead: BulkheadHandle,
}

impl Sealed for OnRuntime {}

impl<S: Service<Req>, Req> Runs<S, Req> for OnRuntime {
    type Run = RunOnRuntime<S, Req>;
}

// Or the compiler would name what the implementation lacks, and not what to do about it.
#[diagnostic::do_not_recommend]
impl<S, Req> Runner<S, Req> for OnRuntime
where
    S: Service<Req> + Clone + Send + 'static,
    S::Response: Send + 'static,
    S::Error: Into<BoxError> + Send,
    S::Future: Send + 'static,
    Req: Send + 'static,
{
    fn start(&self, service: &mut S, request: Req, permit: &mut Permit) -> Self::Run {
        let of = |of: &BulkheadHandle| Some((of.shared().runtime()?.clone(), of.clone()));
        let Some((runtime, bulkhead)) = permit.bulkhead().and_then(of) else {
            let place = Place::Here(InPlace.start(service, request, permit));
            return RunOnRuntime { place };
        };
        // The instance itself, for it may have claimed something in `poll_ready`.
        let fresh = service.clone();
        let service = mem::replace(service, fresh);
        let task = Task { service, request, permit: permit.take() };
        let task = runtime.spawn(Deadline::scoped(Deadline::current(), task.run()));
        RunOnRuntime { place: Place::Elsewhere(Elsewhere { task, bulkhead }) }
    }

    fn poll(
        run: Pin<&mut Self::Run>,
        cx: &mut Context<'_>,
        permit: &mut Permit,
    ) -> Poll<Result<S::Response, BoxError>> {
        match run.project().place.project() {
            PlaceProj::Here(call) => InPlace::poll(call, cx, permit),
            PlaceProj::Elsewhere(call) => {
                Poll::Ready(match ready!(Pin::new(&mut call.task).poll(cx)) {
                    Ok((answer, back)) => {
                        *permit = back;
                        answer
                    }
                    Err(lost) => Err(call.bulkhead.shared().reject_as_lost(lost).into()),
                })
            }
        }
    }
}

/// What a task is given. Dropped in this order, also if it never begins: the place is given back when
/// nothing of the call is left.
struct Task<S, Req> {
    service: S,
    request: Req,
    permit: Permit,
}

impl<S, Req> Task<S, Req>
where
    S: Service<Req> + Clone,
    S::Error: Into<BoxError>,
{
    async fn run(self) -> (Result<S::Response, BoxError>, Permit) {
        // Bound in this order, to be dropped in the other.
        let Self { mut permit, mut service, request } = self;
        permit.begin();
        let mut call = pin!(permit.watch(|| ReadyCall::start(&mut service, request)));
        let answer = poll_fn(|cx| permit.watch(|| call.as_mut().poll(cx))).await;
        (answer.map_err(Into::into), permit)
    }
}

impl<Res> Drop for Elsewhere<Res> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<S: Service<Req>, Req> fmt::Debug for RunOnRuntime<S, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunOnRuntime").finish_non_exhaustive()
    }
}
