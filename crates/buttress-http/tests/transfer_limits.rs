//! What counts for the limits on standing still, and what does not.

use std::{
    convert::Infallible,
    future::{Future, pending, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use buttress_core::{BoxError, Phase, Rejection, RejectionKind};
use buttress_http::{TransferTimeoutLayer, Watched, transfer_timeout::TransferTimeoutLayerBuilder};
use buttress_testkit::{
    BodyStep::{self, Data, Error, Hang, Trailers, Wait},
    Probe, Reply, ScriptedBody, assert_pending, assert_ready, task,
};
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(1_000);

type Sent = Request<Watched<ScriptedBody>>;
type Given = Response<ScriptedBody>;

fn layer() -> TransferTimeoutLayerBuilder {
    TransferTimeoutLayer::builder()
}

fn write() -> TransferTimeoutLayer {
    layer().write(SECOND).build().unwrap()
}

fn idle() -> TransferTimeoutLayer {
    layer().idle(SECOND).build().unwrap()
}

fn body(steps: impl IntoIterator<Item = BodyStep>) -> ScriptedBody {
    ScriptedBody::new(steps)
}

fn request(steps: impl IntoIterator<Item = BodyStep>) -> Request<ScriptedBody> {
    Request::new(body(steps))
}

/// Which limit cut, and how long it was.
fn cut(error: &BoxError) -> (Phase, Duration) {
    match Rejection::find(error.as_ref()).expect("a rejection").kind() {
        RejectionKind::TimedOut { phase, limit } => (*phase, *limit),
        other => panic!("{other}"),
    }
}

/// A service that reads the request to its end on a task of its own, as hyper does, and answers
/// with this body after this time.
fn drains(
    head: Duration,
    steps: Vec<BodyStep>,
) -> impl Service<Sent, Response = Given, Error = Infallible, Future: Send> + Clone + Send {
    service_fn(move |request: Sent| {
        let response = body(steps.clone());
        let mut upload = request.into_body();
        tokio::spawn(async move { while let Some(Ok(_)) = upload.frame().await {} });
        async move {
            sleep(head).await;
            Ok(Response::new(response))
        }
    })
}

/// However long the first poll of the body is in coming, and though it wakes nobody.
#[tokio::test(start_paused = true)]
async fn write_runs_from_the_first_time_that_the_body_is_asked() {
    for late in [SECOND / 2, SECOND * 3 / 2, SECOND * 5] {
        let inner = service_fn(move |request: Sent| {
            tokio::spawn(async move {
                sleep(late).await;
                request.into_body().frame().await.is_none()
            });
            pending::<Result<Given, Infallible>>()
        });
        let start = Instant::now();
        let error = write().layer(inner).oneshot(request([Hang])).await.unwrap_err();
        assert_eq!((cut(&error), start.elapsed()), ((Phase::Write, SECOND), late + SECOND));
    }
}

#[tokio::test(start_paused = true)]
async fn write_begins_anew_with_each_frame_whichever_side_is_slow() {
    let gap = SECOND * 9 / 10;
    // The sender is slow, and then stops.
    let frame = [Wait(gap), Data("x")];
    let slow = std::iter::repeat_n(frame, 20).flatten().chain([Hang]);
    let start = Instant::now();
    let error = write().layer(drains(LONG, vec![])).oneshot(request(slow)).await.unwrap_err();
    assert_eq!((cut(&error).0, start.elapsed()), (Phase::Write, gap * 20 + SECOND));

    // The inner service is, which takes a frame now and then, and in the end none.
    let takes = service_fn(move |request: Sent| {
        let mut upload = request.into_body();
        tokio::spawn(async move {
            for _ in 0..20 {
                upload.frame().await.unwrap().unwrap();
                sleep(gap).await;
            }
            pending::<()>().await;
        });
        pending::<Result<Given, Infallible>>()
    });
    let start = Instant::now();
    let frames = std::iter::repeat_n(Data("x"), 100);
    let error = write().layer(takes).oneshot(request(frames)).await.unwrap_err();
    assert_eq!((cut(&error).0, start.elapsed()), (Phase::Write, gap * 19 + SECOND));
}

/// What a request body does in the end, after which `write` bounds nothing.
#[tokio::test(start_paused = true)]
async fn an_upload_is_over_at_each_of_its_ends() {
    let ends = [
        // A frame after which it says that it has ended; nobody asks further.
        (vec![Data("a"), Data("b")], 2),
        (vec![Data("a"), Trailers("x", "y"), Hang], 2),
        (vec![Data("a"), Error("broken"), Hang], 2),
        (vec![Data("a"), Wait(SECOND / 2)], 2),
        // Empty from the first; nobody asks at all.
        (vec![], 0),
    ];
    for (steps, asks) in ends {
        let told = format!("{steps:?}");
        let inner = service_fn(move |request: Sent| async move {
            let mut upload = request.into_body();
            for _ in 0..asks {
                let _ = upload.frame().await;
            }
            sleep(SECOND * 2).await;
            // Held until now.
            drop(upload);
            Ok::<_, Infallible>(Given::default())
        });
        let result = write().layer(inner).oneshot(request(steps)).await;
        assert!(result.is_ok(), "{told}");
    }
    let drops = service_fn(|request: Sent| async move {
        let mut upload = request.into_body();
        upload.frame().await.unwrap().unwrap();
        sleep(SECOND / 2).await;
        drop(upload);
        sleep(SECOND * 2).await;
        Ok::<_, Infallible>(Given::default())
    });
    write().layer(drops).oneshot(request([Data("a"), Hang])).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn write_holds_on_after_the_head_until_the_response_is_over() {
    // The response makes its reader wait.
    let limits = write();
    let service = limits.layer(drains(SECOND / 4, vec![Data("x"), Hang]));
    let start = Instant::now();
    let mut response = service.oneshot(request([Hang])).await.unwrap().into_body();
    response.frame().await.unwrap().unwrap();
    let error = response.frame().await.unwrap().unwrap_err();
    assert_eq!((cut(&error).0, start.elapsed()), (Phase::Write, SECOND));
    assert!(response.frame().await.is_none());

    // The response always has a frame.
    let service = limits.layer(drains(Duration::ZERO, vec![Data("x"); 100]));
    let start = Instant::now();
    let mut response = service.oneshot(request([Hang])).await.unwrap().into_body();
    let mut frames = 0;
    let error = loop {
        sleep(SECOND / 4).await;
        match response.frame().await.unwrap() {
            Ok(_) => frames += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((cut(&error).0, frames), (Phase::Write, 4));
    assert_eq!(start.elapsed(), SECOND + SECOND / 4);
    assert_eq!(limits.handle().snapshot().write, 2);

    // The response is over first.
    let service = limits.layer(drains(Duration::ZERO, vec![Data("x"), Data("y")]));
    let mut response = service.oneshot(request([Hang])).await.unwrap().into_body();
    while let Some(frame) = response.frame().await {
        frame.unwrap();
    }
    sleep(SECOND * 2).await;
    assert!(response.frame().await.is_none());
    assert_eq!(limits.handle().snapshot().write, 2);
}

#[tokio::test(start_paused = true)]
async fn idle_begins_anew_with_whatever_moves() {
    let step = SECOND * 3 / 4;
    // The request moves, for longer than the limit, and its end is a movement too; then the head
    // comes, and then frames of the response.
    let upload = [Wait(step), Data("a"), Wait(step), Data("b"), Wait(step)];
    let download = vec![Wait(step), Data("c"), Wait(step), Data("d"), Hang];
    let service = idle().layer(drains(step * 4, download));
    let start = Instant::now();
    let mut response = service.oneshot(request(upload)).await.unwrap().into_body();
    assert_eq!(start.elapsed(), step * 4);
    for _ in 0..2 {
        response.frame().await.unwrap().unwrap();
    }
    let error = response.frame().await.unwrap().unwrap_err();
    assert_eq!((cut(&error), start.elapsed()), ((Phase::Idle, SECOND), step * 6 + SECOND));

    // Asking for the body, or dropping it, moves nothing.
    let asks = service_fn(|request: Sent| async move {
        sleep(SECOND / 4).await;
        let mut upload = request.into_body();
        assert_pending!(task::spawn(upload.frame()).poll());
        sleep(SECOND / 4).await;
        drop(upload);
        pending::<Result<Given, Infallible>>().await
    });
    let start = Instant::now();
    let error = idle().layer(asks).oneshot(request([Hang])).await.unwrap_err();
    assert_eq!((cut(&error).0, start.elapsed()), (Phase::Idle, SECOND));
}

/// The request keeps a call alive that has answered long ago.
#[tokio::test(start_paused = true)]
async fn an_upload_that_moves_keeps_the_response_alive() {
    let upload = std::iter::repeat_n([Wait(SECOND / 2), Data("x")], 10).flatten();
    let service = idle().layer(drains(Duration::ZERO, vec![Hang]));
    let start = Instant::now();
    let mut response = service.oneshot(request(upload)).await.unwrap().into_body();
    let error = response.frame().await.unwrap().unwrap_err();
    assert_eq!((cut(&error).0, start.elapsed()), (Phase::Idle, SECOND * 6));
}

#[tokio::test(start_paused = true)]
async fn what_is_ready_in_the_same_poll_wins() {
    let (probe, _handle) = Probe::new(|_: Sent| {
        Reply::After(SECOND, Ok(Response::new(body([Wait(SECOND), Data("x"), Hang]))))
    });
    let mut response = idle().layer(probe).oneshot(request([])).await.expect("the head wins");
    response.frame().await.unwrap().expect("the frame wins");
    response.frame().await.unwrap().unwrap_err();
}

/// He is given what there is, and from then on the time is the call's.
#[tokio::test(start_paused = true)]
async fn a_reader_who_comes_back_late_gets_what_is_ready() {
    let service = idle().layer(drains(Duration::ZERO, vec![Data("a"), Data("b"), Hang]));
    let mut response = service.oneshot(request([])).await.unwrap().into_body();
    for _ in 0..2 {
        sleep(SECOND * 5).await;
        response.frame().await.unwrap().unwrap();
    }
    let start = Instant::now();
    sleep(SECOND / 2).await;
    assert_pending!(task::spawn(response.frame()).poll());
    let error = response.frame().await.unwrap().unwrap_err();
    assert_eq!((cut(&error).0, start.elapsed()), (Phase::Idle, SECOND));

    // And if there is nothing, he is told so at once.
    let service = idle().layer(drains(Duration::ZERO, vec![Data("a"), Hang]));
    let mut response = service.oneshot(request([])).await.unwrap().into_body();
    response.frame().await.unwrap().unwrap();
    sleep(SECOND * 5).await;
    let mut frame = task::spawn(response.frame());
    let error = assert_ready!(frame.poll()).unwrap().unwrap_err();
    assert_eq!(cut(&error).0, Phase::Idle);
}

/// Both have passed when it is looked at.
#[tokio::test(start_paused = true)]
async fn the_one_that_was_due_first_is_named() {
    let quarter = SECOND / 4;
    for (write, idle, named) in [
        (SECOND, SECOND, Phase::Idle),
        (quarter * 3, SECOND, Phase::Write),
        (quarter * 2, SECOND, Phase::Write),
        (SECOND * 5, SECOND, Phase::Idle),
    ] {
        let limits = layer().write(write).idle(idle).build().unwrap();
        let inner = service_fn(move |request: Sent| async move {
            sleep(quarter).await;
            let _ = request.into_body().frame().await;
            Ok::<_, Infallible>(Given::default())
        });
        let mut call = task::spawn(limits.layer(inner).call(request([Hang])));
        assert_pending!(call.poll());
        advance(quarter).await;
        assert_pending!(call.poll());
        advance(SECOND * 9).await;
        let error = assert_ready!(call.poll()).unwrap_err();
        assert_eq!(cut(&error).0, named, "{write:?} {idle:?}");
    }
}

/// Frames of the request wake the side that takes them, and not the call.
#[tokio::test(start_paused = true)]
async fn the_call_is_woken_by_its_timer_alone() {
    let upload = std::iter::repeat_n([Wait(SECOND / 4), Data("x")], 16).flatten().chain([Hang]);
    let mut service = idle().layer(drains(LONG, vec![]));
    let mut call = task::spawn(service.call(request(upload)));
    let mut wakes = 0;
    assert_pending!(call.poll());
    let start = Instant::now();
    loop {
        sleep(SECOND / 8).await;
        if !call.is_woken() {
            continue;
        }
        wakes += 1;
        match call.poll() {
            Poll::Pending => assert!(start.elapsed() < SECOND * 5),
            Poll::Ready(result) => break assert!(result.is_err()),
        }
    }
    assert!(start.elapsed() <= SECOND * 5 + SECOND / 8, "{:?}", start.elapsed());
    // Once a limit's length, for the timer is moved on when it has fired, and not with each frame.
    assert!(wakes <= 7, "{wakes}");
}

/// tokio lets no timer fire in a task that has used up its turn; the call is cut all the same.
#[tokio::test(start_paused = true)]
async fn a_task_that_is_always_busy_is_cut_too() {
    async fn busy<T>(poll: impl FnOnce() -> T) -> T {
        let mut poll = Some(poll);
        poll_fn(|cx| {
            while pin!(tokio::task::consume_budget()).poll(cx).is_ready() {}
            Poll::Ready(poll.take().unwrap()())
        })
        .await
    }
    let (probe, _handle) = Probe::new(|_: Sent| Reply::<Given>::Never);
    let mut call = task::spawn(idle().layer(probe).call(request([])));
    assert_pending!(call.poll());
    advance(SECOND).await;
    assert!(assert_ready!(busy(|| call.poll()).await).is_err());

    let service = idle().layer(drains(Duration::ZERO, vec![Hang]));
    let mut response = service.oneshot(request([])).await.unwrap().into_body();
    let mut frame = task::spawn(response.frame());
    assert_pending!(frame.poll());
    advance(SECOND).await;
    assert!(assert_ready!(busy(|| frame.poll()).await).unwrap().is_err());
}

/// A timer that is set costs more than one that is left alone.
#[tokio::test(start_paused = true)]
async fn the_timer_is_moved_on_only_when_it_has_fired() {
    let quarter = SECOND / 4;
    let mut service = idle().layer(drains(LONG, vec![]));
    let mut call = task::spawn(service.call(request([Wait(quarter * 2), Data("x"), Hang])));
    for (quarters, woken) in [(0, false), (3, false), (4, true), (5, false)] {
        assert_eq!(call.is_woken(), woken, "{quarters}");
        assert_pending!(call.poll());
        sleep(if quarters == 0 { quarter * 3 } else { quarter }).await;
    }
    assert!(call.is_woken());
    assert!(assert_ready!(call.poll()).is_err());
}

#[tokio::test(start_paused = true)]
async fn zero_is_a_config_error_and_never_is_never() {
    let error = layer().write(Duration::ZERO).build().unwrap_err();
    assert_eq!((error.setting(), error.value()), ("write", "0s"));
    let error = layer().idle(Duration::ZERO).build().unwrap_err();
    assert_eq!((error.setting(), error.value()), ("idle", "0s"));

    let year = Duration::from_secs(365 * 86_400);
    for never in [Some(Duration::MAX), Some(Duration::from_secs(u64::MAX)), None] {
        let limits = match never {
            Some(never) => layer().write(never).idle(never),
            None => layer(),
        };
        let inner = drains(year, vec![Wait(year), Data("x")]);
        let response = limits.build().unwrap().layer(inner).oneshot(request([Hang])).await;
        response.unwrap().into_body().collect().await.unwrap();
    }
}
