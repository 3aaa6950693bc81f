//! Python's client, and our layers on a tonic server.

use std::time::Duration;

use buttress::prelude::*;
use tokio::{
    task::{JoinSet, yield_now},
    time::timeout,
};
use tower::layer::util::Stack;

use crate::{
    LONG,
    python::{Client, Saw},
    service::Forms,
};

const FORMS: [&str; 4] = ["Unary", "ServerStream", "ClientStream", "Bidi"];

struct Stage {
    forms: Forms,
    client: Client,
    bulkhead: BulkheadHandle,
    _server: JoinSet<()>,
}

impl Stage {
    async fn set(limit: Duration, places: usize) -> Self {
        let http = Http::new();
        let bulkhead = BulkheadLayer::builder().max_concurrent(places).protocol(http);
        let bulkhead = bulkhead.build().unwrap();
        let handle = bulkhead.handle();
        let breaker = BreakerLayer::builder().protocol(http).build().unwrap();
        let limit = TimeoutLayer::builder().overall(limit).protocol(http).build().unwrap();
        let layers = Stack::new(Stack::new(bulkhead, breaker), limit);
        let layers =
            Stack::new(Stack::new(layers, AcceptDeadlineLayer::new()), RespondLayer::new());
        let forms = Forms::new();
        let (uri, server) = forms.serve(layers).await;
        Self { forms, client: Client::of(&uri), bulkhead: handle, _server: server }
    }

    async fn until_free(&self) {
        let free = async {
            while self.bulkhead.in_flight() > 0 {
                yield_now().await;
            }
        };
        timeout(LONG, free).await.expect("in time: no call has a place");
    }
}

fn saw(code: &str, details: &str, messages: &str) -> Saw {
    let text = str::to_owned;
    Saw { code: text(code), details: text(details), pushback: text("-"), messages: text(messages) }
}

#[tokio::test]
#[cfg_attr(not(has_grpcio), ignore = "needs Python's grpcio")]
async fn a_handlers_answer_comes_as_it_is() {
    let mut stage = Stage::set(LONG, 64).await;
    for form in FORMS {
        let streams = form == "ServerStream" || form == "Bidi";
        let seen = stage.client.sees(&format!("call {form} - say one;say two")).await;
        assert_eq!(seen, saw("OK", "", if streams { "one,two" } else { "one two" }), "{form}");
        // By trailers after the messages, or by a head that is all there is.
        let seen = stage.client.sees(&format!("call {form} 20 say one;fail 5")).await;
        assert_eq!(seen, saw("NOT_FOUND", "after all", if streams { "one" } else { "" }), "{form}");
        let seen = stage.client.sees(&format!("call {form} - push 250")).await;
        let told = Saw { pushback: "250".into(), ..saw("UNAVAILABLE", "not yet", "") };
        assert_eq!(seen, told, "{form}");
    }
    let seen = stage.client.sees("talk one two three").await;
    assert_eq!(seen, saw("OK", "", "one,two,three"));
}

#[tokio::test]
#[cfg_attr(not(has_grpcio), ignore = "needs Python's grpcio")]
async fn our_handler_sees_the_time_that_python_has() {
    let mut stage = Stage::set(Duration::MAX, 64).await;
    for form in FORMS {
        let seen = stage.client.sees(&format!("call {form} - left")).await;
        assert_eq!(seen, saw("OK", "", "ever"), "{form}");
        let seen = stage.client.sees(&format!("call {form} 20 left")).await;
        assert_eq!(seen.code, "OK");
        let left: u64 = seen.messages.parse().expect("milliseconds");
        // gRPC's core rounds up, by less than a hundredth, what it sends.
        assert!(left > 0 && left < 20_200, "{form} {left}");
    }
}

/// Python sets itself no limit, or a longer one, so it is ours that it hears of.
#[tokio::test]
#[cfg_attr(not(has_grpcio), ignore = "needs Python's grpcio")]
async fn our_limit_is_a_deadline_exceeded() {
    for (form, seconds) in FORMS.into_iter().flat_map(|form| [(form, "-"), (form, "20")]) {
        let mut stage = Stage::set(Duration::from_millis(300), 1).await;
        let line = format!("call {form} {seconds} say one;hang");
        let seen = stage.client.sees(&line).await;
        let streams = form == "ServerStream" || form == "Bidi";
        let cut = saw("DEADLINE_EXCEEDED", "Deadline Exceeded", if streams { "one" } else { "" });
        assert_eq!(seen, cut, "{line}");
        assert_eq!(stage.forms.calls(), 1);
        stage.forms.until_running(0).await;
        stage.until_free().await;
    }
}

#[tokio::test]
#[cfg_attr(not(has_grpcio), ignore = "needs Python's grpcio")]
async fn an_open_breaker_is_unavailable() {
    for form in FORMS {
        let mut stage = Stage::set(LONG, 64).await;
        for _ in 0..5 {
            let seen = stage.client.sees(&format!("call {form} - fail 14")).await;
            assert_eq!(seen, saw("UNAVAILABLE", "after all", ""), "{form}");
        }
        let seen = stage.client.sees(&format!("call {form} - say one")).await;
        let refused = ("UNAVAILABLE", "Unavailable", "");
        assert_eq!((&seen.code[..], &seen.details[..], &seen.messages[..]), refused, "{form}");
        assert_eq!(stage.forms.calls(), 5, "{form}");
    }
}

#[tokio::test]
#[cfg_attr(not(has_grpcio), ignore = "needs Python's grpcio")]
async fn a_full_bulkhead_is_unavailable_until_the_call_is_over() {
    for (form, ends) in FORMS.into_iter().flat_map(|form| [(form, "finish"), (form, "cancel")]) {
        let mut stage = Stage::set(LONG, 1).await;
        stage.client.tell(&format!("open {form} - say one;wait")).await;
        stage.forms.until_running(1).await;
        let seen = stage.client.sees(&format!("call {form} - say two")).await;
        let refused = ("UNAVAILABLE", "Unavailable", "");
        assert_eq!((&seen.code[..], &seen.details[..], &seen.messages[..]), refused, "{form}");

        if ends == "finish" {
            stage.forms.go_on();
        }
        let seen = stage.client.sees(ends).await;
        assert_eq!(seen.code, if ends == "finish" { "OK" } else { "CANCELLED" }, "{form}");
        stage.forms.until_running(0).await;
        stage.until_free().await;
        let seen = stage.client.sees(&format!("call {form} - say two")).await;
        assert_eq!(seen, saw("OK", "", "two"), "{form}");
    }
}
