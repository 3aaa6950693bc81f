//! The recommended stack, and parts of it, among tower's own layers: each proves what comes of the two
//! together, on a paused clock.

mod around;
mod balanced;
mod inside;
mod limits;
mod switched;
mod types;

use std::time::Duration;

use buttress::core::BoxError;
use buttress_testkit::{BodyStep, Probe, ProbeHandle, Reply, ScriptedBody};
use http::{Request, Response, StatusCode};

const SECOND: Duration = Duration::from_secs(1);

type Upstream = Probe<Request<ScriptedBody>, Response<ScriptedBody>>;

/// An upstream that answers by the path: `/503`, `/hangs`, `/breaks` (an error), `/slow` (for a quarter
/// of a second), `/streams` (a body that never ends), and all else by "the real thing".
fn upstream() -> (Upstream, ProbeHandle) {
    Probe::new(|request: Request<ScriptedBody>| {
        let real = || Response::new(ScriptedBody::new([BodyStep::Data("the real thing")]));
        match request.uri().path() {
            "/503" => {
                let mut response = Response::new(ScriptedBody::default());
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                Reply::Now(Ok(response))
            }
            "/hangs" => Reply::Never,
            "/breaks" => Reply::Now(Err("the connection broke".into())),
            "/slow" => Reply::After(SECOND / 4, Ok(real())),
            "/streams" => Reply::Now(Ok(Response::new(ScriptedBody::new([BodyStep::Hang])))),
            _ => Reply::Now(Ok(real())),
        }
    })
}

fn get(path: &str) -> Request<ScriptedBody> {
    Request::get(path).body(ScriptedBody::default()).expect("a valid request")
}

/// What the response is made of, read to its end.
async fn text<B>(response: Response<B>) -> String
where
    B: http_body::Body<Data = bytes::Bytes>,
    B::Error: Into<BoxError>,
{
    use http_body_util::BodyExt;
    let body = response.into_body().collect().await.map_err(Into::into);
    String::from_utf8(body.expect("a whole body").to_bytes().to_vec()).expect("text")
}
