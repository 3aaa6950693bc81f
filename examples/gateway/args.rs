//! What the program is told on its command line.

use std::{net::SocketAddr, time::Duration};

use clap::Parser;

use crate::proxy::{Layers, Route, Settings};

/// A reverse proxy with the Buttress layers. Without routes it shows itself.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Where to listen; port 0 is one that is free, and is printed.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// /prefix=http://host:port, or /prefix=h2:http://host:port for HTTP/2 without TLS, as gRPC needs it.
    /// The longest prefix wins; paths are passed on as they are. May come several times.
    #[arg(long = "route", value_name = "ROUTE")]
    pub(crate) routes: Vec<Route>,
    #[command(flatten)]
    pub(crate) instead: Instead,
    /// Seconds that a client may take until the head of a request is there.
    #[arg(long, default_value = "30", value_parser = seconds)]
    request: Duration,
    /// Connections of clients at once; more wait to be accepted.
    #[arg(long, default_value_t = 10_000, value_parser = connections)]
    max_connections: usize,
    /// Seconds that a connection to an upstream may take.
    #[arg(long, default_value = "2", value_parser = seconds)]
    connect: Duration,
    /// Seconds that one is kept that no call uses.
    #[arg(long, default_value = "50", value_parser = seconds)]
    unused: Duration,
    /// Seconds until the head of a response, for one attempt.
    #[arg(long, default_value = "10", value_parser = seconds)]
    attempt: Duration,
    /// Seconds between the frames of a response.
    #[arg(long, default_value = "30", value_parser = seconds)]
    read: Duration,
    /// Seconds for a call in all: its attempts, and its body.
    #[arg(long, default_value = "60", value_parser = seconds)]
    overall: Duration,
    /// Seconds for which an upstream that fails is left alone.
    #[arg(long, default_value = "30", value_parser = seconds)]
    open_for: Duration,
    /// Calls to one upstream host at once.
    #[arg(long, default_value_t = 1000)]
    max_concurrent: usize,
    /// Seconds that calls in flight have when the gateway is told to stop.
    #[arg(long, default_value = "10", value_parser = seconds)]
    drain: Duration,
    /// Find out what the layers cost, beside a bare gateway and nginx: by `wrk`, as fast as it goes, and at
    /// a rate that does not wait for answers.
    #[arg(long)]
    measure: bool,
    #[command(flatten)]
    pub(crate) measuring: Measuring,
    /// Be the upstream of a measurement.
    #[arg(long, hide = true)]
    small_upstream: bool,
}

/// What there is instead of our layers, to compare with.
#[derive(Debug, clap::Args)]
pub(crate) struct Instead {
    /// The same proxy without the layers.
    #[arg(long)]
    bare: bool,
    /// The same proxy with the layers of tower-resilience.
    #[cfg(feature = "peers")]
    #[arg(long, hide = true, conflicts_with = "bare")]
    pub(crate) tower_resilience: bool,
}

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Measuring {
    /// How often each gateway is measured.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// Seconds of each of the two loads on one gateway in a round.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(crate) round_seconds: u32,
    /// Connections of the load.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) connections: u32,
    /// Requests per second of the load that does not wait; by default a third of what the bare gateway can do.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) rate: Option<u32>,
    /// Print what was measured as JSON.
    #[arg(long, requires = "measure")]
    pub(crate) json: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    Serve,
    Show,
    Measure,
    SmallUpstream,
}

impl Args {
    pub(crate) fn task(&self) -> Task {
        if self.small_upstream {
            Task::SmallUpstream
        } else if self.measure {
            Task::Measure
        } else if self.routes.is_empty() {
            Task::Show
        } else {
            Task::Serve
        }
    }

    pub(crate) fn layers(&self) -> Layers {
        if self.instead.bare { Layers::Bare } else { Layers::Stack }
    }

    pub(crate) fn settings(&self) -> Settings {
        let &Self { request, max_connections, connect, attempt, read, overall, .. } = self;
        let &Self { unused, open_for, max_concurrent, drain, .. } = self;
        Settings {
            request,
            max_connections,
            connect,
            unused,
            attempt,
            read,
            overall,
            open_for,
            max_concurrent,
            drain,
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.001..=1e6).contains(&number) {
        return Ok(Duration::from_secs_f64(number));
    }
    Err("must be from 0.001 to 1000000".into())
}

fn connections(text: &str) -> Result<usize, String> {
    let number = text.parse().map_err(|_| "not a number".to_owned())?;
    if (1..=1_000_000).contains(&number) {
        return Ok(number);
    }
    Err("must be from 1 to 1000000".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_routes_say_whether_to_serve() {
        let task =
            |args: &[&str]| Args::try_parse_from([&["gateway"], args].concat()).unwrap().task();
        assert_eq!(task(&[]), Task::Show);
        assert_eq!(task(&["--route", "/=http://a", "--route", "/b=h2:http://a:81"]), Task::Serve);
        assert_eq!(task(&["--measure", "--route", "/=http://a"]), Task::Measure);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for args in [
            ["--route", "/"],
            ["--overall", "0"],
            ["--drain", "NaN"],
            ["--rounds", "0"],
            ["--measure", "--rate=0"],
            ["--json", "--route=/=http://a"],
            ["--max-connections", "0"],
        ] {
            Args::try_parse_from([&["gateway"], &args[..]].concat()).unwrap_err();
        }
    }
}
