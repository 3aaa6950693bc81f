//! What is remembered, served and marked, against a naive model: calls, tiers and store that do what
//! chance says, bodies that break off or are left, callers that hang up, and time that passes.

mod stores;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress_core::{BoxError, Degraded};
use buttress_fallback::{FallbackLayer, LastKnownGood};
use buttress_http::{Http, RequestHead};
use buttress_testkit::{BodyStep, Recorder, ScriptedBody};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use proptest::{collection::vec, prelude::*, sample::select};
use stores::{Access, Scripted, now, paused};
use tokio::time::{Instant, advance, sleep, timeout};
use tower::{Layer, ServiceExt, service_fn};

/// Until the head of a response, and between the two parts of its body.
const STEP: Duration = Duration::from_millis(10);
const MAX_AGE: Duration = Duration::from_secs(1);
/// What a tier may take.
const WITHIN: Duration = Duration::from_millis(30);
/// More than is stored.
const LARGE: &str = "0123456789012345678901234567890123456789012345678901234567890123456789012345";

/// How the dependency answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dependency {
    Good,
    /// Good, but a fallback further inside answered.
    Degraded,
    Unstorable,
    Large,
    /// Its body breaks off.
    BreaksOff,
    /// Its reader leaves in the middle of the body.
    Left,
    Unavailable,
    Error,
}

/// How the second tier answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Second {
    Serves,
    Fails,
    Hangs,
}

#[derive(Debug, Clone)]
struct Call {
    /// Time that passes before.
    after: Duration,
    /// Who asks: one of three tenants.
    tenant: usize,
    dependency: Dependency,
    access: Access,
    second: Second,
    /// When the caller hangs up, if he does.
    patience: Option<Duration>,
}

fn call() -> impl Strategy<Value = Call> {
    use Dependency::{BreaksOff, Degraded, Error, Good, Large, Left, Unavailable, Unstorable};
    let dependency = select(vec![
        Good,
        Good,
        Good,
        Degraded,
        Unstorable,
        Large,
        BreaksOff,
        Left,
        Unavailable,
        Unavailable,
        Unavailable,
        Error,
        Error,
    ]);
    let access = select(vec![
        Access::Works,
        Access::Works,
        Access::Works,
        Access::Fails,
        Access::Hangs,
        Access::Garbage,
        Access::Panics,
    ]);
    let second = select(vec![Second::Serves, Second::Fails, Second::Hangs]);
    let patience = prop::option::weighted(0.2, (0..8_u32).prop_map(|n| STEP * n + STEP / 2));
    let after = (0..500_u64).prop_map(Duration::from_millis);
    (after, 0..3_usize, dependency, access, second, patience).prop_map(
        |(after, tenant, dependency, access, second, patience)| Call {
            after,
            tenant,
            dependency,
            access,
            second,
            patience,
        },
    )
}

impl Dependency {
    fn fails(self) -> bool {
        matches!(self, Self::Unavailable | Self::Error)
    }

    /// The answer to this call of this number.
    fn answer(self, tenant: usize, number: usize) -> Result<Response<ScriptedBody>, BoxError> {
        if self == Self::Error {
            return Err(format!("error {number}").into());
        }
        let [first, second] = text(tenant, number);
        let end = match self {
            Self::BreaksOff => vec![BodyStep::Error("broke off")],
            Self::Large => vec![BodyStep::Data(LARGE)],
            _ => vec![],
        };
        let steps = [BodyStep::Data(first), BodyStep::Wait(STEP), BodyStep::Data(second)];
        let mut response = Response::new(ScriptedBody::new(steps.into_iter().chain(end)));
        let headers = response.headers_mut();
        let mut says = |name: &'static str, value: &'static str| {
            headers.insert(name, value.parse().unwrap());
        };
        match self {
            Self::Degraded => says("x-buttress-degraded", "yesterday"),
            Self::Unstorable => says("cache-control", "no-store"),
            Self::Unavailable => *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE,
            _ => {}
        }
        Ok(response)
    }
}

/// The two parts of the body of this answer.
fn text(tenant: usize, number: usize) -> [&'static str; 2] {
    [format!("of tenant {tenant}, ").leak(), format!("number {number}").leak()]
}

