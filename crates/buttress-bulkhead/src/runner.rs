//! Where calls run.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use buttress_core::{BoxError, ReadyCall};
use tower_service::Service;

use crate::Permit;

/// Says where the calls of a bulkhead run.
///
/// They run [in place](InPlace), or on a [runtime](crate::OnRuntime) of their own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can not run calls of `{S}` with requests of type `{Req}`",
    note = "on a runtime of their own, by `.on_runtime(…)`, run calls of services that are \
            `Clone + Send + 'static` with requests, responses and futures that are `Send + 'static`"
)]
pub trait Runner<S: Service<Req>, Req>: Runs<S, Req> {
    /// Calls the service. What runs elsewhere takes the permit with it.
    fn start(&self, service: &mut S, request: Req, permit: &mut Permit) -> Self::Run;

    /// Looks how far it is. With the answer the permit is back, unless the call is lost.
    fn poll(
        run: Pin<&mut Self::Run>,
        cx: &mut Context<'_>,
        permit: &mut Permit,
    ) -> Poll<Result<S::Response, BoxError>>;
}

/// What a call is where it runs. Asks nothing of errors.
pub trait Runs<S: Service<Req>, Req>: Sealed {
    /// A call that runs.
    type Run;
}

/// There are no other places, so nobody else is to implement it.
pub trait Sealed {}

/// Calls run where they are polled: the default.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct InPlace;

impl Sealed for InPlace {}

impl<S: Service<Req>, Req> Runs<S, Req> for InPlace {
    type Run = ReadyCall<S, Req>;
}

impl<S, Req> Runner<S, Req> for InPlace
where
    S: Service<Req> + Clone,
    S::Error: Into<BoxError>,
{
    #[inline]
    fn start(&self, service: &mut S, request: Req, permit: &mut Permit) -> Self::Run {
        permit.begin();
        permit.watch(|| ReadyCall::start(service, request))
    }

    #[inline]
    fn poll(
        run: Pin<&mut Self::Run>,
        cx: &mut Context<'_>,
        permit: &mut Permit,
    ) -> Poll<Result<S::Response, BoxError>> {
        permit.watch(|| run.poll(cx)).map_err(Into::into)
    }
}
