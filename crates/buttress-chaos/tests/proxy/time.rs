//! How late and how slow bytes are on real sockets, where only the lower bounds are certain: a machine
//! may be late by itself. The laws of the pipe are exact.

use std::time::Duration;

use buttress_chaos::proxy::{Direction, Toxic};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

use crate::net::{MILLISECOND, Net, read, within, write};

const MEBIBYTE: usize = 1024 * 1024;

/// Over one connection and over many, for a jitter is drawn for each message of each.
#[tokio::test]
async fn a_latency_is_what_it_says_give_or_take_its_jitter() {
    let net = Net::with(|builder| builder.rng(1)).await;
    let (delay, jitter) = (30 * MILLISECOND, 20 * MILLISECOND);
    net.handle().add("late", Toxic::latency(delay, jitter).unwrap()).unwrap();
    let mut times = Vec::new();
    for _ in 0..10 {
        let (mut client, mut server) = net.pair().await;
        for _ in 0..10 {
            let begin = Instant::now();
            write(&mut server, b"x").await;
            read(&mut client, 1).await;
            times.push(begin.elapsed());
        }
    }
    times.sort_unstable();
    assert!(times[0] >= delay.saturating_sub(jitter), "{:?}", times[0]);
    // The median of a hundred evenly spread draws is within five of its standard deviations, 2 ms each;
    // above it is also what a busy machine adds.
    let median = times[times.len() / 2];
    assert!(median >= 20 * MILLISECOND && median < 80 * MILLISECOND, "{median:?}");
    // Some are early and some are late.
    assert!(times[0] < delay && times[99] > delay, "{times:?}");
}

#[tokio::test]
async fn both_ways_are_late_if_both_are_told_to_be() {
    let net = Net::new().await;
    let late = Toxic::latency(40 * MILLISECOND, Duration::ZERO).unwrap();
    net.handle().add("down", late).unwrap();
    net.handle().add("up", late.on(Direction::Upstream)).unwrap();
    let (mut client, mut server) = net.pair().await;
    let begin = Instant::now();
    write(&mut client, b"x").await;
    read(&mut server, 1).await;
    assert!(begin.elapsed() >= 40 * MILLISECOND);
    write(&mut server, b"x").await;
    read(&mut client, 1).await;
    assert!(begin.elapsed() >= 80 * MILLISECOND);
}

#[tokio::test]
async fn a_mebibyte_is_not_faster_than_the_bandwidth() {
    let net = Net::new().await;
    let rate = 2 * MEBIBYTE as u64;
    net.handle().add("slow", Toxic::bandwidth(rate).unwrap()).unwrap();
    let (mut client, mut server) = net.pair().await;
    let begin = Instant::now();
    let (_, ()) = tokio::join!(read(&mut client, MEBIBYTE), async {
        write(&mut server, &vec![7; MEBIBYTE]).await;
    });
    assert!(begin.elapsed() >= 500 * MILLISECOND);
}

/// Each piece is read by itself, as long as the reader keeps up.
#[tokio::test]
async fn a_slicer_makes_small_pieces() {
    let net = Net::new().await;
    net.handle().add("slices", Toxic::slicer(100, 50, 2 * MILLISECOND).unwrap()).unwrap();
    let (mut client, mut server) = net.pair().await;
    let begin = Instant::now();
    write(&mut server, &vec![7; 5_000]).await;
    server.shutdown().await.unwrap();
    let (mut pieces, mut all, mut buffer) = (0, 0, [0; 5_000]);
    loop {
        match within(client.read(&mut buffer)).await.unwrap() {
            0 => break,
            length => all += length,
        }
        pieces += 1;
    }
    assert_eq!(all, 5_000);
    // At most 150 bytes in each of 34 pieces, with 2 ms between two.
    assert!(begin.elapsed() >= 33 * 2 * MILLISECOND);
    assert!(pieces > 5, "{pieces}");
}
