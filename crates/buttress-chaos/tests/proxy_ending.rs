//! That nothing of a proxy is left when it has ended: no task and no socket. One test, as the sockets of
//! any other would be counted with these.
#![cfg(target_os = "linux")]

use std::{fs, time::Duration};

use buttress_chaos::{
    Step, Timeline,
    proxy::{FaultProxy, Toxic, WireFault},
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpSocket, TcpStream},
    runtime::Handle,
    time::{sleep, timeout},
};

const MANY: usize = 20;
const BOUND: Duration = Duration::from_secs(10);

/// What this process has open, and the tasks that it runs.
fn open() -> (usize, usize) {
    let descriptors = fs::read_dir("/proc/self/fd").unwrap().count();
    (descriptors, Handle::current().metrics().num_alive_tasks())
}

async fn becomes(expected: (usize, usize)) {
    while open() != expected {
        sleep(Duration::from_millis(1)).await;
    }
}

/// What it does to its connections before it ends.
#[derive(Debug, Clone, Copy)]
enum Scene {
    /// They have both ended by themselves.
    Over,
    /// Half of them have.
    HalfOpen,
    /// Bytes and ends are held back for ever.
    Held,
    /// Nobody reads, and all buffers are full.
    Stuck,
    /// They have been closed, and the peers send on.
    Closed,
    /// The upstream does not accept.
    Unanswered,
    /// Nobody is let in.
    Refusing,
}

#[tokio::test]
async fn nothing_is_left() {
    // What the runtime itself opens, it opens with the first socket.
    drop(TcpListener::bind("127.0.0.1:0").await.unwrap());
    for by_drop in [false, true] {
        for scene in [
            Scene::Over,
            Scene::HalfOpen,
            Scene::Held,
            Scene::Stuck,
            Scene::Closed,
            Scene::Unanswered,
            Scene::Refusing,
        ] {
            let ends = timeout(BOUND, play(scene, by_drop)).await;
            ends.unwrap_or_else(|_| panic!("after 10 s something is left: {scene:?}"));
        }
    }
}

async fn play(scene: Scene, by_drop: bool) {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // Of a listener that nobody asks, and whose queue is full.
    let silent = TcpSocket::new_v4().unwrap();
    silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let silent = silent.listen(1).unwrap();
    let mut queue = Vec::new();
    let address = if let Scene::Unanswered = scene {
        let address = silent.local_addr().unwrap();
        for _ in 0..4 {
            let connect = TcpStream::connect(address);
            queue.extend(timeout(Duration::from_millis(50), connect).await.ok());
        }
        address
    } else {
        upstream.local_addr().unwrap()
    };
    let before = open();
    let proxy = FaultProxy::builder(address).start().await.unwrap();
    let idle = open();
    let handle = proxy.handle();
    match scene {
        Scene::Held => handle.add("hole", Toxic::blackhole()).unwrap(),
        Scene::Closed => handle.add("limit", Toxic::limit_data(1)).unwrap(),
        _ => {}
    }
    let mut pairs = Vec::new();
    for _ in 0..MANY {
        let client = TcpStream::connect(proxy.address()).await.unwrap();
        let server = match scene {
            Scene::Unanswered => None,
            _ => Some(upstream.accept().await.unwrap().0),
        };
        pairs.push((client, server));
    }
    for (client, server) in &mut pairs {
        let Some(server) = server else { continue };
        match scene {
            Scene::Over => {
                client.shutdown().await.unwrap();
                server.shutdown().await.unwrap();
            }
            Scene::HalfOpen => client.shutdown().await.unwrap(),
            Scene::Held | Scene::Closed => {
                server.write_all(b"bytes").await.unwrap();
                let _ = server.shutdown().await;
            }
            Scene::Stuck => {
                let chunk = vec![0; 1024 * 1024];
                let write = server.write_all(&chunk);
                let _ = timeout(Duration::from_millis(10), write).await;
            }
            Scene::Unanswered | Scene::Refusing => {}
        }
    }
    let own = pairs.len() + pairs.iter().flat_map(|(_, server)| server).count();
    if let Scene::Over = scene {
        // Each connection is freed as soon as it is over, and not only with the proxy.
        becomes((idle.0 + own, idle.1)).await;
    }
    let refuse = Timeline::from_iter([Step::new(Duration::ZERO, WireFault::Refuse)]);
    let mut playing = None;
    if let Scene::Refusing = scene {
        playing.insert(handle.play(&refuse)).finished().await.unwrap();
    }
    if by_drop {
        drop(proxy);
        becomes((before.0 + own, before.1)).await;
    } else {
        proxy.shut_down().await;
        // At once.
        assert_eq!(open(), (before.0 + own, before.1), "{scene:?}");
    }
}
