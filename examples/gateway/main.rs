//! A gateway: a reverse proxy that keeps what is well reachable while an upstream is not.
//!
//! ```text
//! cargo run --release --example gateway -- --route /=http://127.0.0.1:9000
//! ```
//!
//! takes HTTP/1 and HTTP/2, and passes requests on with their bodies, responses and trailers as they
//! come. Each route has a limit and a retry of its own; each upstream host a breaker and a bulkhead, which
//! the routes to it share. `--bare` leaves all that out.
//!
//! Without routes it shows itself: to two small upstreams, one of which hangs, through a bare gateway
//! and through one with the layers. With `--measure` it finds out what the layers cost:
//!
//! ```text
//! cargo run --profile bench --example gateway --features peers -- --measure
//! ```
//!
//! `--features peers` puts a gateway with the layers of tower-resilience beside it.

mod args;
mod demo;
mod listening;
mod measure;
mod proxy;
mod small_upstream;
#[path = "../told_to_stop.rs"]
mod told_to_stop;
#[cfg(feature = "peers")]
mod tower_resilience;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use buttress::prelude::BoxError;
use clap::Parser;
use tokio::net::TcpListener;

use crate::{
    args::{Args, Task},
    told_to_stop::told_to_stop,
};

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.task() {
        Task::Serve => serve(args).await.map(|()| true),
        Task::Show => demo::show().await.and_then(|shown| print(&shown.table, shown.as_promised)),
        Task::Measure => {
            measure::run(&args.measuring).await.and_then(|measured| print(&measured, true))
        }
        Task::SmallUpstream => small_upstream::run(args.listen).await.map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether all was as promised.
fn print(text: &str, as_promised: bool) -> Result<bool, BoxError> {
    // Not `println!`, which panics when nobody reads it to the end.
    writeln!(io::stdout(), "{}", text.trim_end())?;
    Ok(as_promised)
}

async fn serve(args: Args) -> Result<(), BoxError> {
    let listener = TcpListener::bind(args.listen).await?;
    listening::tell(&listener)?;
    #[cfg(feature = "peers")]
    if args.instead.tower_resilience {
        let settings = args.settings();
        return tower_resilience::serve(listener, args.routes, settings, told_to_stop()).await;
    }
    let (layers, settings) = (args.layers(), args.settings());
    proxy::serve(listener, args.routes, layers, settings, told_to_stop()).await
}
