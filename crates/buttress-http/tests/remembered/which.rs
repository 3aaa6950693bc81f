//! Which responses are stored at all.

use buttress_core::Degraded;
use buttress_http::DEGRADED_HEADER;
use http::HeaderName;

use super::*;

use BodyStep::{Data, Trailers};

fn head(fields: &[(&str, &str)]) -> Builder {
    fields.iter().fold(Response::builder(), |head, (name, value)| head.header(*name, *value))
}

/// Whether it is stored under a key that is shared, and under one that is one user's alone.
async fn stored(http: Http, head: Builder, steps: &[BodyStep]) -> (bool, bool) {
    let mut stored = [false, false];
    let (parts, ()) = head.body(()).unwrap().into_parts();
    for private in [false, true] {
        let notes = Notes::default();
        let body = ScriptedBody::new(steps.to_vec());
        let key = if private { Key::private("key") } else { Key::shared("key") };
        let recording = notes.recording_under(key, PLENTY);
        let response = Response::from_parts(parts.clone(), body);
        let mut body = record(http, response, recording).into_body();
        while let Some(Ok(_)) = body.frame().await {}
        stored[usize::from(private)] = notes.stored().is_some();
    }
    stored.into()
}

const BOTH: (bool, bool) = (true, true);
const NEITHER: (bool, bool) = (false, false);
const PRIVATE: (bool, bool) = (false, true);

#[tokio::test]
async fn only_a_success_that_is_no_part() {
    for status in 100..1000 {
        let expected = if (200..300).contains(&status) && status != 206 && status != 226 {
            BOTH
        } else {
            NEITHER
        };
        let head = head(&[]).status(status);
        assert_eq!(stored(Http::new(), head, &[Data("a")]).await, expected, "{status}");
    }
}

#[tokio::test]
async fn nothing_that_says_that_it_is_not_to_be_stored() {
    for (name, value, expected) in [
        ("cache-control", "no-store", NEITHER),
        ("cache-control", "max-age=60, No-Store", NEITHER),
        ("cache-control", "max-age=60 ,\tno-store\t, public", NEITHER),
        ("cache-control", "no-store=1", NEITHER),
        ("cache-control", "no-store; max-age=0", NEITHER),
        ("cache-control", "private", PRIVATE),
        ("cache-control", "private=\"x-name, x-other\"", PRIVATE),
        ("cache-control", "PRIVATE, max-age=60", PRIVATE),
        ("cache-control", "ext=\"a, b\", private", PRIVATE),
        ("cache-control", "private, no-store", NEITHER),
        ("cache-control", "no-cache, max-age=0, must-revalidate", BOTH),
        ("cache-control", "public", BOTH),
        ("cache-control", "no-stores, privateer, x-no-store", BOTH),
        ("cache-control", "x=no-store, y=private", BOTH),
        ("vary", "*", NEITHER),
        ("vary", "accept, *", NEITHER),
        ("vary", "accept-language", BOTH),
        ("pragma", "no-store", BOTH),
        ("x-cache-control", "no-store", BOTH),
    ] {
        let head = head(&[("cache-control", "max-age=60"), (name, value)]);
        assert_eq!(stored(Http::new(), head, &[Data("a")]).await, expected, "{name}: {value}");
    }
}

#[tokio::test]
async fn nothing_that_stands_in_for_something_itself() {
    static OTHER: HeaderName = HeaderName::from_static("x-stale");
    for http in
        [Http::new(), Http::new().degraded_header(None), Http::new().degraded_header(Some(&OTHER))]
    {
        let inner = head(&[]).header(DEGRADED_HEADER, "tier");
        assert_eq!(stored(http, inner, &[Data("a")]).await, NEITHER, "{http:?}");
        let degraded = Degraded::new("layer".into(), "tier".into());
        let marked = head(&[]).extension(degraded);
        assert_eq!(stored(http, marked, &[Data("a")]).await, NEITHER, "{http:?}");
    }
    let other = || head(&[(OTHER.as_str(), "tier")]);
    let renamed = Http::new().degraded_header(Some(&OTHER));
    assert_eq!(stored(renamed, other(), &[Data("a")]).await, NEITHER);
    assert_eq!(stored(Http::new(), other(), &[Data("a")]).await, BOTH);
}

