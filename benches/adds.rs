//! The service behind the breakers.

use std::{
    error::Error,
    fmt,
    future::{Ready, ready},
    task::{Context, Poll},
};

use tower::Service;

/// The request that fails.
pub(crate) const FAILS: u64 = 0;

/// The least a service can be that can also fail.
///
/// One that can not, as that of the happy path, lets the compiler leave out what judges errors.
#[derive(Clone)]
pub(crate) struct Adds;

#[derive(Debug)]
pub(crate) struct Down;

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("down")
    }
}

impl Error for Down {}

impl Service<u64> for Adds {
    type Response = u64;
    type Error = Down;
    type Future = Ready<Result<u64, Down>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Down>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, n: u64) -> Self::Future {
        ready(if n == FAILS { Err(Down) } else { Ok(n + 1) })
    }
}
