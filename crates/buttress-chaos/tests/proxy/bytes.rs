//! That what is sent comes, whatever the toxics that only make it late.

use std::time::Duration;

use buttress_chaos::proxy::{Direction, ProxyHandle, Toxic, ToxicKind};
use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Builder,
    time::{sleep, timeout},
};

use crate::net::{MILLISECOND, Net, read_all, within};

/// What one of the two sends, in what pieces, and how he reads.
#[derive(Debug, Clone)]
struct Peer {
    payload: Vec<u8>,
    /// Written at once, one after another, over and over.
    pieces: Vec<usize>,
    /// Between two pieces.
    pause: Duration,
    /// What he reads at once.
    reads: usize,
    /// Before he reads on; for the first few reads.
    slow: Duration,
}

fn peer() -> impl Strategy<Value = Peer> {
    let payload = prop_oneof![0_usize..200, 0_usize..100_000]
        .prop_flat_map(|length| proptest::collection::vec(any::<u8>(), length));
    let pieces = proptest::collection::vec(prop_oneof![1_usize..50, 1_usize..40_000], 1..5);
    let reads = prop_oneof![1_usize..100, 1_usize..100_000];
    (payload, pieces, 0_u64..2, reads, 0_u64..3).prop_map(
        |(payload, pieces, pause, reads, slow)| {
            let (pause, slow) = (Duration::from_millis(pause), Duration::from_millis(slow));
            Peer { payload, pieces, pause, reads, slow }
        },
    )
}

impl Peer {
    async fn write(&self, to: &mut (impl AsyncWriteExt + Unpin)) {
        let (mut rest, mut pauses) = (&self.payload[..], 0);
        for piece in self.pieces.iter().cycle() {
            if rest.is_empty() {
                return;
            }
            let (now, then) = rest.split_at(rest.len().min(*piece));
            to.write_all(now).await.unwrap();
            rest = then;
            pauses += 1;
            if pauses < 10 && !self.pause.is_zero() {
                sleep(self.pause).await;
            }
        }
    }

    /// Up to the end, or as many.
    async fn read(&self, from: &mut (impl AsyncReadExt + Unpin), most: usize) -> Vec<u8> {
        let (mut all, mut buffer, mut pauses) = (Vec::new(), vec![0; self.reads], 0);
        while all.len() < most {
            match from.read(&mut buffer).await.unwrap() {
                0 => break,
                length => all.extend_from_slice(&buffer[..length]),
            }
            pauses += 1;
            if pauses < 10 && !self.slow.is_zero() {
                sleep(self.slow).await;
            }
        }
        all
    }
}

fn toxic() -> impl Strategy<Value = Toxic> {
    let time = |most: u64| (0..=most).prop_map(Duration::from_millis);
    let kind = prop_oneof![
        (time(20), time(20)).prop_map(|(delay, jitter)| Toxic::latency(delay, jitter).unwrap()),
        (500_000_u64..100_000_000).prop_map(|rate| Toxic::bandwidth(rate).unwrap()),
        (500_usize..5_000, 0_usize..500).prop_map(|(average, by)| Toxic::slicer(
            average,
            by,
            Duration::ZERO
        )
        .unwrap()),
        (2_000_usize..5_000, 0_usize..2_000).prop_map(|(average, by)| Toxic::slicer(
            average,
            by,
            MILLISECOND
        )
        .unwrap()),
        time(30).prop_map(|delay| Toxic::slow_close(delay).unwrap()),
        Just(Toxic::blackhole()),
    ];
    (kind, any::<bool>(), prop_oneof![Just(1.0), 0.0..=1.0]).prop_map(|(toxic, up, share)| {
        let direction = if up { Direction::Upstream } else { Direction::Downstream };
        toxic.on(direction).toxicity(share).unwrap()
    })
}

#[derive(Debug, Clone)]
enum Act {
    Add(u8, Toxic),
    Change(u8, Toxic),
    Remove(u8),
    Clear,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0_u8..3, toxic()).prop_map(|(name, toxic)| Act::Add(name, toxic)),
        4 => (0_u8..3, toxic()).prop_map(|(name, toxic)| Act::Change(name, toxic)),
        2 => (0_u8..3).prop_map(Act::Remove),
        1 => Just(Act::Clear),
    ]
}