/// What a caller sees of an answer: its body or how that ended, and the mark.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Body { text: String, status: u16, tier: Option<String>, age: Option<Duration> },
    BrokeOff,
    Error(String),
    HungUp,
}

/// A naive model: what is remembered of each tenant, and since when.
#[derive(Debug, Default)]
struct Model {
    remembered: [Option<(usize, Instant)>; 3],
    /// Whether there was an answer that was too large.
    large: bool,
}

/// A call in the model: what time it takes, and what is said of it before its caller hangs up.
struct Play {
    start: Instant,
    takes: Duration,
    patience: Duration,
    said: Vec<String>,
}

impl Play {
    /// Whether the caller is still there.
    fn goes_on(&self) -> bool {
        self.takes < self.patience
    }

    fn now(&self) -> Instant {
        self.start + self.takes
    }

    fn say(&mut self, what: &str) {
        if self.goes_on() {
            self.said.push(format!("fallback fallback: {what}"));
        }
    }

    fn tier_is_cut(&mut self, tier: &str) {
        self.takes += WITHIN;
        let cause = format!("fallback `fallback/{tier}`: overall limit of {WITHIN:?} passed");
        self.say(&format!("tier {tier} failed: {cause}"));
    }
}

impl Model {
    /// What this call shows, and what is said of it.
    fn plays(&mut self, number: usize, call: &Call, start: Instant) -> (Seen, Vec<String>) {
        let patience = call.patience.unwrap_or(Duration::MAX);
        let mut play = Play { start, takes: STEP, patience, said: Vec::new() };
        let seen = if call.dependency.fails() {
            self.falls(number, call, &mut play)
        } else {
            self.passes(number, call, &mut play)
        };
        (if play.goes_on() { seen } else { Seen::HungUp }, play.said)
    }

    fn falls(&self, number: usize, call: &Call, play: &mut Play) -> Seen {
        let body = |number| text(call.tenant, number).concat();
        play.say("falling back");
        if let Some((of, age)) = self.recalls(call, play) {
            play.say(&format!("served by memory, {age:?} old"));
            let tier = Some("memory".to_owned());
            return Seen::Body { text: body(of), status: 200, tier, age: Some(age) };
        }
        match call.second {
            Second::Serves => {
                play.say("served by second");
                let (text, tier) = ("second".to_owned(), Some("second".to_owned()));
                return Seen::Body { text, status: 200, tier, age: None };
            }
            Second::Fails => play.say("tier second failed: no"),
            Second::Hangs => play.tier_is_cut("second"),
        }
        if call.dependency == Dependency::Error {
            return Seen::Error(format!("error {number}"));
        }
        play.takes += STEP;
        Seen::Body { text: body(number), status: 503, tier: None, age: None }
    }

    /// The number and the age of what is remembered, if the store tells.
    fn recalls(&self, call: &Call, play: &mut Play) -> Option<(usize, Duration)> {
        match call.access {
            Access::Works => {
                let (of, born) = self.remembered[call.tenant].unwrap_or((0, play.start));
                let age = play.now() - born;
                if self.remembered[call.tenant].is_some() && age <= MAX_AGE {
                    return Some((of, age));
                }
                play.say("nothing in memory");
            }
            Access::Fails => play.say("tier memory failed: the store is down"),
            Access::Panics => play.say("tier memory failed: the store panicked"),
            Access::Hangs => play.tier_is_cut("memory"),
            Access::Garbage => {
                let cause = "the store holds something else under this key";
                play.say(&format!("tier memory failed: {cause}"));
            }
        }
        None
    }

    fn passes(&mut self, number: usize, call: &Call, play: &mut Play) -> Seen {
        let head = play.now();
        let parts = text(call.tenant, number);
        if call.dependency == Dependency::Left {
            return Seen::Body { text: parts[0].to_owned(), status: 200, tier: None, age: None };
        }
        let mut text = parts.concat();
        play.takes += STEP;
        match call.dependency {
            Dependency::BreaksOff => return Seen::BrokeOff,
            Dependency::Large => {
                text.push_str(LARGE);
                let again = if self.large { " again" } else { "" };
                self.large |= play.goes_on();
                let cause = "the answer is larger than is stored";
                play.say(&format!("not stored by memory{again}: {cause}"));
            }
            Dependency::Good if play.goes_on() => {
                self.remembered[call.tenant] = Some((number, head));
            }
            _ => {}
        }
        Seen::Body { text, status: 200, tier: None, age: None }
    }
}

