//! Each admission is settled exactly once, however calls are polled, dropped, cut and panic.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use buttress_breaker::{Breaker, BreakerHandle, BreakerLayer, Window};
use buttress_core::{BoxError, Deadline, Plain, Rejection, RejectionKind};
use buttress_testkit::{Probe, ProbeHandle, Reply, task};
use proptest::{prelude::*, sample::Index};
use tokio::{
    runtime::Builder,
    time::{Instant, advance},
};
use tower::{Layer, Service};

const MILLI: Duration = Duration::from_millis(1);
const LEASE: Duration = Duration::from_millis(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Succeed,
    Fail,
    /// An error that says nothing about the dependency.
    Shrug,
    /// Each of them after so many milliseconds.
    SucceedLate(u32),
    FailLate(u32),
    Hang,
    Panic,
    PanicInCall,
}

#[derive(Debug, Clone)]
enum Step {
    /// Begin a call, with a deadline in so many milliseconds.
    Call(Act, Option<u32>),
    Poll(Index),
    Drop(Index),
    Wait(u32),
}

/// What a call adds to the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Adds {
    Success,
    Failure,
    Nothing,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        Just(Act::Succeed),
        Just(Act::Fail),
        Just(Act::Shrug),
        (1_u32..30).prop_map(Act::SucceedLate),
        (1_u32..30).prop_map(Act::FailLate),
        Just(Act::Hang),
        Just(Act::Panic),
        Just(Act::PanicInCall),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (act(), prop::option::of(0_u32..40)).prop_map(|(act, limit)| Step::Call(act, limit)),
        4 => any::<Index>().prop_map(Step::Poll),
        2 => any::<Index>().prop_map(Step::Drop),
        2 => (1_u32..20).prop_map(Step::Wait),
    ]
}

fn probe() -> (Probe<Act, ()>, ProbeHandle) {
    let down = || BoxError::from("down");
    Probe::new(move |act| match act {
        Act::Succeed => Reply::Now(Ok(())),
        Act::Fail => Reply::Now(Err(down())),
        Act::Shrug => {
            let kind = RejectionKind::BulkheadFull { limit: 1, in_flight: 1, queued: 0 };
            Reply::Now(Err(Rejection::new("bulkhead", "full".into(), kind).into()))
        }
        Act::SucceedLate(millis) => Reply::After(millis * MILLI, Ok(())),
        Act::FailLate(millis) => Reply::After(millis * MILLI, Err(down())),
        Act::Hang => Reply::Never,
        Act::Panic => Reply::Panic,
        Act::PanicInCall => Reply::PanicInCall,
    })
}

type Call = task::Spawn<<Breaker<Probe<Act, ()>, Plain> as Service<Act>>::Future>;

/// A call that is out.
struct Out {
    call: Call,
    act: Act,
    limit: Option<Duration>,
    began: Instant,
    /// In which generation it was admitted, if it was.
    admitted: Option<u64>,
}

impl Out {
    /// What it adds when it is dropped now.
    fn abandoned(&self) -> Adds {
        match self.limit {
            Some(limit) if !limit.is_zero() && self.began.elapsed() >= limit => Adds::Failure,
            _ => Adds::Nothing,
        }
    }

    /// Polls it, under its deadline: what it adds, if it is over.
    fn poll(&mut self) -> Option<Adds> {
        let polled = catch_unwind(AssertUnwindSafe(|| self.call.poll().is_ready()));
        let over = polled.is_err() || matches!(polled, Ok(true));
        over.then_some(match self.act {
            Act::Succeed | Act::SucceedLate(_) => Adds::Success,
            Act::Fail | Act::FailLate(_) | Act::Panic | Act::PanicInCall => Adds::Failure,
            Act::Shrug | Act::Hang => Adds::Nothing,
        })
    }
}

/// One breaker, the calls that are out, and what they have added.
struct Run {
    service: Breaker<Probe<Act, ()>, Plain>,
    circuit: BreakerHandle,
    out: Vec<Out>,
    successes: u64,
    failures: u64,
}

