//! Fields: those of one connection stay on it, and all others pass. And what a hostile client sends.

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use proptest::{collection::vec, prelude::*, sample::select};

use crate::{
    bodies::empty,
    proxy::hop_by_hop,
    raw::{self, Recorder},
    running::{Gateway, Speaks, client, send},
};

const PLAIN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\na page";

/// The lines of a head, but for the first.
fn lines(message: &str) -> Vec<&str> {
    let (head, _) = message.split_once("\r\n\r\n").expect("a head");
    let mut lines: Vec<_> = head.split("\r\n").skip(1).collect();
    lines.sort_unstable();
    lines
}

#[tokio::test]
async fn fields_of_one_connection_stay_on_it() {
    let upstream = Recorder::start(
        "HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close, x-inner\r\nkeep-alive: timeout=5\r\n\
         proxy-authenticate: Basic\r\nupgrade: h2c\r\nx-inner: 1\r\nx-kept: 1\r\nx-kept: 2\r\n\
         via: 1.0 inner\r\ndate: today\r\n\r\na page",
    )
    .await;
    let gateway = Gateway::start(&[("/", &upstream.url())]).await;
    let answer = raw::ask(
        gateway.address,
        "GET /a/%2e%2E/b?c=%20&d HTTP/1.1\r\nhost: shop.example\r\nconnection: close, X-Outer ,\r\n\
         keep-alive: timeout=5\r\nproxy-connection: close\r\nte: gzip\r\nupgrade: websocket\r\n\
         proxy-authorization: Basic AAAA\r\nx-outer: 1\r\nx-kept: 1\r\nx-kept: 2\r\nvia: 1.0 outer\r\n\
         x-forwarded-for: 10.0.0.1\r\nexpect: 100-continue\r\nmax-forwards: 3\r\n\r\n",
    )
    .await;
    let heard = upstream.heard();
    let host = format!("host: {}", upstream.url().trim_start_matches("http://"));
    assert!(heard[0].starts_with("GET /a/%2e%2E/b?c=%20&d HTTP/1.1\r\n"), "{heard:?}");
    let timeout =
        lines(&heard[0]).into_iter().find(|line| line.starts_with("x-request-timeout-ms: "));
    assert_eq!(
        lines(&heard[0]),
        [
            "forwarded: for=127.0.0.1;proto=http",
            &host,
            "max-forwards: 3",
            "via: 1.0 outer",
            "via: 1.1 buttress-gateway",
            "x-forwarded-for: 10.0.0.1",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: shop.example",
            "x-forwarded-proto: http",
            "x-kept: 1",
            "x-kept: 2",
            timeout.expect("what remains of the deadline"),
        ]
    );
    assert_eq!(
        lines(&answer),
        [
            // hyper's own, for the client asked for it.
            "connection: close",
            "content-length: 6",
            "date: today",
            "via: 1.0 inner",
            "via: 1.1 buttress-gateway",
            "x-kept: 1",
            "x-kept: 2",
        ]
    );
}