async fn see<B>(response: Response<B>, leaves: bool) -> Seen
where
    B: http_body::Body<Data = bytes::Bytes, Error: std::fmt::Debug> + Unpin,
{
    let status = response.status().as_u16();
    let mark = response.extensions().get::<Degraded>().cloned();
    let age = mark.as_ref().and_then(|mark| mark.age);
    let tier = mark.map(|mark| mark.tier.to_string());
    let header = response.headers().get("age").map(|age| age.to_str().unwrap().to_owned());
    assert_eq!(header, age.map(|age| age.as_secs().to_string()));
    let mut body = response.into_body();
    let data = if leaves {
        body.frame().await.unwrap().unwrap().into_data().unwrap()
    } else {
        match body.collect().await {
            Ok(whole) => whole.to_bytes(),
            Err(_) => return Seen::BrokeOff,
        }
    };
    let text = String::from_utf8(data.to_vec()).unwrap();
    Seen::Body { text, status, tier, age }
}

proptest! {
    /// A success is passed through unchanged, and it alone is stored, and only once it is whole: none
    /// that broke off, was left, failed, or was itself degraded. No tenant gets the answer of another,
    /// and nothing is served that is older than the bound. What is served is marked, and a failing
    /// tier falls to the next; when all fail it is the original failure that comes back.
    #[test]
    fn remembers_and_serves_as_a_naive_model_does(calls in vec(call(), 1..30)) {
        paused().block_on(async {
            let current = Arc::new(Mutex::new((0, calls[0].clone())));
            let (of_dependency, of_second) = (Arc::clone(&current), Arc::clone(&current));
            let store = Scripted::default();
            let recorder = Recorder::new();
            let key = |head: &RequestHead| head.headers.get("tenant").map(|id| id.to_str().unwrap().to_owned());
            let layer = FallbackLayer::builder()
                .protocol(Http::new())
                .keep(|request: &Request<()>| RequestHead::of(request))
                .observer(recorder.clone())
                .last_known_good(
                    "memory",
                    LastKnownGood::new(store.clone(), key).max_age(MAX_AGE).max_bytes(100).clock(now),
                )
                .tier_within(WITHIN)
                .respond_with("second", move |_, _| {
                    let second = of_second.lock().unwrap().1.second;
                    async move {
                        match second {
                            Second::Serves => Ok(Response::new(Full::from("second"))),
                            Second::Fails => Err("no".into()),
                            Second::Hangs => std::future::pending().await,
                        }
                    }
                })
                .tier_within(WITHIN)
                .build()
                .unwrap();
            let service = layer.layer(service_fn(move |_: Request<()>| {
                let (number, call) = of_dependency.lock().unwrap().clone();
                async move {
                    sleep(STEP).await;
                    call.dependency.answer(call.tenant, number)
                }
            }));

            let mut model = Model::default();
            for (number, call) in calls.into_iter().enumerate() {
                advance(call.after).await;
                store.set(call.access);
                *current.lock().unwrap() = (number, call.clone());
                let (expected, said) = model.plays(number, &call, Instant::now());

                let request = Request::get("/").header("tenant", call.tenant).body(()).unwrap();
                let leaves = call.dependency == Dependency::Left;
                let whole = async {
                    match service.clone().oneshot(request).await {
                        Ok(response) => see(response, leaves).await,
                        Err(error) => Seen::Error(error.to_string()),
                    }
                };
                let patience = call.patience.unwrap_or(Duration::MAX);
                let seen = timeout(patience, whole).await.unwrap_or(Seen::HungUp);
                prop_assert_eq!(seen, expected, "call {}: {:?}", number, &call);
                prop_assert_eq!(recorder.take(), said, "call {}: {:?}", number, &call);
                let kept = model.remembered.iter().flatten().count();
                prop_assert_eq!(store.entries(), kept, "call {}: {:?}", number, &call);
            }
            Ok(())
        })?;
    }
}
