//! A server that says when to come back.

use std::time::{Duration, SystemTime};

use http::{Request, StatusCode, header::RETRY_AFTER};

use crate::{
    client::{Speaks, Told, full, replaying, send},
    server::{Reaction, Server, status},
};

/// Asks once to be left alone, by this header, then serves.
async fn asks(hint: impl Fn() -> String + Send + Sync + 'static) -> Server {
    Server::start(move |number| {
        let mut response = status(if number == 0 { 503 } else { 200 });
        if number == 0 {
            response.headers_mut().insert(RETRY_AFTER, hint().parse().unwrap());
        }
        Reaction::Answers(response)
    })
    .await
}

async fn waits_for(server: &Server) -> Duration {
    let told = Told::default();
    let request = Request::get(&server.uri).body(full("")).unwrap();
    let response = send(&replaying(Speaks::H1, &told), request).await;
    assert_eq!((response.status(), server.requests()), (StatusCode::OK, 2));
    let seen = server.seen();
    let [delay] = told.delays()[..] else { panic!("one wait") };
    // What the server saw is at least what was said.
    assert!(seen[1].at - seen[0].at >= delay);
    delay
}

#[tokio::test]
async fn seconds_are_waited_for_and_no_more_than_half_of_them_on_top() {
    let second = Duration::from_secs(1);
    let delay = waits_for(&asks(|| "1".into()).await).await;
    assert!(delay >= second && delay <= second * 3 / 2, "{delay:?}");
}

#[tokio::test]
async fn a_date_is_waited_for() {
    let date = SystemTime::now() + Duration::from_secs(3);
    let before = SystemTime::now();
    let delay = waits_for(&asks(move || httpdate::fmt_http_date(date)).await).await;
    // Dates have whole seconds.
    assert!(before + delay <= date + Duration::from_secs(3) / 2, "{delay:?}");
    assert!(SystemTime::now() >= date - Duration::from_secs(1));
}