impl Run {
    fn new(layer: &BreakerLayer) -> (Self, ProbeHandle) {
        let (probe, inner) = probe();
        let (service, circuit) = (layer.layer(probe), layer.handle());
        (Self { service, circuit, out: Vec::new(), successes: 0, failures: 0 }, inner)
    }

    fn ended(&mut self, adds: Adds) {
        self.successes += u64::from(adds == Adds::Success);
        self.failures += u64::from(adds == Adds::Failure);
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Call(act, limit) => {
                let limit = limit.map(|millis| millis * MILLI);
                let deadline = limit.map(Deadline::after);
                let before = self.circuit.snapshot();
                let service = &mut self.service;
                let call = || task::spawn(service.call(act));
                match catch_unwind(AssertUnwindSafe(|| Deadline::scope(deadline, call))) {
                    Ok(call) => {
                        let refused = self.circuit.snapshot().rejected > before.rejected;
                        let admitted = (!refused).then_some(before.generation);
                        let began = Instant::now();
                        self.out.push(Out { call, act, limit, began, admitted });
                    }
                    Err(_) => self.ended(Adds::Failure),
                }
            }
            Step::Poll(which) if !self.out.is_empty() => {
                let which = which.index(self.out.len());
                if let Some(adds) = self.out[which].poll() {
                    self.out.swap_remove(which);
                    self.ended(adds);
                }
            }
            Step::Drop(which) if !self.out.is_empty() => {
                let out = self.out.swap_remove(which.index(self.out.len()));
                self.ended(out.abandoned());
            }
            Step::Wait(millis) => advance(millis * MILLI).await,
            Step::Poll(_) | Step::Drop(_) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// While the circuit is closed, the window holds each call that is over once, as what it was.
    #[test]
    fn a_closed_circuit_counts_each_call_once(
        steps in prop::collection::vec(step(), 1..100),
    ) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let window = Window::last_calls(1_000);
            let builder = BreakerLayer::builder().failure_rate(1.0).min_calls(1_000).window(window);
            let (mut run, inner) = Run::new(&builder.build().unwrap());
            for step in steps {
                run.take(step).await;
                let snapshot = run.circuit.snapshot();
                prop_assert_eq!(snapshot.failed, run.failures);
                prop_assert_eq!(snapshot.calls, run.successes + run.failures);
                prop_assert_eq!(snapshot.stale, 0);
            }
            run.out.clear();
            prop_assert_eq!(inner.in_flight(), 0);
            Ok(())
        })?;
    }

    /// While it is half-open, each call that is out holds one place, and gives it back however it
    /// ends; one that outlives its spell ends as a stale one, once.
    #[test]
    fn a_half_open_circuit_gets_each_place_back(
        probes in 1_u32..4,
        steps in prop::collection::vec(step(), 1..100),
    ) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let builder = BreakerLayer::builder()
                .consecutive_failures(1)
                .open_for(MILLI)
                .probes(probes)
                .close_after(1_000)
                .probe_lease(LEASE);
            let (mut run, inner) = Run::new(&builder.build().unwrap());
            run.circuit.force_open();
            run.circuit.resume();
            for step in steps {
                run.take(step).await;
                let snapshot = run.circuit.snapshot();
                let current = Some(snapshot.generation);
                let out = run.out.iter().filter(|out| out.admitted == current).count();
                prop_assert_eq!(snapshot.probes as usize, out);
                prop_assert!(snapshot.probes <= probes);
                let admitted = run.out.iter().filter(|out| out.admitted.is_some()).count();
                prop_assert_eq!(inner.in_flight(), admitted);
            }
            run.out.clear();
            let snapshot = run.circuit.snapshot();
            prop_assert_eq!((snapshot.probes, inner.in_flight()), (0, 0), "all places are back");
            // And it still works.
            advance(2 * LEASE).await;
            run.service.call(Act::Succeed).await.expect("a place");
            Ok(())
        })?;
    }
}
