//! Under tower's own balancers: who is open is passed over, and tried again when half-open.

use std::{fmt::Debug, time::Duration};

use buttress_breaker::{Breaker, BreakerHandle, BreakerLayer};
use buttress_core::{BoxError, CircuitState, Rejection};
use buttress_testkit::{Probe, ProbeHandle, Reply, assert_pending, assert_ready, task};
use tokio::time::advance;
use tower::{
    Layer, Service, ServiceExt, balance::p2c::Balance, discover::ServiceList, load::Constant,
    steer::Steer,
};

const OPEN_FOR: Duration = Duration::from_secs(30);

/// One place that a call can go to; `true` is to fail there.
struct Endpoint {
    service: Breaker<Probe<bool, ()>>,
    circuit: BreakerHandle,
    reached: ProbeHandle,
}

fn endpoint(readiness: bool) -> Endpoint {
    let builder = BreakerLayer::builder().consecutive_failures(1).open_for(OPEN_FOR);
    let layer = if readiness { builder.readiness() } else { builder }.build().unwrap();
    let (probe, reached) =
        Probe::new(|fail| Reply::Now(if fail { Err("down".into()) } else { Ok(()) }));
    Endpoint { service: layer.layer(probe), circuit: layer.handle(), reached }
}

impl Endpoint {
    async fn trip(&self) {
        self.service.clone().oneshot(true).await.unwrap_err();
        assert_eq!(self.circuit.state(), CircuitState::Open);
    }
}

/// A balancer that takes the first of these that is ready, for its load is the least.
fn balanced(
    endpoints: [&Endpoint; 2],
) -> impl Service<bool, Response = (), Error = BoxError> + Debug {
    let mut load = 0;
    let services = endpoints.map(|endpoint| {
        load += 1;
        Constant::new(endpoint.service.clone(), load)
    });
    Balance::new(ServiceList::new::<bool>(services))
}

async fn call<S>(service: &mut S, fail: bool) -> Result<(), BoxError>
where
    S: Service<bool, Response = (), Error = BoxError>,
{
    service.ready().await?.call(fail).await
}

#[tokio::test(start_paused = true)]
async fn a_balancer_passes_over_what_is_open_and_tries_it_when_half_open() {
    let (first, second) = (endpoint(true), endpoint(true));
    let mut balance = balanced([&first, &second]);
    call(&mut balance, false).await.unwrap();
    assert_eq!((first.reached.calls(), second.reached.calls()), (1, 0));

    // Also one that the balancer has found ready, and that another's call opens.
    assert_ready!(task::spawn(balance.ready()).poll()).unwrap();
    first.trip().await;
    for calls in 1..=20 {
        call(&mut balance, false).await.unwrap();
        assert_eq!((first.reached.calls(), second.reached.calls()), (2, calls));
    }
    assert_eq!(first.circuit.snapshot().rejected, 0, "none was wasted on it");

    advance(OPEN_FOR).await;
    call(&mut balance, true).await.unwrap_err();
    assert_eq!((first.reached.calls(), second.reached.calls()), (3, 20), "probed, in vain");
    call(&mut balance, false).await.unwrap();
    assert_eq!((first.reached.calls(), second.reached.calls()), (3, 21));

    advance(OPEN_FOR).await;
    for calls in 4..=10 {
        call(&mut balance, false).await.unwrap();
        assert_eq!((first.reached.calls(), second.reached.calls()), (calls, 21), "back again");
    }
    assert_eq!(first.circuit.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_balancer_that_has_nobody_left_waits_for_the_first_to_be_half_open() {
    let (first, second) = (endpoint(true), endpoint(true));
    let mut balance = balanced([&first, &second]);
    second.trip().await;
    advance(OPEN_FOR / 2).await;
    first.trip().await;
    let mut ready = task::spawn(balance.ready());
    assert_pending!(ready.poll());
    advance(OPEN_FOR / 2).await;
    assert!(ready.is_woken());
    assert_ready!(ready.poll()).unwrap().call(false).await.unwrap();
    assert_eq!(second.circuit.state(), CircuitState::Closed);
    assert_eq!(first.circuit.state(), CircuitState::Open);
}

/// `Steer` waits until all are ready, so here a breaker is to be ready always, and whoever steers
/// looks at its handle.
#[tokio::test(start_paused = true)]
async fn steering_by_the_state_goes_around_what_is_open() {
    let (first, second) = (endpoint(false), endpoint(false));
    let circuits = [first.circuit.clone(), second.circuit.clone()];
    let pick = move |_: &bool, _: &[_]| {
        circuits.iter().position(|circuit| circuit.state() != CircuitState::Open).unwrap_or(0)
    };
    let mut steer = Steer::new([first.service.clone(), second.service.clone()], pick);
    call(&mut steer, false).await.unwrap();
    first.trip().await;
    call(&mut steer, false).await.unwrap();
    assert_eq!((first.reached.calls(), second.reached.calls()), (2, 1));
    second.trip().await;
    let refused = call(&mut steer, false).await.unwrap_err();
    assert!(Rejection::find(refused.as_ref()).is_some(), "at once, though nobody is left");
    advance(OPEN_FOR).await;
    call(&mut steer, false).await.unwrap();
    assert_eq!((first.reached.calls(), second.reached.calls()), (3, 2));
}
