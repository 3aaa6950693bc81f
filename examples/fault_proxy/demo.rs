//! The proxy shows itself: a client says hello through it, again and again, while its toxics change.

mod client;
mod echo;

use std::{
    future::pending,
    io::{self, ErrorKind, Write},
    net::SocketAddr,
    time::Duration,
};

use buttress::prelude::BoxError;
use serde_json::json;
use tokio::{net::TcpListener, task::JoinSet};

use crate::api::{self, Proxies};

use client::{Api, Saw};

/// What the latency adds, in milliseconds.
const LATE: u64 = 300;

/// Whether all was as it should be.
pub(crate) async fn show() -> Result<bool, BoxError> {
    let mut tasks = JoinSet::new();
    let (listener, upstream) = listen().await?;
    tasks.spawn(echo::serve(listener));
    let (listener, server) = listen().await?;
    tasks.spawn(async move {
        let _ = api::serve(listener, Proxies::new(Some(7)), pending()).await;
    });

    let api = Api::at(server);
    let mut told = Told { as_it_should_be: true };
    let proxy = json!({ "name": "demo", "listen": "127.0.0.1:0", "upstream": upstream });
    let created = api.post("/proxies", &proxy).await?;
    let address =
        created["listen"].as_str().ok_or("the proxy does not say where it is")?.parse()?;
    told.line("a proxy in front of the upstream", &client::say_hello(address).await, |saw| {
        matches!(saw, Saw::Hello(_))
    })?;

    let latency = json!({ "type": "latency", "attributes": { "latency": LATE } });
    api.post("/proxies/demo/toxics", &latency).await?;
    told.line(
        &format!("`latency` of {LATE} ms added"),
        &client::say_hello(address).await,
        |saw| matches!(saw, Saw::Hello(after) if *after >= Duration::from_millis(LATE)),
    )?;

    api.post("/proxies/demo/toxics", &json!({ "type": "reset_peer" })).await?;
    told.line("`reset_peer` added", &client::say_hello(address).await, |saw| {
        *saw == Saw::Error(ErrorKind::ConnectionReset)
    })?;

    api.post("/proxies/demo", &json!({ "enabled": false })).await?;
    told.line("the proxy disabled", &client::say_hello(address).await, |saw| {
        *saw == Saw::Error(ErrorKind::ConnectionRefused)
    })?;

    api.post("/reset", &json!({})).await?;
    told.line("all reset", &client::say_hello(address).await, |saw| matches!(saw, Saw::Hello(_)))?;
    let toxics = api.get("/proxies/demo/toxics").await?;
    told.line("toxics that are left", &toxics, |left| *left == json!([]))?;
    Ok(told.as_it_should_be)
}

/// What was told, line by line.
struct Told {
    as_it_should_be: bool,
}

impl Told {
    fn line<T: std::fmt::Display>(
        &mut self,
        what: &str,
        saw: &T,
        should_be: impl FnOnce(&T) -> bool,
    ) -> io::Result<()> {
        let well = should_be(saw);
        self.as_it_should_be &= well;
        let remark = if well { "" } else { "  <- that is not as it should be" };
        // Not `println!`, which panics when nobody reads it.
        writeln!(io::stdout(), "{what:<33} {saw}{remark}")
    }
}

async fn listen() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
