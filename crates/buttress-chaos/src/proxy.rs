//! A TCP proxy whose connections fail on demand.
//!
//! [`FaultProxy`] stands between a client and a server on real sockets, in the process of a test, and
//! does to their bytes what networks do: it is late, slow, cut off. It knows nothing of what the bytes
//! say, so it serves HTTP, gRPC, Redis or anything else over TCP.
//!
//! # Toxics
//!
//! | toxic | what it does | to the bytes |
//! |---|---|---|
//! | [`latency`](Toxic::latency) | each byte comes later, by a delay ± jitter | none lost, order kept |
//! | [`bandwidth`](Toxic::bandwidth) | no more than so many bytes a second | none lost, order kept |
//! | [`slicer`](Toxic::slicer) | small pieces, with a pause between two | none lost, order kept |
//! | [`slow_close`](Toxic::slow_close) | the end comes later | none lost, order kept |
//! | [`blackhole`](Toxic::blackhole) | nothing passes until it is removed, and then all does | none lost, order kept |
//! | [`limit_data`](Toxic::limit_data) | closes after so many bytes | the rest is lost |
//! | [`timeout`](Toxic::timeout) | swallows all, then closes | all lost |
//! | [`reset_peer`](Toxic::reset_peer) | RST, after a time | what was on its way is lost |
//! | [`refuse`](ProxyHandle::refuse) | nobody is let in (`ECONNREFUSED`), and who is there is cut off | what was on its way is lost |
//!
//! Each has a direction and a share of the connections that it strikes. Bytes pass those of their
//! direction in the order in which they were added, ends and resets as well as bytes: what comes after a
//! latency comes that much later. They are added, changed and removed while connections run; what a
//! removed one holds flows on, in order. An end one way is passed on after all bytes before it, and the
//! other way goes on. A peer who resets his connection resets the other's, and what he sent before
//! still comes first.
//!
//! A [`ProxyHandle`] does all this while the proxy runs, or [plays](ProxyHandle::play) a
//! [`Timeline`](crate::Timeline) of [`WireFault`]s, which can stand in a file.
//!
//! # Settings
//!
//! | setting | default | why |
//! |---|---|---|
//! | [`builder`](FaultProxy::builder) | none | the upstream, `host:port`, looked up for each connection |
//! | [`listen`](FaultProxyBuilder::listen) | a free port of 127.0.0.1 | tests that run side by side do not meet |
//! | [`buffer`](FaultProxyBuilder::buffer) | 1 MiB a direction | bounds what is on its way; a latency of 100 ms then still lets 10 MiB a second through |
//! | [`rng`](FaultProxyBuilder::rng) | seeded by the operating system | a test gives a seed, and the same connections are struck |
//! | [`name`](FaultProxyBuilder::name) | `"proxy"` | its name in a timeline |
//!
//! # Example
//!
//! ```
//! use std::{io, time::Duration};
//! use buttress_chaos::proxy::{FaultProxy, Toxic};
//! use tokio::{io::AsyncReadExt, net::{TcpListener, TcpStream}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let upstream = TcpListener::bind("127.0.0.1:0").await?;
//! let proxy = FaultProxy::builder(upstream.local_addr()?).rng(7).start().await?;
//!
//! proxy.handle().add("cut", Toxic::reset_peer(Duration::ZERO)?)?;
//! let mut client = TcpStream::connect(proxy.address()).await?;
//! let error = client.read_u8().await.unwrap_err();
//! assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
//!
//! proxy.handle().refuse().await?;
//! let error = TcpStream::connect(proxy.address()).await.unwrap_err();
//! assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
//! proxy.shut_down().await;
//! # Ok(())
//! # }
//! ```

mod builder;
mod connection;
mod door;
mod handle;
mod pipe;
mod play;
mod running;
mod stage;
mod toxic;
mod toxics;
mod way;
mod wire_fault;

pub use builder::{FaultProxy, FaultProxyBuilder};
pub use handle::ProxyHandle;
pub use play::Playing;
pub use toxic::{Direction, Toxic, ToxicKind};
pub use wire_fault::WireFault;
