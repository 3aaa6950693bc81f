//! What whoever is at the end of the call sees of each failure: in front of each client, around each
//! server, and behind a gateway, by HTTP/1 and HTTP/2 over real sockets.
//!
//! The table that comes of it stands in ARCHITECTURE.md, and is compared with it.

mod ends;
mod failure;
mod layers;
#[allow(dead_code, unreachable_pub, reason = "it is a part of another program")]
#[path = "../../examples/gateway/proxy/mod.rs"]
mod proxy;
mod seen;
mod table;
mod upstream;

use std::time::Duration;

use tokio::time::timeout;

/// Beyond the limit of any call.
const PATIENCE: Duration = Duration::from_secs(60);

const ARCHITECTURE: &str = include_str!("../../ARCHITECTURE.md");

#[tokio::test(flavor = "multi_thread")]
async fn each_end_sees_what_architecture_says() {
    let table = timeout(PATIENCE, table::measured()).await.expect("nothing hangs");
    println!("{table}");
    assert!(ARCHITECTURE.contains(&table), "ARCHITECTURE.md has another table");
}
