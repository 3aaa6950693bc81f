//! Layers around a service that can not be cloned.

// says: the trait bound `Connection: Clone` is not satisfied
// says: required for `Breaker<Connection>` to implement `Service<()>`

use std::{
    convert::Infallible,
    future::Ready,
    task::{Context, Poll},
};

use buttress::{core::check_service, prelude::*};
use tower::{Service, ServiceBuilder};

struct Connection;

impl Service<()> for Connection {
    type Response = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: ()) -> Self::Future {
        std::future::ready(Ok(()))
    }
}

fn main() {
    let service = ServiceBuilder::new().layer(BreakerLayer::new()).service(Connection);
    check_service::<()>(&service);
    let service =
        ServiceBuilder::new().layer(JitteredRetryLayer::new(3).unwrap()).service(Connection);
    check_service::<()>(&service);
}
