//! Who has a place in the bulkhead, and how long.

use tonic::Code;

use crate::{
    all, got,
    stage::{LONG, Stage},
};

#[tokio::test]
async fn a_place_is_held_until_the_call_is_over() {
    for (stands, form) in all() {
        let stage = Stage::set(stands, LONG, 1).await;
        let way = stage.way.clone();
        let first = tokio::spawn(async move { form.call(&way, "say one;wait").await });
        stage.forms.until_running(1).await;
        let seen = form.call(&stage.way, "say two").await;
        assert_eq!(seen, got(&[], Code::Unavailable, "Unavailable"), "{stands:?} {form:?}");
        assert_eq!(stage.forms.calls(), 1, "{stands:?} {form:?}");

        stage.forms.go_on();
        assert_eq!(first.await.unwrap(), got(&["one"], Code::Ok, ""), "{stands:?} {form:?}");
        // The server may hear of the end a moment after its client.
        stage.until_free().await;
        let seen = form.call(&stage.way, "say two").await;
        assert_eq!(seen, got(&["two"], Code::Ok, ""), "{stands:?} {form:?}");
    }
}

#[tokio::test]
async fn a_caller_who_leaves_frees_it() {
    for (stands, form) in all() {
        let stage = Stage::set(stands, LONG, 1).await;
        let way = stage.way.clone();
        let first = tokio::spawn(async move { form.call(&way, "say one;hang").await });
        stage.forms.until_running(1).await;
        assert_eq!(stage.in_flight(), 1, "{stands:?} {form:?}");
        first.abort();
        stage.forms.until_running(0).await;
        stage.until_free().await;
        let seen = form.call(&stage.way, "say two").await;
        assert_eq!(seen, got(&["two"], Code::Ok, ""), "{stands:?} {form:?}");
    }
}
