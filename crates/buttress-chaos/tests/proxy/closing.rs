//! How connections end, of themselves and by a toxic.

use std::{io::ErrorKind, time::Duration};

use buttress_chaos::proxy::{Direction, Toxic};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::net::{MILLISECOND, Net, SECOND, error, is_silent, read, read_all, within, write};

#[tokio::test]
async fn an_end_one_way_leaves_the_other() {
    let net = Net::new().await;
    let (mut client, mut server) = net.pair().await;
    write(&mut client, b"question").await;
    client.shutdown().await.unwrap();
    assert_eq!(read_all(&mut server).await.unwrap(), b"question");
    write(&mut server, b"answer").await;
    assert_eq!(read(&mut client, 6).await, b"answer");
    drop(server);
    assert_eq!(read_all(&mut client).await.unwrap(), b"");
}

/// Who sends on is told that nobody takes it, but not before he has what was sent to him.
#[tokio::test]
async fn what_an_upstream_sent_that_closed_comes_whatever_the_client_sends_on() {
    let late = Toxic::latency(100 * MILLISECOND, Duration::ZERO).unwrap();
    let slow = Toxic::bandwidth(200_000).unwrap();
    let (large, small) = (1_000_000, 5_000);
    for (buffer, toxics) in
        [(large, vec![]), (large, vec![late]), (large, vec![late, slow]), (small, vec![slow])]
    {
        let net = Net::with(|builder| builder.buffer(buffer)).await;
        for (name, toxic) in toxics.into_iter().enumerate() {
            net.handle().add(&name.to_string(), toxic).unwrap();
        }
        let (mut client, mut server) = net.pair().await;
        let answer = vec![7; 60_000];
        write(&mut server, &answer).await;
        drop(server);
        // More than once, for the first is not known to be in vain.
        for _ in 0..10 {
            sleep(5 * MILLISECOND).await;
            let _ = client.write_all(b"and more").await;
        }
        assert!(read_all(&mut client).await.unwrap() == answer);
        within(async {
            while client.write_all(b"and more").await.is_ok() {
                sleep(MILLISECOND).await;
            }
        })
        .await;
    }
}

