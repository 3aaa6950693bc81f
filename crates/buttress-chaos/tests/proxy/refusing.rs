//! Who is let in, and to whom he is brought.

use std::{io::ErrorKind, time::Duration};

use buttress_chaos::{
    Step, Timeline,
    proxy::{FaultProxy, Toxic, WireFault},
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::sleep,
};

use crate::net::{MILLISECOND, Net, error, is_silent, read, within, write};

async fn is_refused(net: &Net) -> bool {
    match within(TcpStream::connect(net.address())).await {
        Ok(_) => false,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            true
        }
    }
}

/// Also one who was in, and one with bytes on their way.
#[tokio::test]
async fn who_is_refused_sees_it_and_the_port_is_kept() {
    let net = Net::new().await;
    let address = net.address();
    for _ in 0..3 {
        let (mut client, mut server) = net.pair().await;
        write(&mut client, b"unread").await;
        net.handle().refuse().await.unwrap();
        assert_eq!(error(&mut client).await, ErrorKind::ConnectionReset);
        let _ = within(tokio::io::AsyncReadExt::read(&mut server, &mut [0; 6])).await;
        net.handle().refuse().await.unwrap();
        assert!(is_refused(&net).await);

        let taken = TcpSocket::new_v4().unwrap().bind(address).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);

        net.handle().enable().await.unwrap();
        net.handle().enable().await.unwrap();
        assert_eq!(net.address(), address);
        let (mut client, mut server) = net.pair().await;
        write(&mut client, b"again").await;
        assert_eq!(read(&mut server, 5).await, b"again");
    }
}

#[tokio::test]
async fn the_door_opens_when_the_last_refusal_is_over() {
    let net = Net::with(|builder| builder.name("pricing")).await;
    let refusal = Step::new(Duration::ZERO, WireFault::Refuse);
    let brief = refusal.clone().lasting(MILLISECOND).unwrap();
    let timeline = Timeline::from_iter([refusal.on("pricing").unwrap(), brief]);

    let mut playing = net.handle().play(&timeline);
    within(playing.finished()).await.unwrap();
    assert!(is_refused(&net).await, "one of the two is over");
    net.handle().refuse().await.unwrap();
    net.handle().enable().await.unwrap();
    assert!(is_refused(&net).await, "the timeline still refuses");

    net.handle().refuse().await.unwrap();
    drop(playing);
    // Behind what the drop has said.
    net.handle().refuse().await.unwrap();
    assert!(is_refused(&net).await, "the user still refuses");
    net.handle().enable().await.unwrap();
    assert!(!is_refused(&net).await);
}

#[tokio::test]
async fn a_player_that_goes_takes_its_faults_along() {
    let net = Net::new().await;
    let (mut client, mut server) = net.pair().await;
    let hole = Step::new(Duration::ZERO, WireFault::from(Toxic::blackhole()));
    let mut playing = net.handle().play(&Timeline::new().step(hole));
    within(playing.finished()).await.unwrap();
    write(&mut server, b"late").await;
    assert!(is_silent(&mut client).await);
    drop(playing);
    assert_eq!(read(&mut client, 4).await, b"late");
}

#[tokio::test]
async fn a_name_is_looked_up_for_each_connection() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let name = format!("localhost:{}", upstream.local_addr().unwrap().port());
    let proxy = FaultProxy::builder(name).start().await.unwrap();
    let net = Net { upstream, proxy };
    let (mut client, mut server) = net.pair().await;
    write(&mut client, b"hello").await;
    assert_eq!(read(&mut server, 5).await, b"hello");
}

/// Not every machine has it, and on those there is nothing to see.
#[tokio::test]
async fn ipv6_is_no_other() {
    let Ok(upstream) = TcpListener::bind("[::1]:0").await else { return };
    let builder = FaultProxy::builder(upstream.local_addr().unwrap());
    let proxy = builder.listen("[::1]:0".parse().unwrap()).start().await.unwrap();
    let net = Net { upstream, proxy };
    let (mut client, mut server) = net.pair().await;
    write(&mut client, b"hello").await;
    assert_eq!(read(&mut server, 5).await, b"hello");
    net.handle().refuse().await.unwrap();
    assert!(is_refused(&net).await);
    net.handle().enable().await.unwrap();
    net.pair().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_an_error() {
    let nothing = FaultProxy::builder("127.0.0.1:9").buffer(0).start().await.unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::InvalidInput);
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let taken = FaultProxy::builder("127.0.0.1:9").listen(address).start().await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AddrInUse);

    let net = Net::new().await;
    let handle = net.handle();
    handle.add("hole", Toxic::blackhole()).unwrap();
    assert_eq!(handle.add("hole", Toxic::blackhole()).unwrap_err().setting(), "name");
    assert_eq!(handle.change("other", Toxic::blackhole()).unwrap_err().setting(), "name");
    assert_eq!(handle.remove("other"), None);
    assert_eq!(handle.remove("hole"), Some(Toxic::blackhole()));
    within(net.proxy.shut_down()).await;
    assert_eq!(handle.refuse().await.unwrap_err().kind(), ErrorKind::NotConnected);
    assert_eq!(handle.enable().await.unwrap_err().kind(), ErrorKind::NotConnected);
}

/// Who is not accepted by his upstream is in nobody's way, and is freed with the proxy.
#[tokio::test]
async fn an_upstream_that_takes_for_ever_holds_up_nobody() {
    // A full queue of a listener that nobody asks: who connects waits for ever.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let upstream = socket.listen(1).unwrap();
    let address = upstream.local_addr().unwrap();
    let mut fill = Vec::new();
    while let Ok(Ok(one)) =
        tokio::time::timeout(200 * MILLISECOND, TcpStream::connect(address)).await
    {
        fill.push(one);
        assert!(fill.len() < 100, "this system's queues have no end");
    }
    let proxy = FaultProxy::builder(address).start().await.unwrap();
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(within(TcpStream::connect(proxy.address())).await.unwrap());
    }
    for client in &mut clients {
        assert!(is_silent(client).await);
    }
    // So that each has been accepted by the proxy.
    sleep(50 * MILLISECOND).await;
    within(proxy.shut_down()).await;
    for client in &mut clients {
        assert_eq!(error(client).await, ErrorKind::ConnectionReset);
    }
}
