//! Which fields of a response its copy has.

use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

/// The fields of the copy of a response with these, and its trailers.
fn copied(fields: &HeaderMap, trailers: HeaderMap) -> (HeaderMap, Option<HeaderMap>, Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let notes = Notes::default();
        let body =
            Full::new(Bytes::from("body")).with_trailers(std::future::ready(Some(Ok(trailers))));
        let mut response = Response::new(Box::pin(body));
        *response.headers_mut() = fields.clone();
        let response = record(Http::new(), response, notes.recording(PLENTY));
        assert_eq!(response.headers(), fields, "what passes is as it was");
        let _ = response.into_body().collect().await.unwrap();
        let (copy, age) = notes.stored().expect("a good response");
        let (_, fields, _, trailers) = read(copy).await;
        (fields, trailers, age)
    })
}

fn map(fields: &[(&str, &[u8])]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    map
}

#[test]
fn what_belongs_to_a_connection_or_a_visitor_is_left_out() {
    let fields = map(&[
        ("content-type", b"text/plain"),
        ("connection", b"close, X-Hop"),
        ("connection", b"x-other-hop"),
        ("keep-alive", b"timeout=5"),
        ("proxy-connection", b"keep-alive"),
        ("proxy-authenticate", b"Basic"),
        ("proxy-authentication-info", b"nextnonce=1"),
        ("te", b"trailers"),
        ("transfer-encoding", b"chunked"),
        ("upgrade", b"h2c"),
        ("set-cookie", b"id=1"),
        ("set-cookie", b"other=2"),
        ("age", b"7"),
        ("x-hop", b"1"),
        ("x-other-hop", b"2"),
        ("close", b"the name of a field, too"),
        ("x-hop-not", b"3"),
        ("cookie", b"id=1"),
        ("trailer", b"x-sum"),
    ]);
    let trailers = map(&[("x-sum", b"1"), ("x-hop", b"4"), ("set-cookie", b"id=3"), ("age", b"1")]);
    let (fields, trailers, age) = copied(&fields, trailers);
    let left = map(&[
        ("content-type", b"text/plain"),
        ("x-hop-not", b"3"),
        ("cookie", b"id=1"),
        ("trailer", b"x-sum"),
    ]);
    assert_eq!((fields, trailers), (left, Some(map(&[("x-sum", b"1")]))));
    assert_eq!(age, Duration::from_secs(7));
}

#[test]
fn trailers_of_which_nothing_is_left_are_none() {
    let trailers = map(&[("set-cookie", b"id=1")]);
    assert_eq!(copied(&HeaderMap::new(), trailers), (HeaderMap::new(), None, Duration::ZERO));
}

#[test]
fn the_age_is_what_a_cache_would_read() {
    for (fields, seconds) in [
        (&[][..], 0),
        (&[("age", &b"12"[..])], 12),
        (&[("age", b"12, 40")], 12),
        (&[("age", b"12"), ("age", b"40")], 12),
        (&[("age", b"0")], 0),
        (&[("age", b"99999999999999999999999")], u64::MAX),
        (&[("age", b"")], 0),
        (&[("age", b"-1")], 0),
        (&[("age", b"+1")], 0),
        (&[("age", b"1.5")], 0),
        (&[("age", b"x, 5")], 0),
        (&[("age", b"\xff")], 0),
    ] {
        let (_, _, age) = copied(&map(fields), HeaderMap::new());
        assert_eq!(age, Duration::from_secs(seconds), "{fields:?}");
    }
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "content-type",
        "x-a",
        "x-b",
        "x-hop",
        "etag",
        "set-cookie",
        "age",
        "te",
        "upgrade",
        "vary",
    ])
}

/// Anything that a value can have in it.
fn value() -> impl Strategy<Value = HeaderValue> {
    let byte = prop_oneof![Just(b'\t'), 0x20..0x7f_u8, 0x80..=0xff_u8];
    let bytes = prop::collection::vec(byte, 0..6);
    (bytes, prop::bool::weighted(0.1)).prop_map(|(bytes, sensitive)| {
        let mut value = HeaderValue::from_bytes(&bytes).unwrap();
        value.set_sensitive(sensitive);
        value
    })
}

fn fields() -> impl Strategy<Value = HeaderMap> {
    prop::collection::vec((name(), value()), 0..12)
        .prop_map(|fields| {
            let fields = fields.into_iter();
            // These would say that it is not to be stored, or is gRPC.
            let fields = fields.filter(|(_, value)| value != "*");
            let mut map = HeaderMap::new();
            for (name, value) in fields {
                map.append(name, value);
            }
            map
        })
        .prop_filter("stored", |map| {
            !map.get_all("vary").iter().any(|value| value.as_bytes().contains(&b'*'))
        })
}

/// What is to be left of these, said as simply as can be.
fn left(fields: &HeaderMap, hop: bool) -> HeaderMap {
    let mut left = HeaderMap::new();
    for (name, value) in fields {
        let out = ["connection", "set-cookie", "age", "te", "upgrade"].contains(&name.as_str())
            || (hop && name == "x-hop")
            || value.is_sensitive();
        if !out {
            left.append(name, value.clone());
        }
    }
    left
}

proptest! {
    /// Names may be repeated, values of one name keep their order, and what is in them is opaque.
    #[test]
    fn all_others_are_copied_as_they_are(mut head in fields(), trailers in fields(), hop: bool) {
        if hop {
            head.append("connection", HeaderValue::from_static("x-hop"));
        }
        let (read, read_trailers, _) = copied(&head, trailers.clone());
        prop_assert_eq!(read, left(&head, hop));
        let trailers = left(&trailers, hop);
        prop_assert_eq!(read_trailers, Some(trailers).filter(|trailers| !trailers.is_empty()));
    }
}
