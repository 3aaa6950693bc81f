//! Layers that a setting switches: by tower's `option_layer`, and by `disabled` where that does not fit.

use buttress::{fallback::Failure, prelude::*};
use buttress_testkit::{ProbeHandle, ScriptedBody};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Service, ServiceBuilder, ServiceExt, util::option_layer};

use crate::{SECOND, get, text, upstream};

/// Which layers are on, outermost first.
type Settings = [bool; 5];

/// A service like any other.
trait Stack:
    Service<Request<ScriptedBody>, Response = Response<Self::Body>, Error = BoxError> + Clone
{
    type Body: http_body::Body<Data = Bytes, Error: Into<BoxError>>;
}

impl<S, B> Stack for S
where
    S: Service<Request<ScriptedBody>, Response = Response<B>, Error = BoxError> + Clone,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Body = B;
}

/// A stack of one type, whatever the settings are.
fn stack(on: Settings) -> (impl Stack, ProbeHandle) {
    let (inner, reached) = upstream();
    let http = Http::new();
    let fallback = FallbackLayer::builder()
        .value("placeholder", |_: &(), _: &Failure<'_>| Response::new(Full::from("a placeholder")))
        .protocol(http)
        .build()
        .unwrap();
    let limit = TimeoutLayer::builder().overall(SECOND).protocol(http).build().unwrap();
    let retry = JitteredRetryLayer::builder().protocol(http).build().unwrap();
    let breaker = BreakerLayer::builder().consecutive_failures(2).protocol(http).build().unwrap();
    let bulkhead = BulkheadLayer::builder().max_concurrent(1).protocol(http).build().unwrap();
    let service = ServiceBuilder::new()
        .layer(if on[0] { fallback } else { fallback.disabled() })
        .layer(if on[1] { limit } else { limit.disabled() })
        .layer(if on[2] { retry } else { retry.disabled() })
        .layer(if on[3] { breaker } else { breaker.disabled() })
        .layer(if on[4] { bulkhead } else { bulkhead.disabled() })
        .service(inner);
    (service, reached)
}

/// Each layer does what it does, and no other, in all thirty-two of them.
#[tokio::test(start_paused = true)]
async fn each_layer_can_be_off_in_a_stack_of_one_type() {
    for bits in 0..32_u8 {
        let on: Settings = std::array::from_fn(|layer| bits >> layer & 1 == 1);
        let [falls_back, limited, repeats, breaks, bounded] = on;
        let (service, _reached) = stack(on);
        assert_eq!(text(service.clone().oneshot(get("/")).await.unwrap()).await, "the real thing");
        // A second call while the body of the first is not over.
        let held = service.clone().oneshot(get("/streams")).await.unwrap();
        let second = service.clone().oneshot(get("/")).await;
        let refused = if falls_back {
            text(second.unwrap()).await != "the real thing"
        } else {
            second.is_err()
        };
        assert_eq!(refused, bounded, "{on:?}");
        drop(held);
        // One that hangs is cut, or not.
        let patience = tokio::time::timeout(9 * SECOND, service.clone().oneshot(get("/hangs")));
        assert_eq!(patience.await.is_ok(), limited, "{on:?}");
        // Three attempts, or two that open the circuit, or one.
        let (service, reached) = stack(on);
        match service.clone().oneshot(get("/breaks")).await {
            Ok(response) if falls_back => assert_eq!(text(response).await, "a placeholder"),
            Err(_) if !falls_back => {}
            other => panic!("{on:?}: {:?}", other.map(drop)),
        }
        let attempts = [[1, 1], [3, 2]][usize::from(repeats)][usize::from(breaks)];
        assert_eq!(reached.calls(), attempts, "{on:?}");
        let _ = service.oneshot(get("/")).await;
        let open = reached.calls() == attempts;
        assert_eq!(open, repeats && breaks, "{on:?}");
    }
}

/// `option_layer` switches a layer that leaves the response as it is; one that does not, as all that
/// follow a body, has another type then, and its `disabled` is the way.
#[tokio::test(start_paused = true)]
async fn towers_option_switches_what_leaves_the_response_as_it_is() {
    for on in [true, false] {
        let (inner, reached) = upstream();
        let retry = JitteredRetryLayer::builder().protocol(Http::new()).build().unwrap();
        let service = ServiceBuilder::new()
            .layer(option_layer(on.then_some(retry)))
            .layer(option_layer(on.then(SendDeadlineLayer::new)))
            .service(inner);
        service.oneshot(get("/breaks")).await.unwrap_err();
        assert_eq!(reached.calls(), if on { 3 } else { 1 });
    }
}
