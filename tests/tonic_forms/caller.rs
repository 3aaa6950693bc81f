//! A client of the service, by any form of call.

#![allow(dead_code, reason = "not each test that has one does everything with it")]

use buttress::prelude::*;
use futures_util::{Stream, StreamExt, stream};
use http::{Request, Response};
use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming, body::Body, client::Grpc, transport::Channel};
use tower::util::BoxCloneSyncService;

use crate::text::Text;

/// What a client goes through. Its error is not `BoxError`, or the compiler says of a task with a call in
/// it that "`From` is not general enough".
pub(crate) type Way = BoxCloneSyncService<Request<Body>, Response<Body>, Status>;

pub(crate) fn channel(uri: &str) -> Channel {
    Channel::from_shared(uri.to_owned()).unwrap().connect_lazy()
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Form {
    Unary,
    ServerStream,
    ClientStream,
    Bidi,
}

/// What a caller got: the messages, and the end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Got {
    pub(crate) messages: Vec<String>,
    pub(crate) code: Code,
    pub(crate) text: String,
}

impl Form {
    pub(crate) const ALL: [Self; 4] =
        [Self::Unary, Self::ServerStream, Self::ClientStream, Self::Bidi];

    /// Whether messages come before the end.
    pub(crate) fn streams(self) -> bool {
        matches!(self, Self::ServerStream | Self::Bidi)
    }

    fn path(self) -> http::uri::PathAndQuery {
        format!("/buttress.Forms/{self:?}").parse().expect("a path")
    }

    /// Has this script played, of one message, and takes all that comes.
    pub(crate) async fn call(self, way: &Way, script: &str) -> Got {
        self.call_with(way, tonic::Request::new(script.to_owned())).await
    }

    pub(crate) async fn call_with(self, way: &Way, request: tonic::Request<String>) -> Got {
        let mut grpc = Grpc::new(way.clone());
        grpc.ready().await.unwrap();
        let (path, mut messages) = (self.path(), Vec::new());
        let end = match self {
            Self::Unary => {
                grpc.unary(request, path, Text).await.map(|one| messages.push(one.into_inner()))
            }
            Self::ClientStream => {
                let request = request.map(|script| stream::iter([script]));
                let answer = grpc.client_streaming(request, path, Text).await;
                answer.map(|one| messages.push(one.into_inner()))
            }
            Self::ServerStream => match grpc.server_streaming(request, path, Text).await {
                Ok(answer) => take_all(answer.into_inner(), &mut messages).await,
                Err(status) => Err(status),
            },
            Self::Bidi => {
                let request = request.map(|script| stream::iter([script]));
                match grpc.streaming(request, path, Text).await {
                    Ok(answer) => take_all(answer.into_inner(), &mut messages).await,
                    Err(status) => Err(status),
                }
            }
        };
        let (code, text) = end.map_or_else(
            |status| (status.code(), status.message().to_owned()),
            |()| (Code::Ok, String::new()),
        );
        Got { messages, code, text }
    }
}

async fn take_all(mut stream: Streaming<String>, into: &mut Vec<String>) -> Result<(), Status> {
    while let Some(message) = stream.message().await? {
        into.push(message);
    }
    Ok(())
}

/// A call both of whose streams are open: what is sent, and what comes.
///
/// The first is sent at once, for there are servers, Python's is one, whose head comes with the first
/// message.
pub(crate) async fn talk(
    way: &Way,
    first: &str,
) -> Result<(mpsc::UnboundedSender<String>, Streaming<String>), Status> {
    let (sender, scripts) = sent();
    sender.send(first.to_owned()).unwrap();
    let mut grpc = Grpc::new(way.clone());
    grpc.ready().await.unwrap();
    let answer = grpc.streaming(tonic::Request::new(scripts), Form::Bidi.path(), Text).await?;
    Ok((sender, answer.into_inner()))
}

/// An upload of several messages, marked as one that may be repeated.
pub(crate) async fn upload(way: &Way, scripts: &'static [&str]) -> Result<String, Status> {
    let mut request = tonic::Request::new(stream::iter(scripts).map(|&script| script.to_owned()));
    request.extensions_mut().insert(Repeatable);
    let mut grpc = Grpc::new(way.clone());
    grpc.ready().await.unwrap();
    let answer = grpc.client_streaming(request, Form::ClientStream.path(), Text).await?;
    Ok(answer.into_inner())
}

fn sent() -> (mpsc::UnboundedSender<String>, impl Stream<Item = String> + Send + 'static) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    (sender, stream::poll_fn(move |cx| receiver.poll_recv(cx)))
}
