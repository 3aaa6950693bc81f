//! Bodies that are sent bit by bit.

use buttress::prelude::BoxError;
use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use tokio::sync::mpsc;

use crate::soon;

pub(crate) type AnyBody = UnsyncBoxBody<Bytes, BoxError>;

pub(crate) fn full(bytes: impl Into<Bytes>) -> AnyBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

pub(crate) fn empty() -> AnyBody {
    full("")
}

/// What it was, passed back.
pub(crate) fn same(body: Incoming) -> AnyBody {
    body.map_err(Into::into).boxed_unsync()
}

/// A body of no known length, and what its frames are put into. It ends when that is dropped.
pub(crate) fn bit_by_bit() -> (Frames, AnyBody) {
    let (sender, receiver) = mpsc::channel(1);
    let frames = stream::unfold(receiver, async |mut receiver| {
        let frame: Frame<Bytes> = receiver.recv().await?;
        Some((Ok(frame), receiver))
    });
    (Frames(sender), UnsyncBoxBody::new(StreamBody::new(frames)))
}

pub(crate) struct Frames(mpsc::Sender<Frame<Bytes>>);

impl Frames {
    pub(crate) async fn data(&self, bytes: impl Into<Bytes>) {
        self.put(Frame::data(bytes.into())).await;
    }

    pub(crate) async fn trailers(&self, trailers: HeaderMap) {
        self.put(Frame::trailers(trailers)).await;
    }

    async fn put(&self, frame: Frame<Bytes>) {
        soon("the body is read", self.0.send(frame)).await.unwrap();
    }

    /// Waits until nobody reads the body any more.
    pub(crate) async fn left(&self) {
        soon("the body is dropped", self.0.closed()).await;
    }
}

/// So many bytes of the body, in however many frames they come.
pub(crate) async fn read(body: &mut Incoming, bytes: usize) -> Vec<u8> {
    let mut read = Vec::new();
    while read.len() < bytes {
        let frame = soon("a frame comes", body.frame()).await.expect("the body goes on").unwrap();
        read.extend_from_slice(&frame.into_data().expect("no trailers yet"));
    }
    read
}
