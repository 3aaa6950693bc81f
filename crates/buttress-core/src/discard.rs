//! How a response is got rid of that nobody wants.

use std::future::Ready;

use crate::Plain;

/// Gets rid of a response that another attempt is to replace.
///
/// To drop it is right for most. Under HTTP/1 it closes the connection if the body was not read to
/// its end, so there a short rest is worth reading.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot get rid of a response of type `{Res}`",
    note = "choose the protocol with the builder's `.protocol(…)`: `Plain` for ordinary values, \
            `Http` of buttress-http for `http::Response`"
)]
pub trait Discard<Res> {
    /// Reads what is left.
    type Discarding: Future<Output = ()>;

    /// Drops the response at once and gives `None`, or else what reads its rest.
    ///
    /// It is polled during the wait for the next attempt, and dropped at the end of that at the
    /// latest; it bounds itself how much it reads and how long that takes, for until it is over
    /// the response holds what it held.
    fn discard(&self, response: Res) -> Option<Self::Discarding>;
}

impl<Res> Discard<Res> for Plain {
    type Discarding = Ready<()>;

    fn discard(&self, _response: Res) -> Option<Ready<()>> {
        None
    }
}
