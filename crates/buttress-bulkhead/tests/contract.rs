//! tower's contract, kept towards the inner service and towards the caller.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use buttress_bulkhead::{BulkheadHandle, BulkheadLayer};
use buttress_core::{BoxError, Classified, Deadline, Judgement, Plain, Rejection, RejectionKind};
use buttress_testkit::{
    Probe, Readiness, Recorder, Reply, assert_future_traits, assert_layer_traits, assert_pending,
    assert_ready, assert_service_traits, task,
};

use tokio::{
    runtime::Handle,
    time::{advance, sleep, timeout},
};
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt, buffer::BufferLayer, limit::ConcurrencyLimitLayer,
    service_fn, util::BoxCloneSyncServiceLayer,
};

const SECOND: Duration = Duration::from_secs(1);

fn one() -> BulkheadLayer {
    BulkheadLayer::new(1).unwrap()
}

/// One place, and a wait of a second for it.
fn one_and_a_queue() -> BulkheadLayer {
    BulkheadLayer::builder().max_concurrent(1).max_wait(SECOND).build().unwrap()
}

/// What the call ends with; one that never ends fails the test and does not hang it.
async fn end<T>(call: impl Future<Output = T>) -> T {
    timeout(60 * SECOND, call).await.expect("it ends")
}

fn kind(error: &BoxError) -> &RejectionKind {
    Rejection::find(error.as_ref()).expect("a rejection").kind()
}

