//! Calls that are to run on another runtime, and can not be sent there.

// says: `OnRuntime` can not run calls of
// says: run calls of services that are `Clone + Send + 'static`

use std::{convert::Infallible, rc::Rc};

use buttress::{core::check_service, prelude::*};
use tower::{ServiceBuilder, service_fn};

fn on(
    layer: BulkheadLayer<Plain, buttress::bulkhead::OneCompartment, buttress::bulkhead::OnRuntime>,
) {
    let service = ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(async |_: Rc<()>| Ok::<_, Infallible>(())));
    check_service::<Rc<()>>(&service);
}

fn main() {
    let _ = on;
}