/// What a blackhole holds comes only when it goes, so none stays.
async fn play(acts: &[(u64, Act)], handle: &ProxyHandle) {
    for (pause, act) in acts {
        match act {
            Act::Add(name, toxic) => drop(handle.add(&name.to_string(), *toxic)),
            Act::Change(name, toxic) => drop(handle.change(&name.to_string(), *toxic)),
            Act::Remove(name) => drop(handle.remove(&name.to_string())),
            Act::Clear => handle.clear(),
        }
        sleep(Duration::from_millis(*pause)).await;
    }
    for (name, toxic) in handle.list() {
        if matches!(toxic.kind(), ToxicKind::Blackhole) {
            handle.remove(&name);
        }
    }
}

/// Who closes when.
#[derive(Debug, Clone, Copy)]
enum End {
    /// Each ends his way when he has sent all, and reads to the other's end.
    Each,
    /// The client asks and ends; then the server answers and is gone.
    ClientFirst,
    /// The server answers and is gone; the client has not ended, and only then finds out.
    ServerFirst,
}

/// What the server and the client have received.
async fn exchange(
    (asks, mut client): (&Peer, TcpStream),
    (answers, mut server): (&Peer, TcpStream),
    end: End,
) -> (Vec<u8>, Vec<u8>) {
    match end {
        End::Each => {
            let (mut from_client, mut to_client) = server.split();
            let (mut from_server, mut to_server) = client.split();
            let ask = async {
                asks.write(&mut to_server).await;
                to_server.shutdown().await.unwrap();
            };
            let answer = async {
                answers.write(&mut to_client).await;
                to_client.shutdown().await.unwrap();
            };
            let heard = answers.read(&mut from_client, usize::MAX);
            let told = asks.read(&mut from_server, usize::MAX);
            let ((), (), heard, told) = tokio::join!(ask, answer, heard, told);
            (heard, told)
        }
        End::ClientFirst | End::ServerFirst => {
            let serve = async {
                let most =
                    if matches!(end, End::ClientFirst) { usize::MAX } else { asks.payload.len() };
                let heard = answers.read(&mut server, most).await;
                answers.write(&mut server).await;
                drop(server);
                heard
            };
            let ask = async {
                asks.write(&mut client).await;
                if matches!(end, End::ClientFirst) {
                    client.shutdown().await.unwrap();
                }
                asks.read(&mut client, usize::MAX).await
            };
            tokio::join!(serve, ask)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_sent_comes(
        buffer in prop_oneof![1_usize..100, 100_usize..5_000, Just(1024 * 1024)],
        asks in peer(),
        answers in peer(),
        acts in proptest::collection::vec((0_u64..15, act()), 0..8),
        end in prop_oneof![Just(End::Each), Just(End::ClientFirst), Just(End::ServerFirst)],
        seed: u64,
    ) {
        // A tiny buffer is filled and emptied many times, each with the delay of a latency.
        let most = if buffer < 5_000 { buffer * 5 } else { usize::MAX };
        let [mut asks, mut answers] = [asks, answers];
        asks.payload.truncate(most);
        answers.payload.truncate(most);
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (heard, told) = runtime.block_on(within(async {
            let net = Net::with(|builder| builder.buffer(buffer).rng(seed)).await;
            let handle = net.handle();
            let exchange = async {
                let (client, server) = net.pair().await;
                exchange((&asks, client), (&answers, server), end).await
            };
            let (received, ()) = tokio::join!(exchange, play(&acts, &handle));
            net.proxy.shut_down().await;
            received
        }));
        prop_assert!(heard == asks.payload, "{} of {}", heard.len(), asks.payload.len());
        prop_assert!(told == answers.payload, "{} of {}", told.len(), answers.payload.len());
    }
}

/// All buffers are full for a while, so that the proxy writes less at once than it has.
#[tokio::test]
async fn a_reader_who_is_late_has_all() {
    let net = Net::new().await;
    let (mut client, mut server) = net.pair().await;
    // Of a length that no buffer is a multiple of.
    let chunk: Vec<_> = (0..=250).cycle().take(251 * 100).collect();
    let mut sent = 0;
    let mut rest = &chunk[..];
    while let Ok(written) = timeout(100 * MILLISECOND, server.write(rest)).await {
        let written = written.unwrap();
        sent += written;
        rest = &rest[written..];
        if rest.is_empty() {
            rest = &chunk;
        }
    }
    drop(server);
    let received = read_all(&mut client).await.unwrap();
    assert_eq!(received.len(), sent);
    assert!(received.iter().zip((0..=250).cycle()).all(|(received, sent)| *received == sent));
}
