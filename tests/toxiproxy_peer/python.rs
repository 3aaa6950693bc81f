//! Python's client, as a program that runs until it is dropped.

use std::{net::SocketAddr, process::Stdio};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::LONG;

pub(crate) struct Python {
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Python {
    pub(crate) fn run(server: SocketAddr) -> Self {
        let mut child = Command::new("python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/toxiproxy_peer/client.py"))
            .args([server.ip().to_string(), server.port().to_string()])
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { stdin, stdout, _child: child }
    }

    /// Tells it to do something, and gives back what it says of that.
    async fn tell(&mut self, verb: &str, arguments: Value) -> Value {
        let line = format!("{}\n", json!([verb, arguments]));
        self.stdin.write_all(line.as_bytes()).await.unwrap();
        let line = timeout(LONG, self.stdout.next_line()).await.expect("in time: Python answers");
        serde_json::from_str(&line.unwrap().expect("it answers")).unwrap()
    }

    /// What came of it.
    pub(crate) async fn does(&mut self, verb: &str, arguments: Value) -> Value {
        let mut said = self.tell(verb, arguments).await;
        assert!(said.get("raised").is_none(), "{verb}: {said}");
        said["did"].take()
    }

    /// The name of the error that it raised, and its text.
    pub(crate) async fn raises(&mut self, verb: &str, arguments: Value) -> (String, String) {
        let said = self.tell(verb, arguments).await;
        let part = |name: &str| said[name].as_str().unwrap_or_else(|| panic!("{said}")).to_owned();
        (part("raised"), part("text"))
    }
}