/// Each is answered by an error or is harmless; and the gateway is still there.
#[tokio::test]
async fn what_hostile_clients_send() {
    let upstream = Recorder::start(PLAIN).await;
    let gateway = Gateway::start(&[("/", &upstream.url())]).await;
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: 1\r\n".repeat(1_000));
    let long = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "1".repeat(1 << 20));
    let cases: [(&[u8], &str); 16] = [
        (b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n", "400"),
        (b"GET / HTTP/1.0\r\n\r\n", "200"),
        (b"OPTIONS * HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "404"),
        (b"CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\nconnection: close\r\n\r\n", "501"),
        (b"GET http://b/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "200"),
        (b"GET / HTTP/1.1\r\nhost: a\r\nconnection: \xff\xfe;=,\"a\", ,\r\nconnection: close\r\n\r\n", "200"),
        (
            b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close, host, content-length, via\r\n\r\n",
            "200",
        ),
        (b"GET / HTTP/1.1\r\nhost: \xff\xfe\r\nconnection: close\r\n\r\n", "400"),
        (b"GET /\x01 HTTP/1.1\r\nhost: a\r\n\r\n", "400"),
        (b"GET / HTTP/9.9\r\nhost: a\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\n 2\r\n\r\n", "400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nhost : a\r\n\r\n", "400"),
        (many.as_bytes(), "431"),
        (long.as_bytes(), "431"),
    ];
    for (request, status) in cases {
        let answer = raw::ask(gateway.address, request).await;
        let request = String::from_utf8_lossy(&request[..request.len().min(200)]);
        assert_eq!(answer.get(9..12), Some(status), "{request:?}: {answer:?}");
        let plain = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let answer = raw::ask(gateway.address, plain).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "after {request:?}: {answer:?}");
    }
    let heard = upstream.heard();
    // Those that are answered with a 200, and as many plain ones as there are cases.
    assert_eq!(heard.len(), 4 + 16);
    for heard in heard {
        assert_eq!(heard.matches("\r\nhost: ").count(), 1, "{heard}");
    }
}

/// What one server takes for a body and the next one for a request.
#[tokio::test]
async fn no_request_is_smuggled() {
    let upstream = Recorder::start(PLAIN).await;
    let gateway = Gateway::start(&[("/", &upstream.url())]).await;
    let smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    let post = |fields: &str| format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n{smuggled}");
    let length = format!("content-length: {}", smuggled.len());
    for (fields, status) in [
        ("content-length: 5\r\ncontent-length: 6".into(), "400"),
        ("content-length: 5, 6".into(), "400"),
        ("content-length: +5".into(), "400"),
        ("transfer-encoding: chunked, gzip".into(), "400"),
        ("transfer-encoding: xchunked".into(), "400"),
        ("transfer-encoding: gzip, chunked\r\nconnection: close".into(), "501"),
        (format!("{length}\r\ntransfer-encoding: chunked"), "200"),
        (format!("transfer-encoding: chunked\r\n{length}"), "200"),
        (format!("connection: content-length, close\r\n{length}"), "200"),
    ] {
        let answer = raw::ask(gateway.address, post(&fields)).await;
        assert_eq!(answer.get(9..12), Some(status), "{fields}: {answer:?}");
        let requests = upstream.heard();
        assert_eq!(requests.len(), usize::from(status == "200"), "{fields}: {requests:?}");
        for heard in requests {
            let (head, body) = heard.split_once("\r\n\r\n").unwrap();
            let (chunked, length) = (
                head.matches("\r\ntransfer-encoding: chunked").count(),
                head.matches("\r\ncontent-length: ").count(),
            );
            assert!(head.starts_with("POST / ") && chunked + length == 1, "{fields}: {heard}");
            assert!(length == 1 || !body.contains("smuggled"), "{fields}: {heard}");
        }
    }
}

#[tokio::test]
async fn http_2_may_cut_up_cookies_and_http_1_may_not() {
    let upstream = Recorder::start(PLAIN).await;
    let gateway = Gateway::start(&[("/", &upstream.url())]).await;
    let request = Request::get(gateway.uri("/")).header("cookie", "a=1").header("cookie", "b=2");
    let response = send(&client(Speaks::H2), request.body(empty()).unwrap()).await;
    assert_eq!(response.headers()["via"], "1.1 buttress-gateway");
    let heard = upstream.heard();
    let lines = lines(&heard[0]);
    assert!(
        lines.contains(&"cookie: a=1; b=2") && lines.contains(&"via: 2 buttress-gateway"),
        "{lines:?}"
    );
}

fn any_fields() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let names = ["connection", "te", "upgrade", "x-a", "x-b", "x-c", "cookie", "via", "host"];
    let odd = || vec(select(b"x-a, X-B\tte\xff;=\"cookie ,,".to_vec()), 0..12);
    let list = select(vec!["x-a", " X-B ,x-c", "close", "host,cookie", "x-a,,x-a", "TE"]);
    vec((select(names.to_vec()), prop_oneof![odd(), list.prop_map(Vec::from)]), 0..12)
}

proptest! {
    /// Against what is said in RFC 9110, in the plainest words.
    #[test]
    fn what_connection_names_never_passes_and_all_else_does(fields in any_fields()) {
        let named = |name: &str| fields.iter().filter(|(of, _)| *of == "connection").any(|(_, value)| {
            let text = value.to_ascii_lowercase();
            text.split(|byte| *byte == b',').any(|token| token.trim_ascii() == name.as_bytes())
        });
        let always = ["connection", "te", "upgrade"];
        let mut headers = HeaderMap::new();
        for (name, value) in &fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
        }
        hop_by_hop::take_out(&mut headers);
        for (name, _) in &fields {
            let all = fields.iter().filter(|(of, _)| of == name).map(|(_, value)| &value[..]);
            let expected: Vec<_> = all.filter(|_| !named(name) && !always.contains(name)).collect();
            let left: Vec<_> = headers.get_all(*name).into_iter().map(HeaderValue::as_bytes).collect();
            prop_assert_eq!(left, expected, "{}", name);
        }
    }
}
