//! Both ends of a connection as bytes.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::soon;

/// All that is answered to these bytes until the connection is closed, as text.
pub(crate) async fn ask(gateway: SocketAddr, request: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(gateway).await.unwrap();
    // One that is refused may be before all of it was sent.
    let _ = stream.write_all(request.as_ref()).await;
    let mut answer = Vec::new();
    let shown = String::from_utf8_lossy(request.as_ref());
    let what =
        format!("the connection is closed after {:?}", shown.chars().take(200).collect::<String>());
    let _ = soon(&what, stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// An upstream that writes down what it gets, and answers each request with the same bytes.
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

impl Recorder {
    pub(crate) async fn start(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let record = Arc::clone(&heard);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, answer, Arc::clone(&record)));
            }
        });
        Self { address, heard, _serving: serving }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far, each as it came, and forgets them.
    pub(crate) fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

/// Answers one request, and closes the connection.
async fn serve(mut stream: TcpStream, answer: &str, record: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    while !is_whole(&request) {
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(read) => request.extend_from_slice(&part[..read]),
        }
    }
    record.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// Whether the head is here, and of a body that is announced what ends it.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    if head.contains("\r\ntransfer-encoding: chunked") {
        return body.ends_with("0\r\n\r\n");
    }
    let length = head.split_once("\r\ncontent-length: ").map_or("0", |(_, rest)| rest);
    let length = length.split("\r\n").next().unwrap_or_default();
    body.len() >= length.parse().unwrap_or(0)
}
