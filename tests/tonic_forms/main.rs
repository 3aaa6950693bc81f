//! tonic's client and tonic's server, and all four forms of call, with the stack around each of the two
//! and around both.

mod caller;
mod own_timeouts;
mod places;
mod recipe;
mod service;
mod stage;
mod text;

use std::time::Duration;

use buttress::prelude::*;
use caller::{Form, Got, Way, channel, talk, upload};
use futures_util::future::join_all;
use http::Response;
use service::Forms;
use stage::{LONG, Stage, Stands};
use tonic::{Code, Status, body::Body};
use tower::{ServiceBuilder, layer::util::Identity};

fn got(messages: &[&str], code: Code, text: &str) -> Got {
    let messages = messages.iter().map(|&message| message.to_owned()).collect();
    Got { messages, code, text: text.to_owned() }
}

/// Each form of call, and each place that the stack can have.
fn all() -> impl Iterator<Item = (Stands, Form)> {
    Stands::ALL.into_iter().flat_map(|stands| Form::ALL.map(|form| (stands, form)))
}

#[tokio::test]
async fn what_goes_well_comes_whole() {
    for (stands, form) in all() {
        let stage = Stage::set(stands, LONG, 64).await;
        let messages: &[_] = if form.streams() { &["one", "two"] } else { &["one two"] };
        let seen = form.call(&stage.way, "say one;say two").await;
        assert_eq!(seen, got(messages, Code::Ok, ""), "{stands:?} {form:?}");
    }
}

/// In the trailers, where there were messages before; else the head is all there is.
#[tokio::test]
async fn a_handlers_status_comes_as_it_is() {
    for (stands, form) in all() {
        let stage = Stage::set(stands, LONG, 64).await;
        let messages: &[_] = if form.streams() { &["one", "two"] } else { &[] };
        let seen = form.call(&stage.way, "say one;say two;fail 5").await;
        assert_eq!(seen, got(messages, Code::NotFound, "after all"), "{stands:?} {form:?}");
    }
}

/// A client whose stack is around its channel sees the error of its body, and not the trailers of the
/// server, unless the server's limit was first: the same code.
#[tokio::test]
async fn what_hangs_is_cut_by_the_deadline() {
    // All at once: each has time enough to be heard, on a machine that is slow.
    let cut = all().map(async |(stands, form)| {
        let stage = Stage::set(stands, Duration::from_secs(2), 64).await;
        let seen = form.call(&stage.way, "say one;hang").await;
        let messages: &[_] = if form.streams() { &["one"] } else { &[] };
        assert_eq!(seen.code, Code::DeadlineExceeded, "{stands:?} {form:?} {seen:?}");
        assert_eq!(seen.messages, messages, "{stands:?} {form:?}");
        assert_eq!(stage.forms.calls(), 1, "{stands:?} {form:?}");
        stage.forms.until_running(0).await;
        stage.until_free().await;
    });
    join_all(cut).await;
}

/// Of the streams only the trailers say it.
#[tokio::test]
async fn unavailable_opens_the_breaker() {
    for (stands, form) in all() {
        let stage = Stage::set(stands, LONG, 64).await;
        for call in 1..=5 {
            let seen = form.call(&stage.way, "say one;fail 14").await;
            let after_all = (Code::Unavailable, "after all");
            assert_eq!((seen.code, &seen.text[..]), after_all, "{stands:?} {form:?}, call {call}");
        }
        let seen = form.call(&stage.way, "say one").await;
        assert_eq!(seen, got(&[], Code::Unavailable, "Unavailable"), "{stands:?} {form:?}");
        assert_eq!(stage.forms.calls(), 5, "{stands:?} {form:?}");
    }
}

/// A response to each message before the next is sent.
#[tokio::test]
async fn messages_go_to_and_fro() {
    for stands in Stands::ALL {
        let stage = Stage::set(stands, LONG, 64).await;
        let (to, mut fro) = talk(&stage.way, "say one").await.unwrap();
        assert_eq!(fro.message().await.unwrap().as_deref(), Some("one"), "{stands:?}");
        for word in ["two", "three"] {
            to.send(format!("say {word}")).unwrap();
            assert_eq!(fro.message().await.unwrap().as_deref(), Some(word), "{stands:?}");
        }
        assert_eq!(stage.in_flight(), 1);
        drop(to);
        assert_eq!(fro.message().await.unwrap(), None);
    }
}

/// The mark says that it may be; but nobody has kept what was sent.
#[tokio::test]
async fn an_upload_is_not_repeated_unless_it_is_kept() {
    for kept in [false, true] {
        let forms = Forms::new();
        let (uri, _server) = forms.serve(Identity::new()).await;
        let retry = JitteredRetryLayer::builder().protocol(Http::new()).build().unwrap();
        let outside = ServiceBuilder::new()
            .map_response(|response: Response<_>| response.map(Body::new))
            .map_err(Status::from_error);
        let way = if kept {
            let kept = outside
                .layer(ReplayBodyLayer::new())
                .layer(retry)
                .map_request(|request: http::Request<buttress::http::ReplayBody>| {
                    request.map(Body::new)
                })
                .service(channel(&uri));
            Way::new(kept)
        } else {
            Way::new(outside.layer(retry).service(channel(&uri)))
        };
        let status = upload(&way, &["say one", "say two", "fail 14"]).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(forms.calls(), if kept { 3 } else { 1 });
    }
}