#[tokio::test(start_paused = true)]
async fn calls_only_the_instance_that_was_ready() {
    let (probe, handle) = Probe::new(|n: u32| Reply::Now(Ok(n + 1)));
    let mut service = one().layer(probe);
    for n in 0..3 {
        assert_eq!(service.ready().await.unwrap().call(n).await.unwrap(), n + 1);
    }
    let mut clone = service.clone();
    assert_eq!(clone.ready().await.unwrap().call(7).await.unwrap(), 8);
    assert_eq!((handle.calls(), handle.reserved()), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waited_readies_the_instance_it_calls() {
    let (probe, handle) = Probe::new(|takes| Reply::After(takes, Ok(())));
    let mut service = one_and_a_queue().layer(probe);
    let (first, second) = (service.call(SECOND / 2), service.call(SECOND / 2));
    let (first, second) = end(async { tokio::join!(first, second) }).await;
    assert!(first.is_ok() && second.is_ok());
    assert_eq!((handle.calls(), handle.reserved()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn waits_for_readiness_inside_the_call_and_is_woken_by_it() {
    let (probe, handle) = Probe::new(|(): ()| Reply::Now(Ok("late")));
    handle.set_readiness(Readiness::Pending);
    let mut service = one().layer(probe);
    let mut call = task::spawn(service.ready().await.unwrap().call(()));
    assert_pending!(call.poll());
    assert!(!call.is_woken());
    handle.set_readiness(Readiness::Ready);
    assert!(call.is_woken());
    assert_eq!(call.await.unwrap(), "late");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waited_for_its_place_can_still_wait_for_readiness() {
    let (probe, handle) = Probe::new(|(): ()| Reply::Now(Ok("late")));
    let layer = one_and_a_queue();
    let mut service = layer.layer(probe);
    let first = service.call(());
    let mut second = task::spawn(service.call(()));
    assert_pending!(second.poll());
    handle.set_readiness(Readiness::Pending);
    drop(first);
    assert!(second.is_woken(), "by the place");
    assert_pending!(second.poll());
    assert_eq!((layer.handle().in_flight(), layer.handle().queued()), (1, 0));
    handle.set_readiness(Readiness::Ready);
    assert!(second.is_woken(), "by the readiness");
    assert_eq!(second.await.unwrap(), "late");
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_is_the_call_s_and_untouched() {
    let (probe, handle) = Probe::new(|(): ()| Reply::Now(Ok(())));
    handle.set_readiness(Readiness::Broken);
    let layer = one();
    let mut service = layer.layer(probe);
    for _ in 0..2 {
        let service = service.ready().await.expect("refusals never come from poll_ready");
        assert_eq!(service.call(()).await.unwrap_err().to_string(), "the probe is broken");
    }
    assert_eq!(layer.handle().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn refuses_in_the_call_and_not_in_poll_ready() {
    let (probe, handle) = Probe::new(|(): ()| Reply::<()>::Never);
    let mut service = one().layer(probe);
    let _first = service.call(());
    let call = service.ready().await.expect("always ready").call(());
    let error = end(call).await.unwrap_err();
    assert_eq!(kind(&error), &RejectionKind::BulkheadFull { limit: 1, in_flight: 1, queued: 0 });
    assert_eq!(handle.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_drops_the_inner_one_and_gives_its_place_back() {
    let (probe, handle) = Probe::new(|(): ()| Reply::<()>::Never);
    let layer = one();
    let mut service = layer.layer(probe);
    drop(service.call(()));
    assert_eq!(layer.handle().in_flight(), 0);
    let mut polled = task::spawn(service.call(()));
    assert_pending!(polled.poll());
    assert_eq!(layer.handle().in_flight(), 1);
    drop(polled);
    assert_eq!((handle.calls(), handle.dropped()), (2, 2));
    assert_eq!(layer.handle().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn inner_errors_pass_untouched() {
    let (probe, _handle) = Probe::new(|(): ()| Reply::<()>::Now(Err("inner".into())));
    let error = one().layer(probe).oneshot(()).await.unwrap_err();
    assert_eq!(error.to_string(), "inner");
    assert!(Rejection::find(error.as_ref()).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_panic_inside_goes_through_and_gives_the_place_back() {
    let (probe, handle) = Probe::new(|request: &str| match request {
        "panic" => Reply::Panic,
        "panic in call" => Reply::PanicInCall,
        _ => Reply::After(SECOND / 2, Ok(())),
    });
    let layer = one_and_a_queue();
    let service = layer.layer(probe);
    for request in ["panic", "panic in call"] {
        let panicked = tokio::spawn(service.clone().oneshot(request)).await.unwrap_err();
        assert!(panicked.is_panic());
        assert_eq!(layer.handle().in_flight(), 0);

        // The same after a wait.
        let busy = tokio::spawn(service.clone().oneshot("fine"));
        tokio::task::yield_now().await;
        let waiting = tokio::spawn(service.clone().oneshot(request));
        busy.await.unwrap().unwrap();
        assert!(end(waiting).await.unwrap_err().is_panic());
        assert_eq!((layer.handle().in_flight(), layer.handle().queued()), (0, 0));
    }
    service.oneshot("fine").await.unwrap();
    assert_eq!(handle.in_flight(), 0);
}

/// An inner service whose future says, when it is dropped, how many places are taken.
#[derive(Clone)]
struct Witness {
    bulkhead: BulkheadHandle,
    seen: Arc<Mutex<Vec<usize>>>,
}

struct WitnessFuture(Witness, &'static str);

impl Service<&'static str> for Witness {
    type Response = ();
    type Error = BoxError;
    type Future = WitnessFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: &'static str) -> WitnessFuture {
        WitnessFuture(self.clone(), request)
    }
}

impl Future for WitnessFuture {
    type Output = Result<(), BoxError>;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.1 {
            "answer" => Poll::Ready(Ok(())),
            "error" => Poll::Ready(Err("told to fail".into())),
            "hang" => Poll::Pending,
            _ => panic!("told to panic"),
        }
    }
}

impl Drop for WitnessFuture {
    fn drop(&mut self) {
        self.0.seen.lock().unwrap().push(self.0.bulkhead.in_flight());
    }
}

#[tokio::test(start_paused = true)]
async fn the_inner_future_goes_before_its_place() {
    let layer = one();
    let witness = Witness { bulkhead: layer.handle(), seen: Arc::default() };
    let seen = Arc::clone(&witness.seen);
    let mut service = layer.layer(witness);
    for request in ["answer", "error", "hang", "panic"] {
        let mut call = service.call(request);
        if request == "panic" {
            assert!(tokio::spawn(call).await.unwrap_err().is_panic());
        } else {
            // Still there when it has completed, to tell the two drops apart.
            let _ = futures_poll(Pin::new(&mut call));
            assert_eq!(layer.handle().in_flight(), usize::from(request == "hang"), "{request}");
            drop(call);
        }
        assert_eq!(layer.handle().in_flight(), 0, "{request}");
        assert_eq!(seen.lock().unwrap().drain(..).collect::<Vec<_>>(), [1], "{request}");
    }
}

fn futures_poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(std::task::Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn says_once_what_it_refused_and_counts_it() {
    let recorder = Recorder::new();
    let layer = BulkheadLayer::builder()
        .max_concurrent(1)
        .max_wait(SECOND)
        .max_queue(2)
        .name("payment")
        .observer(recorder.clone())
        .build()
        .unwrap();
    let (probe, handle) = Probe::new(|(): ()| Reply::<()>::Never);
    let mut service = layer.layer(probe);
    let _in_flight = service.call(());
    let waiting = service.call(());
    let soon = Deadline::after(SECOND / 2);
    let hurried = Deadline::scope(Some(soon), || service.call(()));
    let snapshot = layer.handle().snapshot();
    assert_eq!((snapshot.limit, snapshot.in_flight, snapshot.queued), (1, 1, 2));
    end(service.call(())).await.unwrap_err();
    assert_eq!(
        kind(&end(hurried).await.unwrap_err()),
        &RejectionKind::DeadlineExceeded { called: false }
    );
    end(waiting).await.unwrap_err();
    assert_eq!(
        recorder.take(),
        [
            "bulkhead payment: rejected: full, 1 of 1 places taken and 2 waiting",
            "bulkhead payment: rejected: the deadline had passed before the call",
            "bulkhead payment: rejected: no place became free in 1.0s, 1 of 1 taken and 0 waiting",
        ]
    );
    let snapshot = layer.handle().snapshot();
    assert_eq!((snapshot.in_flight, snapshot.queued, snapshot.admitted), (1, 0, 1));
    let rejected = snapshot.rejected;
    assert_eq!((rejected.full, rejected.queue_timeout, rejected.deadline_exceeded), (1, 1, 1));
    assert_eq!(rejected.total(), 3);
    assert_eq!(handle.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn is_woken_once_by_the_place_it_waits_for() {
    let (probe, _handle) = Probe::new(|(): ()| Reply::Now(Ok(())));
    let mut service = one_and_a_queue().layer(probe);
    let first = service.call(());
    let mut second = task::spawn(service.call(()));
    assert_pending!(second.poll());
    advance(SECOND / 2).await;
    assert!(!second.is_woken());
    drop(first);
    assert!(second.is_woken());
    assert_ready!(second.poll()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn composes_with_towers_own_layers() {
    let slow = service_fn(async |_: ()| {
        sleep(SECOND / 4).await;
        Ok::<_, Infallible>(())
    });
    let two = BulkheadLayer::new(2).unwrap();
    let service = ServiceBuilder::new()
        .layer(BoxCloneSyncServiceLayer::new(
            ServiceBuilder::new()
                .layer(two.clone())
                .layer(BufferLayer::new(8))
                .layer(ConcurrencyLimitLayer::new(1)),
        ))
        .service(slow);
    let calls: Vec<_> = (0..6).map(|_| tokio::spawn(service.clone().oneshot(()))).collect();
    let mut served = 0;
    for call in calls {
        served += usize::from(call.await.unwrap().is_ok());
    }
    assert_eq!(served, 2);
    service.oneshot(()).await.expect("the places came back");
    assert_eq!(two.handle().in_flight(), 0);
}

#[tokio::test]
async fn auto_traits() {
    let layer = one();
    assert_layer_traits(&layer);
    assert_layer_traits(&layer.handle());
    let mut service = layer.layer(service_fn(async |_: ()| Ok::<_, Infallible>(())));
    assert_service_traits(&service);
    assert_future_traits(&service.call(()));
}

/// A handler is a task, and makes its calls in it: that compiles over services whose errors are boxed.
#[tokio::test]
async fn a_task_can_make_calls_over_boxed_errors() {
    let leaf = || service_fn(async |n: u64| Ok::<u64, BoxError>(n));
    let mut service = one().layer(leaf());
    let called = tokio::spawn(async move { service.call(1).await });
    let mut service = one().layer(leaf());
    let readied = tokio::spawn(async move { service.ready().await?.call(2).await });
    let mut service = one().layer(leaf());
    let bounded = tokio::spawn(async move {
        let call = service.call(3);
        timeout(60 * SECOND, call).await.expect("it ends")
    });
    let boxed = service_fn(async |n: u64| Ok::<_, BoxError>(n)).boxed_clone();
    let mut service = one().layer(boxed);
    let over_a_box = tokio::spawn(async move { service.call(4).await });
    let named = BulkheadLayer::compartments(|_: &u64| "one").compartment(("one", 1));
    let mut service = named.build().unwrap().layer(leaf());
    let named = tokio::spawn(async move { service.call(5).await });
    let elsewhere = BulkheadLayer::builder().max_concurrent(1).on_runtime(Handle::current());
    let mut service = elsewhere.build().unwrap().layer(leaf());
    let elsewhere = tokio::spawn(async move { service.call(6).await });
    for (n, called) in (1..).zip([called, readied, bounded, over_a_box, named, elsewhere]) {
        assert_eq!(called.await.unwrap().unwrap(), n);
    }
}

/// A limit that does not learn asks nobody how calls ended.
#[tokio::test(start_paused = true)]
async fn a_fixed_limit_judges_nothing() {
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    let judge = move |_: Result<&(), &BoxError>| {
        *count.lock().unwrap() += 1;
        Judgement::SUCCESS
    };
    let layer = BulkheadLayer::builder()
        .max_concurrent(1)
        .protocol(Classified::new(Plain, judge))
        .build()
        .unwrap();
    let inner =
        service_fn(async |fails: bool| if fails { Err(BoxError::from("inner")) } else { Ok(()) });
    for fails in [false, true] {
        assert_eq!(end(layer.layer(inner).oneshot(fails)).await.is_err(), fails);
    }
    assert_eq!(*asked.lock().unwrap(), 0);
}
