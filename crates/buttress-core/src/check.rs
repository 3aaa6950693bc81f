//! How the compiler is made to say why something is no service.

use tower_service::Service;

/// Does nothing, and has the compiler say why something is no service of requests of this type.
///
/// Where `oneshot` or `ready` of tower's `ServiceExt` is called on a stack that is no service, the
/// compiler says that its trait bounds are not satisfied, and not which of them: it does not look any
/// further than `Service<_>`. Told the type of the request it names the layer and what that lacks.
///
/// ```
/// # use tower_service::Service;
/// # use std::{convert::Infallible, future::Ready, task::{Context, Poll}};
/// # struct Stack;
/// # impl Service<u32> for Stack {
/// #     type Response = u32;
/// #     type Error = Infallible;
/// #     type Future = Ready<Result<u32, Infallible>>;
/// #     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> { Poll::Ready(Ok(())) }
/// #     fn call(&mut self, n: u32) -> Self::Future { std::future::ready(Ok(n)) }
/// # }
/// # let stack = Stack;
/// buttress_core::check_service::<u32>(&stack);
/// ```
pub fn check_service<Req>(_service: &impl Service<Req>) {}
