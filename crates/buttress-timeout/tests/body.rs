//! Under HTTP the time runs on until the body is over.

use std::{
    convert::Infallible,
    sync::{Mutex, atomic::Ordering},
    time::Duration,
};

use buttress_core::{Rejection, RejectionKind};
use buttress_http::Http;
use buttress_testkit::{BodyStep, Probe, Recorder, Reply, ScriptedBody};
use buttress_timeout::TimeoutLayer;
use http::{Request, Response};
use http_body_util::BodyExt;
use proptest::prelude::*;
use tokio::{
    runtime::Builder,
    time::{Instant, sleep},
};
use tower::{Layer, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

proptest! {
    /// However the time is shared out between head and frames, the call ends at its own end or
    /// at the limit.
    #[test]
    fn ends_at_the_last_frame_or_at_the_limit(
        limit in 1..200_u64,
        head in 0..100_u64,
        gaps in prop::collection::vec(0..100_u64, 0..5),
    ) {
        let rt = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        rt.block_on(async {
            let limit = Duration::from_millis(limit);
            let total = Duration::from_millis(head + gaps.iter().sum::<u64>());
            let steps: Vec<_> = gaps
                .into_iter()
                .flat_map(|gap| [BodyStep::Wait(Duration::from_millis(gap)), BodyStep::Data("x")])
                .collect();
            let inner = service_fn(move |_: Request<()>| {
                let body = ScriptedBody::new(steps.clone());
                async move {
                    sleep(Duration::from_millis(head)).await;
                    Ok::<_, Infallible>(Response::new(body))
                }
            });
            let layer = TimeoutLayer::builder().overall(limit).protocol(Http::new()).build().unwrap();
            let start = Instant::now();
            let result = async {
                layer.layer(inner).oneshot(Request::new(())).await?.into_body().collect().await
            }
            .await;
            prop_assert_eq!(start.elapsed(), total.min(limit));
            prop_assert_eq!(result.is_ok(), total <= limit);
            if let Err(error) = result {
                let kind = Rejection::find(error.as_ref()).expect("a rejection").kind();
                let own = matches!(kind, RejectionKind::TimedOut { limit: l, .. } if *l == limit);
                prop_assert!(own, "{error}");
            }
            Ok(())
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stalled_body_is_cut_once_said_once_and_dropped() {
    let body = ScriptedBody::new([BodyStep::Data("head"), BodyStep::Hang]);
    let dropped = body.dropped();
    let once = Mutex::new(Some(body));
    let (probe, _handle) = Probe::new(move |_: ()| {
        Reply::Now(Ok(Response::new(once.lock().unwrap().take().unwrap())))
    });
    let recorder = Recorder::new();
    let layer = TimeoutLayer::builder()
        .overall(SECOND)
        .protocol(Http::new())
        .observer(recorder.clone())
        .build()
        .unwrap();
    let mut body = layer.layer(probe).oneshot(()).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    body.frame().await.unwrap().unwrap_err();
    assert!(dropped.load(Ordering::SeqCst), "while the outer body still exists");
    assert!(body.frame().await.is_none());
    assert_eq!(recorder.take(), ["timeout timeout: rejected: overall limit of 1s passed"]);
}
