//! That a timeline is played at its times, on a clock that the tests turn.

use tokio::{
    sync::mpsc::{self, UnboundedReceiver},
    time::{sleep, timeout},
};

use super::*;
use crate::{
    Step,
    proxy::{
        Toxic,
        running::{By, Command},
    },
};

const SECOND: Duration = Duration::from_secs(1);

fn handle() -> (ProxyHandle, UnboundedReceiver<Command>) {
    let (commands, told) = mpsc::unbounded_channel();
    let address = ([127, 0, 0, 1], 9).into();
    (ProxyHandle::new(address, "pricing".into(), Arc::new(Toxics::new()), commands), told)
}

/// What the proxy is told next; `None` if that is nothing.
async fn next(told: &mut UnboundedReceiver<Command>) -> Option<Command> {
    timeout(100 * SECOND, told.recv()).await.ok().flatten()
}

fn late(seconds: u32) -> WireFault {
    Toxic::latency(seconds * SECOND, Duration::ZERO).unwrap().into()
}

fn step(at: u32, lasts: u32, fault: WireFault) -> Step<WireFault> {
    Step::new(at * SECOND, fault).lasting(lasts * SECOND).unwrap()
}

fn in_force(handle: &ProxyHandle) -> Vec<WireFault> {
    handle.list().into_iter().map(|(_, toxic)| toxic.into()).collect()
}

/// Compared with what the timeline itself says, a moment after each full second.
#[tokio::test(start_paused = true)]
async fn what_the_timeline_says_is_in_force() {
    let (handle, _told) = handle();
    let timeline = Timeline::from_iter([
        step(1, 3, late(1)),
        step(2, 1, late(2)).on("pricing").unwrap(),
        step(2, 9, late(3)).on("inventory").unwrap(),
        step(3, 2, late(4)),
        step(0, 1, late(5)),
        Step::new(5 * SECOND, late(6)),
    ]);
    let mut playing = handle.play(&timeline);
    sleep(Duration::from_millis(1)).await;
    for second in 0..15 {
        let expected: Vec<_> =
            timeline.active_for("pricing", second * SECOND).map(|step| *step.fault()).collect();
        assert_eq!(in_force(&handle), expected, "after {second} s");
        sleep(SECOND).await;
    }
    playing.finished().await.unwrap();
    playing.finished().await.unwrap();
    assert_eq!(in_force(&handle), [late(6)]);
}

#[tokio::test(start_paused = true)]
async fn it_is_finished_with_its_last_change() {
    let (handle, _told) = handle();
    let start = Instant::now();
    handle.play(&Timeline::from_iter([step(1, 3, late(1))])).finished().await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 4);
}

#[tokio::test(start_paused = true)]
async fn dropping_it_ends_its_faults_and_no_others() {
    let (handle, mut told) = handle();
    let late_1 = Toxic::latency(SECOND, Duration::ZERO).unwrap();
    // The very name that the player would have taken.
    handle.add("timeline 0", late_1).unwrap();
    let timeline = Timeline::from_iter([
        Step::new(Duration::ZERO, late(2)),
        Step::new(Duration::ZERO, WireFault::Refuse),
        step(2, 1, late(3)),
    ]);
    let playing = handle.play(&timeline);
    let again = handle.play(&timeline);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(in_force(&handle), [late(1), late(2), late(2)]);
    let names: Vec<_> = handle.list().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["timeline 0", "timeline 0 (2)", "timeline 0 (3)"]);
    assert!(matches!(next(&mut told).await, Some(Command::Refuse(By::Step, _))));
    assert!(matches!(next(&mut told).await, Some(Command::Refuse(By::Step, _))));

    drop(playing);
    assert_eq!(in_force(&handle), [late(1), late(2)]);
    assert!(matches!(told.try_recv(), Ok(Command::Enable(By::Step, _))));
    drop(again);
    sleep(10 * SECOND).await;
    assert_eq!(handle.list(), [("timeline 0".to_owned(), late_1)]);
    assert!(matches!(told.try_recv(), Ok(Command::Enable(By::Step, _))));
    assert!(told.try_recv().is_err(), "each is ended once");
}

/// What a user has put in its place is his.
#[tokio::test(start_paused = true)]
async fn it_ends_what_it_began_and_not_what_has_its_name() {
    let (handle, _told) = handle();
    let playing = handle.play(&Timeline::from_iter([step(0, 2, late(1))]));
    sleep(Duration::from_millis(1)).await;
    let (name, toxic) = handle.list().remove(0);
    handle.remove(&name);
    handle.add(&name, toxic).unwrap();
    sleep(5 * SECOND).await;
    assert_eq!(handle.list().len(), 1);
    drop(playing);
    assert_eq!(handle.list().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_when_it_begins_and_when_it_ends() {
    let (handle, mut told) = handle();
    let timeline = Timeline::from_iter([step(1, 2, WireFault::Refuse)]);
    let mut playing = handle.play(&timeline);
    let start = Instant::now();
    let proxy = async move {
        let Some(Command::Refuse(By::Step, done)) = next(&mut told).await else { panic!() };
        assert_eq!(start.elapsed().as_secs(), 1);
        done.send(Ok(())).unwrap();
        let Some(Command::Enable(By::Step, done)) = next(&mut told).await else { panic!() };
        assert_eq!(start.elapsed().as_secs(), 3);
        done.send(Err(io::ErrorKind::AddrInUse.into())).unwrap();
        told
    };
    let (finished, mut told) = tokio::join!(playing.finished(), proxy);
    assert_eq!(finished.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    drop(playing);
    assert!(told.try_recv().is_err(), "it has been ended already");
}

/// Of two that follow on one another the second begins before the first ends.
#[tokio::test(start_paused = true)]
async fn between_two_refusals_nobody_is_let_in() {
    let (handle, mut told) = handle();
    let timeline =
        Timeline::from_iter([step(1, 2, WireFault::Refuse), step(3, 2, WireFault::Refuse)]);
    let mut playing = handle.play(&timeline);
    let proxy = async {
        let mut heard = Vec::new();
        while let Some(command) = next(&mut told).await {
            let (refuses, done) = match command {
                Command::Refuse(By::Step, done) => (true, done),
                Command::Enable(By::Step, done) => (false, done),
                other => panic!("{other:?}"),
            };
            heard.push(refuses);
            done.send(Ok(())).unwrap();
        }
        heard
    };
    let (finished, heard) = tokio::join!(playing.finished(), proxy);
    finished.unwrap();
    assert_eq!(heard, [true, true, false, false]);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_is_late_leaves_nothing_out() {
    let (handle, mut told) = handle();
    let playing = handle.play(&Timeline::from_iter([step(1, 1, WireFault::Refuse)]));
    tokio::task::yield_now().await;
    tokio::time::advance(10 * SECOND).await;
    let Some(Command::Refuse(By::Step, done)) = next(&mut told).await else { panic!() };
    done.send(Ok(())).unwrap();
    assert!(matches!(next(&mut told).await, Some(Command::Enable(By::Step, _))));
    drop(playing);
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_is_gone_is_an_error() {
    let (handle, told) = handle();
    drop(told);
    let timeline = Timeline::from_iter([step(1, 2, WireFault::Refuse)]);
    let error = handle.play(&timeline).finished().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotConnected);
}

#[tokio::test(start_paused = true)]
async fn what_begins_after_all_time_never_does() {
    let (handle, _told) = handle();
    let timeline = Timeline::from_iter([Step::new(Duration::MAX, late(1))]);
    handle.play(&timeline).finished().await.unwrap();
    assert_eq!(in_force(&handle), []);
}
