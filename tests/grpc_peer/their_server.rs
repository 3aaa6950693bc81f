//! Python's server, and our layers around tonic's channel.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress::{
    core::{Event, EventKind},
    http::ReplayBody,
    prelude::*,
};
use futures_util::future::join_all;
use http::{Request, Response};
use tokio::time::timeout;
use tonic::{Code, body::Body};
use tower::ServiceBuilder;

use crate::{
    LONG,
    caller::{Form, Got, Way, channel, talk},
    python::Server,
};

fn got(messages: &[&str], code: Code, text: &str) -> Got {
    let messages = messages.iter().map(|&message| message.to_owned()).collect();
    Got { messages, code, text: text.to_owned() }
}

/// The stack around a channel to this server.
fn guarded(server: &Server, limit: Duration) -> (Way, BreakerHandle) {
    let http = Http::new();
    let breaker = BreakerLayer::builder().protocol(http).build().unwrap();
    let handle = breaker.handle();
    let service = ServiceBuilder::new()
        .map_response(|response: Response<_>| response.map(Body::new))
        .map_err(|never| match never {})
        .layer(RespondLayer::new())
        .layer(TimeoutLayer::builder().overall(limit).protocol(http).build().unwrap())
        .layer(breaker)
        .layer(BulkheadLayer::builder().max_concurrent(1).protocol(http).build().unwrap())
        .layer(SendDeadlineLayer::new())
        .service(channel(&server.uri));
    (Way::new(service), handle)
}

#[tokio::test]
#[cfg_attr(not(has_grpcio), ignore = "needs Python's grpcio")]
async fn what_python_answers_comes_as_it_is() {
    let server = Server::start().await;
    let (way, _) = guarded(&server, LONG);
    for form in Form::ALL {
        let messages: &[_] = if form.streams() { &["one", "two"] } else { &["one two"] };
        let seen = form.call(&way, "say one;say two").await;
        assert_eq!(seen, got(messages, Code::Ok, ""), "{form:?}");
        for script in ["fail 5", "head;fail 5"] {
            let seen = form.call(&way, script).await;
            assert_eq!(seen, got(&[], Code::NotFound, "after all"), "{form:?} {script}");
        }
    }
    let (to, mut fro) = talk(&way, "say one").await.unwrap();
    assert_eq!(fro.message().await.unwrap().as_deref(), Some("one"));
    for word in ["two", "three"] {
        to.send(format!("say {word}")).unwrap();
        assert_eq!(fro.message().await.unwrap().as_deref(), Some(word));
    }
}

/// Which codes speak against the server, and which do not.
#[tokio::test]
#[cfg_attr(not(has_grpcio), ignore = "needs Python's grpcio")]
async fn each_status_counts_as_what_it_is() {
    let server = Server::start().await;
    for (script, form) in ["fail", "head;fail"].into_iter().flat_map(|s| Form::ALL.map(|f| (s, f)))
    {
        let (way, breaker) = guarded(&server, LONG);
        for code in 1..=16 {
            breaker.reset();
            let seen = form.call(&way, &format!("{script} {code}")).await;
            assert_eq!(seen, got(&[], Code::from(code), "after all"), "{form:?}");
            let row = breaker.snapshot().failures;
            let fails = matches!(code, 2 | 4 | 13 | 14 | 15);
            assert_eq!(row > 0, fails, "{form:?} {script} {code}");
        }
    }
}

#[tokio::test]
#[cfg_attr(not(has_grpcio), ignore = "needs Python's grpcio")]
async fn python_sees_our_deadline() {
    let server = Server::start().await;
    let (way, _) = guarded(&server, LONG);
    for form in Form::ALL {
        let [left] = &form.call(&way, "left").await.messages[..] else { panic!("a message") };
        let left: f64 = left.parse().expect("milliseconds");
        assert!(left > 0.0 && left < 30_000.0, "{form:?} {left}");
    }
}

#[tokio::test]
#[cfg_attr(not(has_grpcio), ignore = "needs Python's grpcio")]
async fn what_hangs_in_python_is_cut_there_too() {
    // All at once: each has time enough to be heard, on a machine that is slow.
    let cut = Form::ALL.map(async |form| {
        let messages: &[_] = if form.streams() { &["one"] } else { &[] };
        let server = Server::start().await;
        let (hasty, _) = guarded(&server, Duration::from_secs(3));
        let seen = form.call(&hasty, "say one;hang").await;
        assert_eq!(seen.code, Code::DeadlineExceeded, "{form:?} {seen:?}");
        assert_eq!(seen.messages, messages, "{form:?}");
        let (way, _) = guarded(&server, LONG);
        assert_eq!(Form::Unary.call(&way, "calls").await.messages, ["2"], "{form:?}");
        // It hears of it, if a moment later.
        let gone = async { while Form::Unary.call(&way, "gone").await.messages != ["1"] {} };
        timeout(LONG, gone).await.expect("in time: Python hears of it");
    });
    join_all(cut).await;
}

#[tokio::test]
#[cfg_attr(not(has_grpcio), ignore = "needs Python's grpcio")]
async fn unavailable_opens_the_breaker() {
    for (script, form) in
        ["fail 14", "head;fail 14"].into_iter().flat_map(|s| Form::ALL.map(|f| (s, f)))
    {
        let server = Server::start().await;
        let (way, breaker) = guarded(&server, LONG);
        for _ in 0..5 {
            let seen = form.call(&way, script).await;
            assert_eq!(seen, got(&[], Code::Unavailable, "after all"), "{form:?} {script}");
        }
        let seen = form.call(&way, "say one").await;
        assert_eq!(seen, got(&[], Code::Unavailable, "Unavailable"), "{form:?} {script}");
        breaker.reset();
        let seen = form.call(&way, "calls").await;
        assert_eq!(seen.messages, ["6"], "{form:?} {script}");
    }
}

#[tokio::test]
#[cfg_attr(not(has_grpcio), ignore = "needs Python's grpcio")]
async fn a_pushback_of_pythons_is_obeyed() {
    let server = Server::start().await;
    let delays = Arc::<Mutex<Vec<Duration>>>::default();
    let told = Arc::clone(&delays);
    let retry = JitteredRetryLayer::builder().protocol(Http::new());
    let retry = retry.observer(move |event: &Event<'_>| {
        if let EventKind::Retrying { delay, .. } = event.kind {
            told.lock().unwrap().push(delay);
        }
    });
    let service = ServiceBuilder::new()
        .map_response(|response: Response<_>| response.map(Body::new))
        .map_err(tonic::Status::from_error)
        .layer(ReplayBodyLayer::new())
        .layer(retry.build().unwrap())
        .map_request(|request: Request<ReplayBody>| request.map(Body::new))
        .service(channel(&server.uri));
    let way = Way::new(service);
    let ask = async |script: &str| {
        let mut request = tonic::Request::new(script.to_owned());
        request.extensions_mut().insert(Repeatable);
        Form::Unary.call_with(&way, request).await
    };
    assert_eq!(ask("push 150").await, got(&[], Code::Unavailable, "not yet"));
    let waits = delays.lock().unwrap().split_off(0);
    assert_eq!(waits.len(), 2);
    for wait in waits {
        let least = Duration::from_millis(150);
        assert!(wait >= least && wait <= least * 3 / 2, "{wait:?}");
    }
    // Whoever says so does not want to be asked again.
    assert_eq!(ask("push -1").await, got(&[], Code::Unavailable, "not yet"));
    assert_eq!(ask("calls").await.messages, ["5"]);
}
