//! The layer around HTTP: random histories, compared with a naive one after every step.

#[path = "model/naive.rs"]
mod naive;

use std::{
    cell::Cell,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use buttress_bulkhead::{Bulkhead, BulkheadHandle, BulkheadLayer, Permit};
use buttress_core::{BoxError, Deadline, Rejection, RejectionKind};
use buttress_http::{Followed, Http};
use buttress_testkit::{BodyStep, Probe, ProbeHandle, Reply, ScriptedBody, task};
use http::Response;
use http_body_util::BodyExt;
use naive::{Naive, Stands, Why};
use proptest::{collection::vec, option, prelude::*};
use tokio::{
    runtime::Builder,
    task::unconstrained,
    time::{Instant, advance},
};
use tower::{Layer, Service};

type Answer = Response<Followed<ScriptedBody, Permit>>;
type Future = dyn std::future::Future<Output = Result<Answer, BoxError>>;

/// How a call ends, if it is let.
#[derive(Debug, Clone)]
enum Ending {
    Body(Vec<BodyStep>),
    Error,
    Never,
    Panic,
    PanicInCall,
}

fn endings() -> impl Strategy<Value = Ending> {
    use BodyStep::{Data, Error, Hang, Panic, Trailers};
    let bodies = [
        vec![],
        vec![Data("one")],
        vec![Data("one"), Data("two")],
        vec![Data("one"), Trailers("grpc-status", "0")],
        vec![Data("one"), Error("reset")],
        vec![Data("one"), Hang],
        vec![Data("one"), Panic],
    ];
    prop_oneof![
        6 => prop::sample::select(bodies.to_vec()).prop_map(Ending::Body),
        1 => Just(Ending::Error),
        1 => Just(Ending::Never),
        1 => Just(Ending::Panic),
        1 => Just(Ending::PanicInCall),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Call {
        ending: Ending,
        deadline: Option<u64>,
    },
    /// Asks the call for its answer, or the answer's body for a frame.
    Poll(usize),
    Drop(usize),
    Pass(u64),
    SetLimit(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (endings(), option::of(0..8_u64))
            .prop_map(|(ending, deadline)| Step::Call { ending, deadline }),
        8 => any::<usize>().prop_map(Step::Poll),
        2 => any::<usize>().prop_map(Step::Drop),
        2 => (0..5_u64).prop_map(Step::Pass),
        1 => (1..5_usize).prop_map(Step::SetLimit),
    ];
    vec(step, 1..80)
}

/// One call, as far as it has come.
enum Live {
    Call { future: task::Spawn<Pin<Box<Future>>>, ending: Ending, polled: bool },
    Reading { answer: Box<Answer>, rest: Vec<BodyStep>, over: bool },
}

struct History {
    service: Bulkhead<Probe<Ending, Response<ScriptedBody>>, Http>,
    handle: BulkheadHandle,
    inner: ProbeHandle,
    naive: Naive,
    live: BTreeMap<usize, Live>,
    names: usize,
    start: Instant,
    admitted: Cell<u64>,
}

impl History {
    fn new(limit: usize, max_queue: usize, max_wait: Option<u64>) -> Self {
        let builder = BulkheadLayer::builder()
            .max_concurrent(limit)
            .max_wait(max_wait.map_or(Duration::MAX, Duration::from_millis))
            .protocol(Http::new());
        // There is no queue where nobody waits.
        let builder = if max_wait == Some(0) { builder } else { builder.max_queue(max_queue) };
        let layer = builder.build().unwrap();
        let (probe, inner) = Probe::new(|ending| match ending {
            Ending::Body(steps) => Reply::Now(Ok(Response::new(ScriptedBody::new(steps)))),
            Ending::Error => Reply::Now(Err("told to fail".into())),
            Ending::Never => Reply::Never,
            Ending::Panic => Reply::Panic,
            Ending::PanicInCall => Reply::PanicInCall,
        });
        let (handle, service) = (layer.handle(), layer.layer(probe));
        let naive = Naive::new(limit, max_queue, max_wait);
        let (live, start) = (BTreeMap::new(), Instant::now());
        Self { service, handle, inner, naive, live, names: 0, start, admitted: Cell::new(0) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap()
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Call { ending, deadline } => self.call(ending, deadline),
            Step::Poll(nth) => {
                if let Some((name, live)) = self.pick(nth) {
                    self.poll(name, live);
                }
            }
            Step::Drop(nth) => {
                if let Some((name, live)) = self.pick(nth) {
                    drop(live);
                    self.naive.end(name);
                }
            }
            Step::Pass(millis) => advance(Duration::from_millis(millis)).await,
            Step::SetLimit(limit) => {
                self.handle.set_limit(limit).unwrap();
                self.naive.set_limit(limit);
            }
        }
    }

    fn pick(&mut self, nth: usize) -> Option<(usize, Live)> {
        let nth = nth.checked_rem(self.live.len())?;
        let name = *self.live.keys().nth(nth)?;
        self.live.remove_entry(&name)
    }

    fn call(&mut self, ending: Ending, deadline: Option<u64>) {
        self.names += 1;
        let (name, now) = (self.names, self.now());
        let stands = self.naive.call(name, now, deadline.map(|deadline| now + deadline));
        let deadline = deadline.map(Duration::from_millis).map(Deadline::after);
        let call = || Deadline::scope(deadline, || self.service.call(ending.clone()));
        if let Ok(future) = catch_unwind(AssertUnwindSafe(call)) {
            let future = task::spawn(Box::pin(future) as Pin<Box<Future>>);
            self.live.insert(name, Live::Call { future, ending, polled: false });
        } else {
            assert!(matches!(ending, Ending::PanicInCall) && stands == Stands::Inside);
            self.naive.end(name);
        }
    }

    fn poll(&mut self, name: usize, live: Live) {
        match live {
            Live::Call { future, ending, .. } => self.poll_call(name, future, ending),
            Live::Reading { answer, rest, over } => self.read(name, answer, rest, over),
        }
    }

    fn poll_call(
        &mut self,
        name: usize,
        mut future: task::Spawn<Pin<Box<Future>>>,
        ending: Ending,
    ) {
        let stands = self.naive.poll(name, self.now());
        let polled = catch_unwind(AssertUnwindSafe(|| future.poll()));
        match (polled, stands, &ending) {
            (Ok(Poll::Pending), Stands::Queued, _)
            | (Ok(Poll::Pending), Stands::Inside, Ending::Never) => {
                self.live.insert(name, Live::Call { future, ending, polled: true });
                return;
            }
            (Ok(Poll::Ready(Ok(answer))), Stands::Inside, Ending::Body(steps)) => {
                let (rest, over) = (steps.clone(), steps.is_empty());
                if over {
                    self.naive.end(name);
                }
                self.live.insert(name, Live::Reading { answer: Box::new(answer), rest, over });
                // Already now, while the future still exists.
                self.check();
                return;
            }
            (Ok(Poll::Ready(Err(error))), Stands::Inside, Ending::Error) => {
                assert_eq!(error.to_string(), "told to fail");
            }
            (Ok(Poll::Ready(Err(error))), Stands::Refused(why), _) => {
                let kind = Rejection::find(error.as_ref()).expect("a rejection").kind();
                match (kind, why) {
                    (RejectionKind::QueueTimeout { limit, in_flight, queued, .. }, Why::Late) => {
                        let naive = &self.naive;
                        let figures = (naive.limit, naive.in_flight, naive.queue.len());
                        assert_eq!((*limit, *in_flight, *queued), figures, "without this one");
                    }
                    (RejectionKind::BulkheadFull { .. }, Why::Full)
                    | (RejectionKind::DeadlineExceeded { called: false }, Why::Pointless) => {}
                    other => panic!("{other:?}"),
                }
            }
            (Err(_), Stands::Inside, Ending::Panic | Ending::PanicInCall) => drop(future),
            (polled, ..) => panic!("{:?}: {stands:?}, {ending:?}", polled.map(|_| ())),
        }
        self.naive.end(name);
    }

    fn read(&mut self, name: usize, mut answer: Box<Answer>, mut rest: Vec<BodyStep>, over: bool) {
        let frame = catch_unwind(AssertUnwindSafe(|| {
            task::spawn(Pin::new(answer.body_mut()).frame()).poll()
        }));
        let step = if rest.is_empty() { None } else { Some(rest.remove(0)) };
        let ends = match (frame, step) {
            (Ok(Poll::Ready(Some(Ok(_)))), Some(BodyStep::Data(_) | BodyStep::Trailers(..))) => {
                rest.is_empty()
            }
            (Ok(Poll::Pending), Some(BodyStep::Hang)) => {
                rest.insert(0, BodyStep::Hang);
                false
            }
            (Ok(Poll::Ready(Some(Err(_)))), Some(BodyStep::Error(_)))
            | (Ok(Poll::Ready(None)), None)
            | (Err(_), Some(BodyStep::Panic)) => true,
            (_, step) => panic!("another frame than {step:?}"),
        };
        if ends && !over {
            self.naive.end(name);
        }
        // Kept, for the place comes back while the body still exists.
        self.live.insert(name, Live::Reading { answer, rest, over: over || ends });
    }

    /// All figures are those of the naive one, the sums come out, and who has a place knows.
    fn check(&self) {
        let (snapshot, naive) = (self.handle.snapshot(), &self.naive);
        assert_eq!((snapshot.limit, snapshot.in_flight), (naive.limit, naive.in_flight));
        assert_eq!(snapshot.queued, naive.queue.len());
        assert_eq!((snapshot.admitted, snapshot.waits.count()), (naive.admitted, naive.waited));
        assert!(snapshot.admitted >= self.admitted.replace(snapshot.admitted), "it never falls");
        let rejected = snapshot.rejected;
        assert_eq!((rejected.full, rejected.queue_timeout), (naive.full, naive.late));
        assert_eq!(rejected.deadline_exceeded, naive.pointless);

        let settled = snapshot.admitted + rejected.total();
        let waiting = (snapshot.queued + naive.served()) as u64;
        assert_eq!(settled + naive.left + waiting, naive.made, "each call once");
        assert!(self.inner.calls() as u64 <= snapshot.admitted);
        for (name, live) in &self.live {
            if let Live::Call { future, polled: true, .. } = live {
                let served = naive.stands(*name) == Stands::Served;
                assert!(!served || future.is_woken(), "call {name} was not woken");
            }
        }
    }

    /// Everything goes, and all places are free again.
    fn end(mut self) {
        for (name, live) in std::mem::take(&mut self.live) {
            drop(live);
            self.naive.end(name);
            self.check();
        }
        assert_eq!((self.handle.in_flight(), self.handle.queued()), (0, 0));
        assert_eq!((self.inner.in_flight(), self.inner.reserved()), (0, 0));
        let limit = self.handle.limit();
        let calls: Vec<_> = (0..limit).map(|_| self.service.call(Ending::Never)).collect();
        assert_eq!((self.handle.in_flight(), self.handle.queued()), (limit, 0));
        assert_eq!(self.inner.in_flight(), limit);
        drop(calls);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever is called, polled, read, dropped and set, and however it ends: after every step all
    /// figures are as they must be, and at the end every place is free.
    #[test]
    fn the_layer_equals_a_naive_one(
        limit in 1..4_usize,
        max_queue in 1..4_usize,
        max_wait in prop_oneof![1 => Just(Some(0)), 4 => (1..8_u64).prop_map(Some), 2 => Just(None)],
        steps in steps(),
    ) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        // Unconstrained, for tokio's timers are never ready once a task has done much in one poll.
        runtime.block_on(unconstrained(async {
            let mut history = History::new(limit, max_queue, max_wait);
            for step in steps {
                history.take(step).await;
                history.check();
            }
            history.end();
        }));
    }
}
