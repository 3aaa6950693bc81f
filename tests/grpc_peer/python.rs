//! Python's gRPC, as programs that run until they are dropped.

use std::process::Stdio;

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::LONG;

struct Python {
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Python {
    fn run(script: &str, argument: &str) -> Self {
        let mut child = Command::new("python3")
            .arg(format!("{}/grpc_peer/{script}", env!("CARGO_MANIFEST_DIR")))
            .arg(argument)
            .env("no_grpc_proxy", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { stdin, stdout, _child: child }
    }

    async fn line(&mut self) -> String {
        let line =
            timeout(LONG, self.stdout.next_line()).await.expect("in time: Python says something");
        line.unwrap().expect("it says something")
    }
}

/// Python's server.
pub(crate) struct Server {
    pub(crate) uri: String,
    _python: Python,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let mut python = Python::run("server.py", "");
        let uri = format!("http://127.0.0.1:{}", python.line().await);
        Self { uri, _python: python }
    }
}

/// What Python's client saw.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Saw {
    pub(crate) code: String,
    pub(crate) details: String,
    pub(crate) pushback: String,
    pub(crate) messages: String,
}

/// Python's client.
pub(crate) struct Client(Python);

impl Client {
    pub(crate) fn of(uri: &str) -> Self {
        Self(Python::run("client.py", uri.trim_start_matches("http://")))
    }

    /// Tells it to do something, of which there is nothing to see yet.
    pub(crate) async fn tell(&mut self, line: &str) {
        self.0.stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// Tells it to do something, and sees what comes of it.
    pub(crate) async fn sees(&mut self, line: &str) -> Saw {
        self.tell(line).await;
        let line = self.0.line().await;
        let parts: Vec<_> = line.split('\t').map(str::to_owned).collect();
        let [code, details, pushback, messages] = <[_; 4]>::try_from(parts).expect("four parts");
        Saw { code, details, pushback, messages }
    }
}
