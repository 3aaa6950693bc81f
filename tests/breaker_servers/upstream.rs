//! An upstream that is a process of its own, so that it can be killed.

use std::{
    env,
    io::{self, Read},
    net::{Ipv4Addr, SocketAddr},
    process::{self, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use http::Uri;
use tokio::{
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    task::spawn_blocking,
    time::{Instant, sleep},
};

/// Tells the process to serve, and where.
const ADDRESS: &str = "BUTTRESS_TEST_UPSTREAM";

/// How long a machine may take to start a process.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that serves at an address that stays the same; killed when it is dropped.
pub(crate) struct Upstream {
    address: SocketAddr,
    process: Child,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let address = an_address().await;
        let mut upstream = Self { address, process: launch(address) };
        upstream.wait_until_it_accepts().await;
        upstream
    }

    pub(crate) fn uri(&self) -> Uri {
        format!("http://{}/", self.address).parse().unwrap()
    }

    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    pub(crate) async fn restart(&mut self) {
        self.process = launch(self.address);
        self.wait_until_it_accepts().await;
    }

    async fn wait_until_it_accepts(&mut self) {
        let start = Instant::now();
        while TcpStream::connect(self.address).await.is_err() {
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none(), "the upstream at {} ended: {ended:?}", self.address);
            assert!(start.elapsed() < PATIENCE, "the upstream does not accept connections");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// One that nobody takes while the process is down: the ports that systems give out on their own,
/// also to connections that go out, lie above these.
async fn an_address() -> SocketAddr {
    let first = u16::try_from(process::id() % 10_000).unwrap();
    for port in (0..100).map(|n| 20_000 + (first + n) % 10_000) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).await.is_ok() {
            return address;
        }
    }
    panic!("no port is free");
}

fn launch(address: SocketAddr) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "upstream::serves_until_killed", "--ignored", "--nocapture"])
        .env(ADDRESS, address.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Answers each request with its number, from 1.
#[tokio::test]
#[ignore = "it is the upstream process that another test starts"]
async fn serves_until_killed() {
    // Whoever runs the ignored tests means no server.
    let Ok(address) = env::var(ADDRESS) else { return };
    let listener = TcpListener::bind(address).await.unwrap();
    let requests = Arc::new(AtomicU32::new(0));
    let number = async move || (requests.fetch_add(1, Ordering::SeqCst) + 1).to_string();
    // Nothing is written there; it ends when the process that holds it does, however it ends.
    let orphaned = spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new()));
    tokio::select! {
        served = axum::serve(listener, Router::new().route("/", get(number))) => served.unwrap(),
        _ = orphaned => {}
    }
}