/// Who closes with bytes unread loses what he has not got rid of. The rest does not look as if it
/// were all.
#[tokio::test]
async fn what_is_lost_does_not_look_like_an_end() {
    for _ in 0..5 {
        let net = Net::new().await;
        let (mut client, mut server) = net.pair().await;
        write(&mut client, b"unread").await;
        let chunk = vec![0; 64 * 1024];
        // Until the buffers of the system and of the proxy are full.
        while timeout(100 * MILLISECOND, server.write_all(&chunk)).await.is_ok() {}
        drop(server);
        sleep(5 * MILLISECOND).await;
        // By writing or by reading: whichever is tried first finds out.
        let _ = client.write_all(b"and more").await;
        assert_eq!(read_all(&mut client).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn a_reset_is_seen_by_both_whatever_the_direction() {
    for direction in [Direction::Upstream, Direction::Downstream] {
        let net = Net::new().await;
        let (mut client, mut server) = net.pair().await;
        write(&mut client, b"ping").await;
        assert_eq!(read(&mut server, 4).await, b"ping");
        let toxic = Toxic::reset_peer(Duration::ZERO).unwrap().on(direction);
        net.handle().add("cut", toxic).unwrap();
        assert_eq!(error(&mut client).await, ErrorKind::ConnectionReset);
        assert_eq!(error(&mut server).await, ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn a_reset_lets_bytes_pass_until_its_time() {
    let net = Net::new().await;
    net.handle().add("cut", Toxic::reset_peer(200 * MILLISECOND).unwrap()).unwrap();
    let begin = Instant::now();
    let (mut client, mut server) = net.pair().await;
    write(&mut server, b"early").await;
    assert_eq!(read(&mut client, 5).await, b"early");
    assert_eq!(error(&mut client).await, ErrorKind::ConnectionReset);
    assert!(begin.elapsed() >= 200 * MILLISECOND);
}

/// What is held back by a reader who does not read is in nobody's way.
#[tokio::test]
async fn a_reset_does_not_wait_for_a_reader_who_is_stuck() {
    let net = Net::new().await;
    let (client, mut server) = net.pair().await;
    let chunk = vec![0; 64 * 1024];
    // Until the buffers of the system and of the proxy are full.
    while timeout(200 * MILLISECOND, server.write_all(&chunk)).await.is_ok() {}
    net.handle().add("cut", Toxic::reset_peer(Duration::ZERO).unwrap()).unwrap();
    assert_eq!(error(&mut server).await, ErrorKind::ConnectionReset);
    drop(client);
}

#[tokio::test]
async fn a_peer_who_resets_resets_the_other() {
    for by_client in [true, false] {
        let net = Net::new().await;
        let (client, server) = net.pair().await;
        let (by, mut other) = if by_client { (client, server) } else { (server, client) };
        by.set_zero_linger().unwrap();
        drop(by);
        assert_eq!(error(&mut other).await, ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn a_client_without_an_upstream_is_reset() {
    let net = Net::new().await;
    drop(net.upstream);
    let mut client = within(TcpStream::connect(net.proxy.address())).await.unwrap();
    assert_eq!(error(&mut client).await, ErrorKind::ConnectionReset);
}

/// Which is an end and no error, also when more was sent than let through.
#[tokio::test]
async fn a_limit_lets_pass_what_it_says_and_closes_both_ways() {
    for limit in [0, 1, 1_000, 100_000] {
        let net = Net::new().await;
        net.handle().add("limit", Toxic::limit_data(limit)).unwrap();
        let (mut client, mut server) = net.pair().await;
        let _ = server.write_all(&vec![7; 200_000]).await;
        let read = read_all(&mut client).await.unwrap();
        assert_eq!(read.len() as u64, limit);
        assert_eq!(read_all(&mut server).await.unwrap(), b"");
    }
}

/// Who has not read yet still has all that was let through, and who still writes is not told at once.
#[tokio::test]
async fn a_close_takes_nothing_from_who_is_late() {
    let net = Net::new().await;
    net.handle().add("limit", Toxic::limit_data(400_000)).unwrap();
    let (mut client, mut server) = net.pair().await;
    write(&mut server, &vec![7; 500_000]).await;
    assert_eq!(read_all(&mut server).await.unwrap(), b"");
    write(&mut server, &vec![7; 200_000]).await;
    // Until the proxy has let go of both.
    within(async {
        while server.write_all(b"x").await.is_ok() {
            sleep(MILLISECOND).await;
        }
    })
    .await;
    assert!(read_all(&mut client).await.unwrap() == vec![7; 400_000]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_toxic_strikes_what_is_sent_after_it_was_added() {
    let net = Net::new().await;
    for _ in 0..500 {
        let (mut client, mut server) = net.pair().await;
        write(&mut server, b"before").await;
        assert_eq!(read(&mut client, 6).await, b"before");
        net.handle().add("limit", Toxic::limit_data(0)).unwrap();
        write(&mut server, b"after").await;
        assert_eq!(read_all(&mut client).await.unwrap(), b"");
        net.handle().clear();
    }
}

#[tokio::test]
async fn a_timeout_swallows_and_closes_both_ways() {
    let net = Net::new().await;
    net.handle().add("mute", Toxic::timeout(200 * MILLISECOND).unwrap()).unwrap();
    let begin = Instant::now();
    let (mut client, mut server) = net.pair().await;
    write(&mut server, b"lost").await;
    write(&mut client, b"comes").await;
    assert_eq!(read(&mut server, 5).await, b"comes");
    assert_eq!(read_all(&mut client).await.unwrap(), b"");
    assert_eq!(read_all(&mut server).await.unwrap(), b"");
    assert!(begin.elapsed() >= 200 * MILLISECOND);
}

#[tokio::test]
async fn a_blackhole_gives_all_back_when_it_goes() {
    let net = Net::new().await;
    let (mut client, mut server) = net.pair().await;
    write(&mut server, b"before").await;
    assert_eq!(read(&mut client, 6).await, b"before");
    net.handle().add("hole", Toxic::blackhole()).unwrap();
    let payload = vec![7; 1_000_000];
    let (mut reader, mut writer) = server.split();
    let send = async {
        write(&mut writer, &payload).await;
        writer.shutdown().await.unwrap();
    };
    let receive = async {
        assert!(is_silent(&mut client).await);
        write(&mut client, b"up").await;
        assert_eq!(read(&mut reader, 2).await, b"up");
        assert!(is_silent(&mut client).await);
        net.handle().remove("hole").unwrap();
        read_all(&mut client).await.unwrap()
    };
    let ((), received) = tokio::join!(send, receive);
    assert!(received == payload);
}

#[tokio::test]
async fn a_slow_close_keeps_the_end_and_no_byte() {
    let net = Net::new().await;
    net.handle().add("slow", Toxic::slow_close(2 * SECOND).unwrap()).unwrap();
    let (mut client, mut server) = net.pair().await;
    let begin = Instant::now();
    write(&mut server, b"bye").await;
    drop(server);
    assert_eq!(read(&mut client, 3).await, b"bye");
    let bytes_came = begin.elapsed();
    assert_eq!(read_all(&mut client).await.unwrap(), b"");
    assert!(begin.elapsed() >= 2 * SECOND);
    assert!(bytes_came < 2 * SECOND, "{bytes_came:?}");
}
