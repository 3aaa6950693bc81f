//! What the program is told on its command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;

/// TCP proxies whose connections fail on demand, by Toxiproxy's HTTP API.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Where the API listens; port 0 is one that is free, and is printed.
    #[arg(long, default_value = "127.0.0.1:8474")]
    pub(crate) listen: SocketAddr,
    /// Draw from generators that start here, so that a run can be repeated. Default: seeded by the operating
    /// system.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// A file with the proxies to begin with: a JSON list, as `POST /populate` takes it.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Show what the toxics do to a client, in a few seconds, on free ports.
    #[arg(long, conflicts_with_all = ["listen", "seed", "config"])]
    pub(crate) demo: bool,
}
