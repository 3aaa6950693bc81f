//! A Redis of one's own, which can be killed and restarted: then it has lost what it had. Faults that
//! leave it as it is are those of a proxy before it.

#![allow(dead_code, reason = "not each test that has one does everything with it")]

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::{sleep, timeout},
};

/// Of a store, by its documentation, from the beginning of an attempt to connect that came to nothing
/// to the next one.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);

/// Runs on a port of its own until it is dropped.
pub(crate) struct Server {
    port: u16,
    folder: PathBuf,
    process: Child,
}

impl Server {
    /// A server that answers already.
    pub(crate) async fn start() -> Self {
        // Another program may take the port that was free a moment ago.
        for _ in 0..20 {
            let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if let Some(server) = Self::at(free).await {
                return server;
            }
        }
        panic!("redis-server does not start");
    }

    /// A server that answers at this port, unless another does.
    pub(crate) async fn at(port: u16) -> Option<Self> {
        let folder = folder();
        let process = spawn(port, &folder);
        let mut server = Self { port, folder, process };
        server.answers().await.then_some(server)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Kills it, as a crash would: nothing is saved, and its port refuses connections.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again on the same port, empty, after it was killed; and whatever was refused last may
    /// try again.
    pub(crate) async fn restart(&mut self) {
        self.process = spawn(self.port, &self.folder);
        assert!(self.answers().await, "redis-server does not start again");
        sleep(PAUSE).await;
    }

    /// Waits until it answers, and not another server; not if its process has ended.
    async fn answers(&mut self) -> bool {
        const AT_MOST: Duration = Duration::from_secs(30);
        let answering = async {
            while self.process.try_wait().unwrap().is_none() {
                if process_at(self.port).await.is_ok_and(|process| process == self.process.id()) {
                    return true;
                }
                sleep(Duration::from_millis(5)).await;
            }
            false
        };
        timeout(AT_MOST, answering).await.unwrap_or(false)
    }
}

/// The process that answers at this port, by its own word.
async fn process_at(port: u16) -> io::Result<u32> {
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await?);
    stream.write_all(b"INFO server\r\n").await?;
    let mut lines = stream.lines();
    while let Some(line) = lines.next_line().await? {
        if let Some(process) = line.strip_prefix("process_id:") {
            return process.parse().map_err(io::Error::other);
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("buttress-redis-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn spawn(port: u16, folder: &PathBuf) -> Child {
    Command::new(option_env!("BUTTRESS_REDIS_PATH").unwrap_or("redis-server"))
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no"])
        .arg("--dir")
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server runs")
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
