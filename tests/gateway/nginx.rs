//! nginx behind the gateway: its answers pass as they are.

use std::{fmt::Write, fs};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};

use crate::{
    bodies::{empty, full},
    foreign::Nginx,
    running::{Gateway, Speaks, client, send},
};

/// The fields, but for those that a gateway changes, and the time.
fn fields(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let changed = ["connection", "keep-alive", "transfer-encoding", "via", "date"];
    let kept = headers.iter().filter(|(name, _)| !changed.contains(&name.as_str()));
    let mut fields: Vec<_> =
        kept.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    fields.sort();
    fields
}

/// What is asked: a method, a path, and fields.
type Ask = (Method, &'static str, Vec<(&'static str, String)>);

async fn ask(speaks: Speaks, base: &str, (method, path, fields): &Ask) -> Response<Bytes> {
    let uri: Uri = format!("{base}{path}").parse().unwrap();
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, value);
    }
    let body = if method == Method::POST { full("an order") } else { empty() };
    send(&client(speaks), request.body(body).unwrap()).await
}

#[tokio::test]
#[cfg_attr(not(has_nginx), ignore = "needs nginx")]
async fn its_answers_pass_as_they_are() {
    let nginx = Nginx::start().await;
    let files = nginx.folder.join("files");
    let large: Vec<u8> = (0..1_u32 << 20).map(|n| (n ^ (n >> 8)).to_le_bytes()[0]).collect();
    fs::write(files.join("large"), &large).unwrap();
    let text = (0..10_000).fold(String::new(), |mut text, n| {
        writeln!(text, "line {n}").unwrap();
        text
    });
    fs::create_dir(files.join("text")).unwrap();
    fs::write(files.join("text/lines.txt"), text).unwrap();

    let direct = format!("http://{}", nginx.address);
    let gateway = Gateway::start(&[("/", &direct)]).await;
    let through = format!("http://{}", gateway.address);
    let head = ask(Speaks::H1, &direct, &(Method::HEAD, "/large", vec![])).await;
    let etag = head.headers()["etag"].to_str().unwrap().to_owned();
    let gzip = || vec![("accept-encoding", "gzip".to_owned())];
    let range = |of: &str| vec![("range", format!("bytes={of}"))];
    let asks: [(Ask, StatusCode); 12] = [
        ((Method::GET, "/large", vec![]), StatusCode::OK),
        ((Method::HEAD, "/large", vec![]), StatusCode::OK),
        // Compressed as it goes, and so in chunks.
        ((Method::GET, "/text/lines.txt", gzip()), StatusCode::OK),
        ((Method::HEAD, "/text/lines.txt", gzip()), StatusCode::OK),
        ((Method::GET, "/large", vec![("if-none-match", etag.clone())]), StatusCode::NOT_MODIFIED),
        (
            (Method::GET, "/large", vec![("if-match", "\"another\"".into())]),
            StatusCode::PRECONDITION_FAILED,
        ),
        ((Method::GET, "/large", range("100-199")), StatusCode::PARTIAL_CONTENT),
        ((Method::GET, "/large", range("0-9,100-109")), StatusCode::PARTIAL_CONTENT),
        ((Method::GET, "/large", range("9999999-")), StatusCode::RANGE_NOT_SATISFIABLE),
        ((Method::GET, "/nothing", vec![]), StatusCode::NOT_FOUND),
        ((Method::POST, "/large", vec![]), StatusCode::METHOD_NOT_ALLOWED),
        ((Method::GET, "/small", vec![]), StatusCode::OK),
    ];
    for (asked, status) in &asks {
        let own = ask(Speaks::H1, &direct, asked).await;
        assert_eq!(own.status(), *status, "{asked:?}");
        for speaks in [Speaks::H1, Speaks::H2] {
            let passed = ask(speaks, &through, asked).await;
            assert_eq!(passed.status(), own.status(), "{asked:?}");
            assert_eq!(passed.headers()["via"], "1.1 buttress-gateway");
            if is_multipart(&own) {
                // The boundary is another each time.
                assert_eq!(passed.body().len(), own.body().len(), "{asked:?}");
                continue;
            }
            assert_eq!(fields(passed.headers()), fields(own.headers()), "{asked:?}");
            assert!(passed.body() == own.body(), "{asked:?}: another body");
        }
    }
    let whole = ask(Speaks::H2, &through, &asks[0].0).await;
    assert!(whole.body() == &large);
}

fn is_multipart(response: &Response<Bytes>) -> bool {
    let kind = response.headers().get("content-type").map(http::HeaderValue::as_bytes);
    kind.is_some_and(|kind| kind.starts_with(b"multipart/"))
}
