//! recloser's breaker, which wraps futures and not services: it is given the service's own.

use std::pin::pin;

use recloser::{AsyncRecloser, Recloser};
use tower::Service;

use super::OPEN_FOR;
use crate::{
    call::{end_of, make_ready},
    inner::Adds,
};

/// By its rate over the last 100 calls: it counts none in a row.
pub fn breaker() -> impl FnMut(u64) -> Option<u64> + Clone + Send + 'static {
    let breaker = AsyncRecloser::from(Recloser::custom().open_wait(OPEN_FOR).build());
    move |n| {
        make_ready(&mut Adds);
        end_of(pin!(breaker.call(Adds.call(n)))).ok()
    }
}

/// `size_of` its future over one of eight bytes.
pub fn size_of_future() -> usize {
    let breaker = AsyncRecloser::from(Recloser::default());
    let eight = crate::inner::EightBytes.call(1);
    size_of_val(&breaker.call(eight))
}
