//! The open loop: each request is due at a moment, whatever became of those before.
//!
//! They come as a Poisson process, for clients do not know of each other. A request's time is counted from when it
//! was due, not from when it was sent: what waits for a connection, because a slow answer holds it, waits for the
//! gateway. What the generator itself is late is in there as well, and told beside it: a timer of the system, some
//! 0.09 ms on Linux, and more where no core is free for it.

use std::{net::SocketAddr, thread, time::Duration};

use buttress::prelude::BoxError;
use bytes::Bytes;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, StatusCode,
    client::conn::http1::{SendRequest, handshake},
    header::HOST,
};
use hyper_util::rt::TokioIo;
use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, Exp};
use tokio::{
    net::TcpStream,
    runtime::Builder,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::spawn_blocking,
    time::Instant,
};

use super::load::{Answers, Latency};

/// When the requests of a load are due, from its start. The same seed gives the same load.
pub(super) fn schedule(seed: u64, per_second: f64, run: Duration) -> Result<Vec<Duration>, String> {
    let gaps = Exp::new(per_second).map_err(|error| format!("{per_second} per second: {error}"))?;
    let mut rng = StdRng::seed_from_u64(seed);
    let moments = gaps.sample_iter(&mut rng).scan(0.0, |at, gap| {
        *at += gap;
        Some(*at)
    });
    let in_time = moments.take_while(|at| *at < run.as_secs_f64());
    Ok(in_time.map(Duration::from_secs_f64).collect())
}

/// Makes the requests, on a thread and a runtime of their own, over at most so many connections. Besides the
/// answers there is how late it was itself.
pub(super) async fn load(
    address: SocketAddr,
    connections: u32,
    schedule: Vec<Duration>,
) -> Result<(Answers, Latency), BoxError> {
    let run = move || {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(drive(address, connections, schedule))
    };
    spawn_blocking(run).await?
}

/// A connection that is free, and how long the request took for which it was not.
type Free = Result<(SendRequest<Empty<Bytes>>, Option<Duration>), BoxError>;

async fn drive(
    address: SocketAddr,
    connections: u32,
    schedule: Vec<Duration>,
) -> Result<(Answers, Latency), BoxError> {
    let (give_back, mut free) = unbounded_channel();
    for _ in 0..connections {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        give_back.send(Ok((sender, None)))?;
    }
    let host = address.to_string();
    let (mut latencies, mut late) = (Histogram::new(3)?, Histogram::new(3)?);
    let (tell, mut due) = unbounded_channel();
    let start = Instant::now();
    let pacer = thread::spawn(move || pace(&schedule, start, &tell));
    while let Some(due) = due.recv().await {
        record(due.elapsed(), &mut late)?;
        let sender = take(&mut free, &mut latencies).await?;
        let request = Request::get("/").header(HOST, &host).body(Empty::new())?;
        let give_back = give_back.clone();
        tokio::spawn(async move {
            // Nobody takes it any more where another has failed.
            let _ = give_back.send(ask(sender, request, due).await);
        });
    }
    for _ in 0..connections {
        take(&mut free, &mut latencies).await?;
    }
    let took = start.elapsed();
    pacer.join().map_err(|_| "the thread that keeps the time panicked")?;
    let latency = percentiles(&latencies);
    Ok((Answers { count: latencies.len(), took, latency }, percentiles(&late)))
}

fn record(time: Duration, into: &mut Histogram<u64>) -> Result<(), BoxError> {
    Ok(into.record(u64::try_from(time.as_micros())?)?)
}

fn percentiles(of: &Histogram<u64>) -> Latency {
    let ms = |percentile| of.value_at_percentile(percentile) as f64 / 1e3;
    Latency { p50_ms: ms(50.0), p99_ms: ms(99.0), p999_ms: ms(99.9) }
}

/// Says when each is due. A thread of its own, for the timers of the runtime are of whole milliseconds.
fn pace(schedule: &[Duration], start: Instant, tell: &UnboundedSender<Instant>) {
    for at in schedule {
        let due = start + *at;
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::park_timeout(left);
        }
        if tell.send(due).is_err() {
            return;
        }
    }
}

/// The next connection that is free.
async fn take(
    free: &mut UnboundedReceiver<Free>,
    latencies: &mut Histogram<u64>,
) -> Result<SendRequest<Empty<Bytes>>, BoxError> {
    let (sender, took) = free.recv().await.ok_or("a connection was lost")??;
    if let Some(took) = took {
        record(took, latencies)?;
    }
    Ok(sender)
}

async fn ask(
    mut sender: SendRequest<Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
    due: Instant,
) -> Free {
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    if response.status() != StatusCode::OK {
        return Err(format!("not all requests were answered well: {}", response.status()).into());
    }
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok((sender, Some(due.elapsed())))
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::small_upstream::{self, Health};

    const RUN: Duration = Duration::from_secs(4);

    #[test]
    fn the_same_seed_gives_the_same_schedule() {
        assert_eq!(schedule(1, 200.0, RUN), schedule(1, 200.0, RUN));
        assert_ne!(schedule(1, 200.0, RUN), schedule(2, 200.0, RUN));
        schedule(1, f64::NAN, RUN).unwrap_err();
    }

    #[test]
    fn requests_are_due_in_order_in_the_run_and_as_many_as_asked_for() {
        for seed in 0..20 {
            let schedule = schedule(seed, 1000.0, RUN).unwrap();
            assert!(schedule.is_sorted());
            assert!(schedule.iter().all(|at| *at < RUN));
            // Five standard deviations of a Poisson count of 4000.
            assert!(schedule.len().abs_diff(4000) < 316, "{}", schedule.len());
        }
    }

    #[tokio::test]
    async fn each_request_is_sent_once_and_its_time_counted_from_when_it_was_due() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let _serving = tokio::spawn(small_upstream::serve(listener, Health::Well));
        // All are due at once, and one connection sends them one after the other: the last waits for all.
        let (answers, _) = load(address, 1, vec![Duration::ZERO; 200]).await.unwrap();
        assert_eq!(answers.count, 200);
        let took = answers.took.as_secs_f64() * 1e3;
        let Latency { p50_ms, p999_ms, .. } = answers.latency;
        assert!(p999_ms > p50_ms && p999_ms > took / 2.0, "{answers:?}");
    }

    #[tokio::test]
    async fn an_answer_that_is_not_well_is_none() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let _serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_buf(&mut Vec::new()).await.unwrap();
            let answer = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            stream
        });
        let error = load(address, 1, vec![Duration::ZERO]).await.unwrap_err();
        assert!(error.to_string().contains("503"), "{error}");
    }
}
