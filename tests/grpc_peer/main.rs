//! A foreign gRPC server, Python's, understands the deadline that is sent to it.

use std::{
    io::{self, Write as _},
    process::Stdio,
    time::Duration,
};

use buttress::prelude::*;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};
use tower::{ServiceBuilder, ServiceExt};

/// The server, and its port; none where Python has no grpcio.
async fn peer() -> Option<(Child, u16)> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/grpc_peer/peer.py");
    let mut peer = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let mut line = String::new();
    BufReader::new(peer.stdout.take()?).read_line(&mut line).await.ok()?;
    Some((peer, line.trim().parse().ok()?))
}

#[tokio::test]
async fn python_sees_the_remaining_time_that_we_send() {
    let Some((_peer, port)) = peer().await else {
        // Where everything is meant to be there, its absence is a failure.
        assert!(std::env::var_os("BUTTRESS_GRPCIO").is_none(), "grpcio does not run");
        // Not by `eprintln`, which the harness keeps to itself when a test passes.
        let _ = writeln!(
            io::stderr(),
            "SKIPPED: python3 has no grpcio here; `pip install grpcio` brings it"
        );
        return;
    };
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<Bytes>>();
    let client = ServiceBuilder::new().layer(SendDeadlineLayer::new()).service(client);
    let deadline = Deadline::after(Duration::from_secs(20));
    let mut before = deadline.remaining();
    for _ in 0..2 {
        let request = Request::post(format!("http://127.0.0.1:{port}/buttress.Clock/Remaining"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(Bytes::from_static(&[0; 5])))
            .unwrap();
        let call = Deadline::scoped(Some(deadline), client.clone().oneshot(request));
        let response = call.await.unwrap();
        let answer = response.into_body().collect().await.unwrap();
        assert_eq!(answer.trailers().unwrap()["grpc-status"], "0");
        let text = String::from_utf8(answer.to_bytes()[5..].to_vec()).unwrap();
        let seen = Duration::from_secs_f64(text.parse().expect("seconds"));
        assert!(seen > Duration::ZERO && seen < before, "{seen:?} of {before:?}");
        before = seen;
    }
}
