//! What a fallback remembers of responses, and how it serves them again.

mod bytes_of_a_copy;
mod ends;
mod fields;
mod held;
mod laws;
mod marks;
mod which;

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::{BoxError, Held, Key, Recorded, Recording, Room, Substitute};
use buttress_http::{Http, Substituted};
use buttress_testkit::{BodyStep, ScriptedBody};
use bytes::Bytes;
use http::{HeaderMap, Response, response::Builder};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};

/// More than any response of these tests needs.
const PLENTY: usize = 1 << 20;

/// The body of an alternative, where there is none.
type NoAlt = Full<Bytes>;

/// What a recording told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Whole { copy: Bytes, age: Duration },
    TooLarge,
    Failed(String),
}

/// Notes what recordings tell.
#[derive(Debug, Clone, Default)]
struct Notes(Arc<Mutex<Vec<Seen>>>);

impl Notes {
    fn recording(&self, max_bytes: usize) -> Recording {
        self.recording_under(Key::users_alike("key"), max_bytes)
    }

    fn recording_under(&self, key: Key, max_bytes: usize) -> Recording {
        let notes = self.clone();
        let under = key.clone();
        Recording::new(key, Vec::new(), max_bytes, Room::new(PLENTY), move |key, recorded| {
            assert_eq!(key, under);
            notes.0.lock().unwrap().push(match recorded {
                Recorded::Whole { copy, age } => Seen::Whole { copy: copy.into(), age },
                Recorded::TooLarge => Seen::TooLarge,
                Recorded::Failed(error) => Seen::Failed(error.to_string()),
                other => panic!("HTTP tells no {other:?}"),
            });
        })
    }

    fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }

    fn are_none(&self) -> bool {
        self.all().is_empty()
    }

    /// The one copy that was stored, and the age that was told with it.
    fn stored(&self) -> Option<(Bytes, Duration)> {
        match &*self.all() {
            [] => None,
            [Seen::Whole { copy, age }] => Some((copy.clone(), *age)),
            other => panic!("stored at most once: {other:?}"),
        }
    }
}

/// A body that does not know its end, as a stream does not.
#[derive(Debug, Default)]
struct Streamed(ScriptedBody);

impl Body for Streamed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }
}

fn script<const N: usize>(steps: [BodyStep; N]) -> ScriptedBody {
    ScriptedBody::new(steps)
}

fn streamed<const N: usize>(steps: [BodyStep; N]) -> Streamed {
    Streamed(script(steps))
}

fn record<B: Body<Data = Bytes>>(
    http: Http,
    response: Response<B>,
    recording: Recording,
) -> Response<Substituted<B, NoAlt>> {
    Substitute::<_, Response<NoAlt>>::record(&http, response, recording)
}

/// Records this response while its body is read to the end.
async fn copy_of<B>(head: Builder, body: B) -> Option<(Bytes, Duration)>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let notes = Notes::default();
    let mut body = record(Http::new(), head.body(body).unwrap(), notes.recording(PLENTY));
    while let Some(Ok(_)) = body.body_mut().frame().await {}
    let stored = notes.stored();
    drop(body);
    assert_eq!(notes.stored(), stored, "nothing more is told by the drop");
    stored
}

type Recalled = Response<Substituted<NoAlt, NoAlt>>;

fn recall(copy: Bytes) -> Result<Recalled, BoxError> {
    Substitute::<Response<NoAlt>, Response<NoAlt>>::recall(&Http::new(), copy)
}

/// Status, fields, body and trailers of what was remembered.
async fn read(copy: Bytes) -> (u16, HeaderMap, Bytes, Option<HeaderMap>) {
    let (head, body) = recall(copy).unwrap().into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned();
    (head.status.as_u16(), head.headers, body.to_bytes(), trailers)
}

/// What a reader sees of a body: hints before each frame, and the frame. After an error it goes on asking.
async fn frames<B>(body: &mut B, at_most: usize) -> Vec<String>
where
    B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
{
    let mut seen = Vec::new();
    for _ in 0..at_most {
        let (end, hint) = (body.is_end_stream(), body.size_hint());
        let hint = format!("{end} {} {:?}", hint.lower(), hint.upper());
        // A body that hangs is left.
        let frame = tokio::time::timeout(Duration::from_secs(3600), body.frame()).await;
        match frame {
            Err(_) => return seen,
            Ok(None) => seen.push(format!("{hint} end")),
            Ok(Some(Err(error))) => seen.push(format!("{hint} error {error}")),
            Ok(Some(Ok(frame))) => seen.push(format!("{hint} {frame:?}")),
        }
    }
    seen
}