#[tokio::test]
async fn under_grpc_only_what_ends_with_ok() {
    let grpc = || head(&[("content-type", "application/grpc+proto")]);
    let status = |code: &'static str| Trailers("grpc-status", code);
    for (code, expected) in [
        ("0", BOTH),
        ("5", NEITHER),
        ("14", NEITHER),
        ("", NEITHER),
        ("OK", NEITHER),
        ("00", NEITHER),
    ] {
        let by_trailers = stored(Http::new(), grpc(), &[Data("m"), status(code)]).await;
        assert_eq!(by_trailers, expected, "{code:?}");
        let alone = stored(Http::new(), grpc(), &[status(code)]).await;
        assert_eq!(alone, expected, "{code:?}");
        let by_head = stored(Http::new(), grpc().header("grpc-status", code), &[]).await;
        assert_eq!(by_head, expected, "{code:?}");
    }
    for steps in [&[][..], &[Data("m")], &[Data("m"), Trailers("x", "0")]] {
        assert_eq!(stored(Http::new(), grpc(), steps).await, NEITHER, "{steps:?}: no status");
    }
    let early = || grpc().header("grpc-status", "0");
    assert_eq!(stored(Http::new(), early(), &[Data("m"), Trailers("x", "y")]).await, BOTH);
    let otherwise = [Data("m"), status("14")];
    assert_eq!(stored(Http::new(), early(), &otherwise).await, NEITHER, "clients read both");
}

#[tokio::test]
async fn other_protocols_need_no_status_but_one_that_is_there_counts() {
    for content_type in ["application/json", "application/grpc-web"] {
        let head = || head(&[("content-type", content_type)]);
        assert_eq!(stored(Http::new(), head(), &[Data("m")]).await, BOTH);
        assert_eq!(stored(Http::new(), head(), &[Data("m"), Trailers("x", "14")]).await, BOTH);
        for (code, expected) in [("0", BOTH), ("14", NEITHER)] {
            let by_head = stored(Http::new(), head().header("grpc-status", code), &[]).await;
            assert_eq!(by_head, expected, "{content_type}: {code}");
            let by_trailers = stored(Http::new(), head(), &[Trailers("grpc-status", code)]).await;
            assert_eq!(by_trailers, expected, "{content_type}: {code}");
        }
    }
}

#[tokio::test]
async fn nothing_that_depends_on_what_its_key_does_not_look_at() {
    let fields: Arc<[Box<str>]> = Arc::new(["accept".into(), "x-tenant".into()]);
    for (vary, overlooked) in [
        (&["accept"][..], None),
        (&["X-Tenant,ACCEPT"], None),
        (&["accept", " x-tenant , "], None),
        (&[""], None),
        (&["accept-encoding"], Some("accept-encoding")),
        (&["accept, Accept-Encoding"], Some("Accept-Encoding")),
        (&["accept", "origin"], Some("origin")),
        (&["x"], Some("x")),
    ] {
        let head = |vary: &[&str]| {
            vary.iter().fold(Response::builder(), |head, by| head.header("vary", *by))
        };
        for says in [true, false] {
            let key = Key::shared("key");
            let key = if says { key.of_fields(Arc::clone(&fields)) } else { key };
            let notes = Notes::default();
            let response = head(vary).body(ScriptedBody::new([Data("a")])).unwrap();
            let mut body =
                record(Http::new(), response, notes.recording_under(key, PLENTY)).into_body();
            assert!(body.frame().await.unwrap().is_ok());
            match overlooked.filter(|_| says) {
                None => assert!(notes.stored().is_some(), "{vary:?}"),
                Some(field) => {
                    let cause =
                        format!("the answer varies by `{field}`, which its key does not look at");
                    assert_eq!(notes.all(), [Seen::Failed(cause)], "{vary:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn nothing_that_gives_a_cookie_to_one_of_several_users() {
    let with_cookie = || head(&[("set-cookie", "session=17")]);
    let cause = "the answer sets a cookie, and its key is not that of a user";
    for (key, told) in [
        (Key::shared("key"), Some(cause)),
        (Key::users_alike("key"), None),
        (Key::private("key"), None),
    ] {
        let notes = Notes::default();
        let response = with_cookie().body(ScriptedBody::new([Data("a")])).unwrap();
        let mut body =
            record(Http::new(), response, notes.recording_under(key, PLENTY)).into_body();
        assert!(body.frame().await.unwrap().is_ok());
        match told {
            Some(cause) => assert_eq!(notes.all(), [Seen::Failed(cause.into())]),
            None => assert!(notes.stored().is_some()),
        }
    }
}
