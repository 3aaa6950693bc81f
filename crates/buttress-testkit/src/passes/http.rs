//! The same for HTTP: what the requests carry, and what comes of the bodies.

use std::{future::pending, pin::Pin, task::Context, task::Waker, time::Duration};

use buttress_core::{Attempt, BoxError, Deadline};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::time::sleep;
use tower_service::Service;

use super::story::{Story, Turn, first_difference};
use crate::{BodyStep, Probe, ScriptedBody};

/// As [`plain_differs`](super::plain_differs), for a layer around an HTTP service, which may put the
/// request's body into one of its own: `I` is what the inner service gets.
///
/// Compared are also the fields, extensions and body of the request, and each frame of the response.
pub async fn http_differs<S, I, R>(
    wrap: impl Fn(Probe<Request<I>, Response<ScriptedBody>>) -> S,
) -> Option<String>
where
    S: Service<Request<ScriptedBody>, Response = Response<R>, Error = BoxError>,
    S: Clone + 'static,
    I: Body<Data = Bytes> + 'static,
    R: Body<Data = Bytes> + 'static,
    R::Error: Into<BoxError>,
{
    for story in Story::all() {
        let bare = story.clone();
        let (bare, handle) = Probe::new(move |request| reply(&bare, request));
        let without = story.play(bare, &handle, request, read(&story)).await;
        let inner = story.clone();
        let (inner, handle) = Probe::new(move |request| reply(&inner, request));
        let with = story.play(wrap(inner), &handle, request, read(&story)).await;
        if let Some(difference) = first_difference(&without, &with) {
            return Some(difference);
        }
    }
    None
}

/// The number of a call.
#[derive(Clone)]
struct Number(u64);

fn request(n: u64, turn: &Turn) -> Request<ScriptedBody> {
    let [method, kind, body, carried, field, ..] = turn.dice;
    let body = match body % 4 {
        0 => ScriptedBody::default(),
        1 => ScriptedBody::new([BodyStep::Data("upload")]),
        2 => ScriptedBody::new([BodyStep::Data("up"), BodyStep::Wait(millis(20))]),
        _ => ScriptedBody::new([BodyStep::Hang]),
    };
    let mut request = Request::builder()
        .method(["GET", "POST", "PUT"][method as usize % 3])
        .uri(format!("/{n}"))
        .extension(Number(n))
        .body(body)
        .expect("a valid request");
    let headers = request.headers_mut();
    if kind.is_multiple_of(3) {
        headers.insert("content-type", http::HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-timeout", http::HeaderValue::from_static("15m"));
    }
    if field.is_multiple_of(2) {
        headers.insert("x-request-timeout-ms", http::HeaderValue::from_static("10"));
    }
    if carried.is_multiple_of(3) {
        request.extensions_mut().insert(Deadline::after(millis(u64::from(carried) % 30)));
    }
    request
}

fn reply<I>(story: &Story, request: Request<I>) -> crate::Reply<Response<ScriptedBody>>
where
    I: Body<Data = Bytes>,
{
    let (head, body) = request.into_parts();
    let (hint, over) = (body.size_hint(), body.is_end_stream());
    let mut body = Box::pin(body);
    let frame = Pin::new(&mut body).as_mut().poll_frame(&mut Context::from_waker(Waker::noop()));
    let frame = frame.map(|frame| frame.map(|frame| frame.is_ok_and(|frame| frame.is_data())));
    let carried = head.extensions.get::<Deadline>().is_some();
    let attempt = head.extensions.get::<Attempt>();
    let seen = format!(
        "{} {} {:?} carries {carried} {attempt:?}, body {hint:?} {over} {frame:?}",
        head.method, head.uri, head.headers
    );
    let Number(n) = *head.extensions.get::<Number>().expect("it passes");
    story.reply(n, &seen, response)
}

fn response(turn: &Turn) -> Response<ScriptedBody> {
    let [.., status, kind, first, second, third] = turn.dice;
    let step = |dice: u32| match dice % 9 {
        0 => BodyStep::Wait(millis(15)),
        1 => BodyStep::Hang,
        2 => BodyStep::Error("the body broke off"),
        3 => BodyStep::Panic,
        4 => BodyStep::Trailers("grpc-status", ["0", "14"][dice as usize / 9 % 2]),
        _ => BodyStep::Data("part"),
    };
    let steps = [first, second, third].map(step);
    let some = (status >> 8) as usize % 4;
    let body = ScriptedBody::new(steps.into_iter().take(some));
    let mut response = Response::new(body);
    *response.status_mut() = [200, 200, 204, 404, 429, 500, 503][status as usize % 7]
        .try_into()
        .expect("a valid status");
    if kind.is_multiple_of(4) {
        let grpc = http::HeaderValue::from_static("application/grpc");
        response.headers_mut().insert("content-type", grpc);
    }
    response.headers_mut().insert("x-dice", http::HeaderValue::from(kind));
    response
}

/// Reads a response as its reader does: to its end, or a part of it, and at his own pace.
fn read<R>(story: &Story) -> impl AsyncFn(Response<R>) -> String + Clone + 'static + use<R>
where
    R: Body<Data = Bytes> + 'static,
    R::Error: Into<BoxError>,
{
    let story = story.clone();
    async move |response: Response<R>| {
        let (head, body) = response.into_parts();
        let dice = head.headers["x-dice"].to_str().ok().and_then(|dice| dice.parse().ok());
        let dice: u32 = dice.unwrap_or_default();
        story.note(format!("{} {:?}", head.status, head.headers));
        let mut body = Box::pin(body);
        for _ in 0..dice / 4 % 5 {
            if (dice / 20).is_multiple_of(3) {
                sleep(millis(12)).await;
            }
            story.note(format!("{:?} {}", body.size_hint(), body.is_end_stream()));
            let frame = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await;
            match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => story.note(format!("data {data:?}")),
                    Err(frame) => story.note(format!("trailers {:?}", frame.trailers_ref())),
                },
                Some(Err(error)) => return format!("broke off: {}", error.into()),
                None => return "over".into(),
            }
        }
        if (dice / 60).is_multiple_of(8) {
            // Held, and not read.
            pending::<()>().await;
        }
        "left".into()
    }
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
