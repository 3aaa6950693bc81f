//! Foreign clients, one request and many: curl, and nghttp2's h2load, over HTTP/1 and HTTP/2.

use std::fs;

use crate::{
    foreign::{Nginx, program, says},
    proxy::{Layers, Settings},
    running::{Gateway, SETTINGS, Speaks, WAYS},
    upstream::Upstream,
};

/// Of each protocol.
const REQUESTS: usize = 50_000;

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_curl), ignore = "needs curl")]
async fn curl_gets_back_what_it_sends() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let sent = folder.join(format!("curl-{}", std::process::id()));
    let page: Vec<u8> = (0..1_u32 << 20).map(|n| (n ^ (n >> 8)).to_le_bytes()[0]).collect();
    fs::write(&sent, &page).unwrap();
    let upstream = Upstream::echo().await;
    for (ours, theirs) in WAYS {
        let gateway = Gateway::start(&[("/", &upstream.speaking(theirs))]).await;
        let (received, file) = (sent.with_extension("back"), sent.display());
        // Where the protocol has them: by a length, in chunks of no known one, and after a "100 Continue".
        let hows: &[&str] = match ours {
            Speaks::H1 => &[
                "--http1.1",
                "--http1.1 -H transfer-encoding:chunked",
                "--http1.1 -H expect:100-continue",
            ],
            Speaks::H2 => &["--http2-prior-knowledge"],
        };
        for how in hows {
            let args = format!(
                "-q --noproxy * -sS --fail-with-body -m 60 {how} -T {file} -o {} {}",
                received.display(),
                gateway.uri("/")
            );
            says(program(option_env!("BUTTRESS_CURL_PATH")), words(&args)).await;
            let back = fs::read(&received).unwrap();
            assert!(back == page, "{ours:?} to {theirs:?}, {how}: another body");
        }
        let _ = fs::remove_file(received);
    }
    let _ = fs::remove_file(sent);
}

/// That all requests were answered with a 2xx, by what h2load prints.
fn assert_all_succeeded(said: &str) {
    let line = |begins: &str| said.lines().find(|line| line.starts_with(begins)).unwrap_or(said);
    let expected = format!(
        "requests: {REQUESTS} total, {REQUESTS} started, {REQUESTS} done, {REQUESTS} succeeded, 0 failed, \
         0 errored, 0 timeout"
    );
    assert_eq!(line("requests: "), expected);
    let expected = format!("status codes: {REQUESTS} 2xx, 0 3xx, 0 4xx, 0 5xx");
    assert_eq!(line("status codes: "), expected);
}

/// Without a breaker that opens, or a limit that cuts, these would pass as well: what is tested is that
/// the protocols are spoken without a fault. So the limit on an attempt is that of the example.
async fn a_hundred_thousand(upstream: &str) {
    let settings = Settings { attempt: std::time::Duration::from_secs(10), ..SETTINGS };
    let gateway = Gateway::with(settings, Layers::Stack, &[("/", upstream)]).await;
    let uri = gateway.uri("/small");
    for of_protocol in ["--h1 -c 16", "-c 8 -m 16"] {
        let args = format!("-n {REQUESTS} -t 1 {of_protocol} {uri}");
        let said = says(program(option_env!("BUTTRESS_H2LOAD_PATH")), words(&args)).await;
        assert_all_succeeded(&said);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(has_h2load, has_nginx)), ignore = "needs h2load and nginx")]
async fn a_hundred_thousand_requests_reach_nginx_without_a_fault() {
    let nginx = Nginx::start().await;
    a_hundred_thousand(&format!("http://{}", nginx.address)).await;
}
