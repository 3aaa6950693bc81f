//! A server of TCP proxies whose connections fail on demand, which speaks Toxiproxy's HTTP API.
//!
//! ```text
//! cargo run --release --example fault_proxy
//! curl -d '{"name":"db","listen":"127.0.0.1:5433","upstream":"127.0.0.1:5432"}' 127.0.0.1:8474/proxies
//! curl -d '{"type":"latency","attributes":{"latency":200}}' 127.0.0.1:8474/proxies/db/toxics
//! ```
//!
//! So clients of Toxiproxy, in whichever language, work with it. The first lines of `api/mod.rs` say where
//! it differs. `--demo` shows it.

mod api;
mod args;
mod demo;
#[path = "../told_to_stop.rs"]
mod told_to_stop;

use std::{
    fs,
    io::{self, Write},
    process::ExitCode,
};

use buttress::prelude::BoxError;
use clap::Parser;
use tokio::net::TcpListener;

use crate::{api::Proxies, args::Args, told_to_stop::told_to_stop};

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let done = if args.demo { demo::show().await } else { serve(args).await.map(|()| true) };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

async fn serve(args: Args) -> Result<(), BoxError> {
    let mut proxies = Proxies::new(args.seed);
    if let Some(file) = args.config {
        let of = |error: BoxError| format!("{}: {error}", file.display());
        let list = fs::read(&file).map_err(|error| of(error.into()))?;
        proxies.populate(&list).await.map_err(|error| of(error.into()))?;
    }
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|error| format!("can not listen at {}: {error}", args.listen))?;
    // Not `println!`, which panics when nobody reads it.
    writeln!(io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    api::serve(listener, proxies, told_to_stop()).await?;
    Ok(())
}
