//! A gRPC call is what its trailers say, told when they come; one that never says it has failed.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress_core::{BoxError, Classified, End, Follow, Follower, Judgement, Outcome};
use buttress_http::{Followed, Http};
use buttress_testkit::{
    BodyStep::{self, Data, Error, Hang, Trailers, Wait},
    ScriptedBody,
};
use http::{Response, header::CONTENT_TYPE};
use http_body_util::BodyExt;

/// What a follower knows in the end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Known {
    Nothing,
    Complete(Outcome),
    Failed,
}

const SUCCESS: Known = Known::Complete(Outcome::Success);
const NEUTRAL: Known = Known::Complete(Outcome::Neutral);
const FAILURE: Known = Known::Complete(Outcome::Failure);

struct Witness(Arc<Mutex<Known>>);

impl Follower for Witness {
    fn ended(self, end: End<'_>) {
        let mut known = self.0.lock().unwrap();
        assert_eq!(*known, Known::Nothing, "told twice");
        *known = match end {
            End::Complete(judgement) => Known::Complete(judgement.outcome),
            End::Failed(_) => Known::Failed,
        };
    }
}

struct Call {
    body: Followed<ScriptedBody, Witness>,
    known: Arc<Mutex<Known>>,
}

impl Call {
    fn follow(
        protocol: &impl Follow<
            Response<ScriptedBody>,
            Response<Witness> = Response<Followed<ScriptedBody, Witness>>,
        >,
        head: http::response::Builder,
        steps: &[BodyStep],
    ) -> Self {
        let known = Arc::new(Mutex::new(Known::Nothing));
        let response = head.body(ScriptedBody::new(steps.to_vec())).unwrap();
        let body = protocol.follow(response, Witness(Arc::clone(&known))).into_body();
        Self { body, known }
    }

    fn of(head: http::response::Builder, steps: &[BodyStep]) -> Self {
        Self::follow(&Http::new(), head, steps)
    }

    fn known(&self) -> Known {
        *self.known.lock().unwrap()
    }

    /// What is known after each frame, the end included.
    async fn read(mut self) -> Vec<Known> {
        let mut known = vec![self.known()];
        loop {
            let last = !matches!(self.body.frame().await, Some(Ok(_)));
            known.push(self.known());
            if last {
                return known;
            }
        }
    }
}

fn head(content_type: &str) -> http::response::Builder {
    Response::builder().header(CONTENT_TYPE, content_type)
}

fn grpc() -> http::response::Builder {
    head("application/grpc")
}

#[tokio::test(start_paused = true)]
async fn the_trailers_tell_as_they_come() {
    // Nobody asks for more after them.
    for (code, known) in [
        ("0", SUCCESS),
        ("5", SUCCESS),
        ("1", NEUTRAL),
        ("8", NEUTRAL),
        ("12", NEUTRAL),
        ("2", FAILURE),
        ("4", FAILURE),
        ("13", FAILURE),
        ("14", FAILURE),
        ("77", FAILURE),
        ("garbage", FAILURE),
        ("", FAILURE),
        ("+0", FAILURE),
    ] {
        for end in [&[][..], &[Hang]] {
            let script = [&[Data("message"), Trailers("grpc-status", code)], end].concat();
            let mut call = Call::of(grpc(), &script);
            call.body.frame().await.unwrap().unwrap();
            assert_eq!(call.known(), Known::Nothing, "{code}");
            let trailers = call.body.frame().await.unwrap().unwrap().into_trailers().unwrap();
            assert_eq!(trailers["grpc-status"], code, "passed on as they are");
            assert_eq!(call.known(), known, "{code}");
        }
    }
}

/// By gRPC's specification each call has a status, also one that goes well.
#[tokio::test(start_paused = true)]
async fn an_end_without_a_status_is_a_failure() {
    let pause = Wait(Duration::from_secs(1));
    for (name, script, known) in [
        ("empty", vec![], vec![FAILURE, FAILURE]),
        ("other trailers", vec![Data("m"), Trailers("x", "0")], vec![FAILURE, FAILURE]),
        ("the last data", vec![Data("m")], vec![FAILURE, FAILURE]),
        ("end", vec![Data("m"), pause.clone()], vec![Known::Nothing, FAILURE]),
        ("end of nothing", vec![pause], vec![FAILURE]),
    ] {
        let read = Call::of(grpc(), &script).read().await;
        assert!(read.ends_with(&known), "{name}: {read:?}");
        let before = &read[..read.len() - known.len()];
        assert!(before.iter().all(|known| *known == Known::Nothing), "{name}: {read:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_has_failed() {
    let script = [Data("m"), Error("reset"), Trailers("grpc-status", "0")];
    let read = Call::of(grpc(), &script).read().await;
    assert_eq!(read, [Known::Nothing, Known::Nothing, Known::Failed]);
}

#[tokio::test(start_paused = true)]
async fn a_body_dropped_before_its_trailers_tells_nothing() {
    let mut call = Call::of(grpc(), &[Data("m"), Trailers("grpc-status", "14")]);
    call.body.frame().await.unwrap().unwrap();
    let known = Arc::clone(&call.known);
    drop(call);
    assert_eq!(*known.lock().unwrap(), Known::Nothing, "the head has the word");
}

/// Trailers-only, or an early word of a server that then goes on.
#[tokio::test(start_paused = true)]
async fn a_status_in_the_head_is_all_there_is() {
    let scripts = [vec![], vec![Data("m")], vec![Data("m"), Trailers("grpc-status", "14")]];
    for (script, code) in scripts.iter().zip(["0", "14", "0"]) {
        let read = Call::of(grpc().header("grpc-status", code), script).read().await;
        assert_eq!(read.last(), Some(&SUCCESS), "{script:?}: the end adds nothing to the head");
    }
}

#[tokio::test(start_paused = true)]
async fn where_no_grpc_is_spoken_the_end_is_a_success() {
    let trailers = Trailers("grpc-status", "14");
    let scripts = [vec![], vec![Data("m")], vec![Data("m"), trailers.clone()], vec![trailers]];
    for script in &scripts {
        for head in [
            Response::builder(),
            head("application/json"),
            head("application/grpc-web"),
            head("application/grpc-web+proto"),
            head("application/grpc-web-text"),
            grpc().status(404),
            grpc().status(503),
        ] {
            let name = format!("{head:?} {script:?}");
            assert_eq!(Call::of(head, script).read().await.last(), Some(&SUCCESS), "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_content_type_of_grpc_has_trailers() {
    for content_type in ["application/grpc+proto", "application/grpc;charset=utf-8"] {
        let script = [Data("m"), Trailers("grpc-status", "14")];
        let read = Call::of(head(content_type), &script).read().await;
        assert_eq!(read.last(), Some(&FAILURE), "{content_type}");
        assert_eq!(Call::of(head(content_type), &[]).known(), FAILURE, "{content_type}");
    }
}

/// A classifier of the caller's judges heads; what the trailers say is told all the same.
#[tokio::test(start_paused = true)]
async fn a_classifier_does_not_hide_the_trailers() {
    let judges = |_: Result<&Response<ScriptedBody>, &BoxError>| Judgement::SUCCESS;
    let protocol = Classified::new(Http::new(), judges);
    for (code, known) in [("0", SUCCESS), ("14", FAILURE)] {
        let script = [Data("m"), Trailers("grpc-status", code)];
        let read = Call::follow(&protocol, grpc(), &script).read().await;
        assert_eq!(read.last(), Some(&known), "{code}");
    }
}
