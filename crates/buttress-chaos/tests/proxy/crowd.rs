//! Many connections, of which a share is struck.

use std::{io::ErrorKind, time::Duration};

use buttress_chaos::proxy::{Direction, Toxic};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::net::{Net, read, read_all, within, write};

/// Which of so many connections, one after another, are reset.
async fn struck(seed: u64, share: f64, others: bool, connections: usize) -> Vec<bool> {
    let net = Net::with(|builder| builder.rng(seed)).await;
    let handle = net.handle();
    if others {
        let late = Toxic::latency(Duration::from_millis(1), Duration::from_millis(1)).unwrap();
        handle.add("late", late.toxicity(0.5).unwrap()).unwrap();
    }
    let cut = Toxic::reset_peer(Duration::ZERO).unwrap().toxicity(share).unwrap();
    handle.add("cut", cut).unwrap();
    let mut struck = Vec::new();
    for _ in 0..connections {
        let (mut client, mut server) = net.pair().await;
        let _ = server.write_all(b"x").await;
        drop(server);
        struck.push(match within(client.read(&mut [0])).await {
            Ok(length) => {
                assert_eq!(length, 1);
                false
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                true
            }
        });
    }
    struck
}

/// And it does not matter to one toxic what others there are.
#[tokio::test]
async fn the_same_seed_strikes_the_same_connections() {
    let first = struck(7, 0.5, false, 60).await;
    assert_eq!(first, struck(7, 0.5, false, 60).await);
    assert_eq!(first, struck(7, 0.5, true, 60).await);
    assert_ne!(first, struck(8, 0.5, false, 60).await);
}

#[tokio::test]
async fn toxicity_is_a_share() {
    let struck = struck(3, 0.3, false, 400).await;
    let count = struck.iter().filter(|struck| **struck).count();
    // Five standard deviations to either side; seeded, it is the same in each run.
    assert!((75..=165).contains(&count), "{count} of 400");
}

/// All open at once, with bytes both ways and toxics upon them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connections_at_once() {
    const MANY: usize = 1_000;
    // Two of each connection are the proxy's, one the client's and one the server's.
    #[cfg(unix)]
    assert!(rlimit::increase_nofile_limit(8 * 1024).unwrap() >= 4 * MANY as u64 + 500);
    let net = Net::new().await;
    let late = Toxic::latency(Duration::from_millis(20), Duration::from_millis(10)).unwrap();
    net.handle().add("late", late).unwrap();
    net.handle().add("slices", Toxic::slicer(700, 99, Duration::ZERO).unwrap()).unwrap();
    let up = Toxic::bandwidth(1_000_000).unwrap().on(Direction::Upstream);
    net.handle().add("slow", up).unwrap();

    let mut pairs = Vec::new();
    for _ in 0..MANY {
        pairs.push(net.pair().await);
    }
    let mut exchanges = JoinSet::new();
    for (number, (mut client, mut server)) in pairs.into_iter().enumerate() {
        exchanges.spawn(async move {
            let question = format!("{number} asks").repeat(100);
            let answer = format!("{number} is told").repeat(200);
            write(&mut client, question.as_bytes()).await;
            client.shutdown().await.unwrap();
            let heard = read_all(&mut server).await.unwrap();
            assert!(heard == question.as_bytes(), "{number}");
            write(&mut server, answer.as_bytes()).await;
            drop(server);
            assert!(read_all(&mut client).await.unwrap() == answer.as_bytes(), "{number}");
        });
    }
    within(exchanges.join_all()).await;
}

/// Those that come at once wait for one another and are not turned away.
#[tokio::test]
async fn a_burst_of_clients_is_let_in() {
    let net = Net::new().await;
    let address = net.address();
    let mut clients = JoinSet::new();
    for _ in 0..200 {
        clients.spawn(async move {
            let mut client = TcpStream::connect(address).await.unwrap();
            read(&mut client, 1).await
        });
    }
    within(async {
        for _ in 0..200 {
            let (mut server, _) = net.upstream.accept().await.unwrap();
            server.write_all(b"x").await.unwrap();
        }
    })
    .await;
    within(clients.join_all()).await;
}
