//! The load, by wrk.

use std::path::Path;

use buttress::prelude::BoxError;
use tokio::process::Command;

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Load {
    pub(super) requests: f64,
    pub(super) per_second: f64,
    pub(super) p99_ms: f64,
}

/// As many requests as there can be, on so many connections, for so many seconds.
pub(super) async fn load(
    wrk: &Path,
    url: &str,
    connections: u32,
    seconds: u32,
) -> Result<Load, BoxError> {
    let output = Command::new(wrk)
        .args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), "--latency", url])
        .kill_on_drop(true)
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("wrk: {}: {said}", output.status).into());
    }
    read(&said).map_err(|what| format!("wrk: {what}:\n{said}").into())
}

fn read(said: &str) -> Result<Load, &'static str> {
    if said.contains("Socket errors") || said.contains("Non-2xx") {
        return Err("not all requests were answered well");
    }
    let word = |is: fn(&[&str]) -> bool, index: usize| {
        let lines = said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        lines.into_iter().find(|words| is(words)).and_then(|words| words.get(index).copied())
    };
    let number = |word: Option<&str>| word.and_then(|word| word.parse().ok());
    let p99_ms = word(|words| words.first() == Some(&"99%"), 1).and_then(milliseconds);
    Ok(Load {
        requests: number(word(|words| words.get(1..3) == Some(&["requests", "in"]), 0))
            .ok_or("no number of requests")?,
        per_second: number(word(|words| words.first() == Some(&"Requests/sec:"), 1))
            .ok_or("no rate")?,
        p99_ms: p99_ms.ok_or("no 99th percentile")?,
    })
}

fn milliseconds(text: &str) -> Option<f64> {
    let unit = text.find(|letter: char| letter.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit);
    let in_ms = match unit {
        "us" => 0.001,
        "ms" => 1.0,
        "s" => 1000.0,
        "m" => 60_000.0,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * in_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "Running 1s test @ http://127.0.0.1:1/\n  1 threads and 32 connections\n  \
        Thread Stats   Avg      Stdev     Max   +/- Stdev\n    Latency   580.00us  300.00us   9.00ms   \
        90.00%\n  Latency Distribution\n     50%  500.00us\n     99%    1.50ms\n  20000 requests in 1.00s, \
        4.00MB read\nRequests/sec:  19900.50\nTransfer/sec:      4.00MB\n";

    #[test]
    fn its_words_are_read() {
        let load = Load { requests: 20_000.0, per_second: 19_900.5, p99_ms: 1.5 };
        assert_eq!(read(SAID), Ok(load));
        assert_eq!(milliseconds("250.00us"), Some(0.25));
        assert_eq!(milliseconds("1.50s"), Some(1500.0));
        assert_eq!(milliseconds("1.50"), None);
    }

    #[test]
    fn a_load_that_met_errors_is_none() {
        for error in ["  Socket errors: connect 0, read 1", "  Non-2xx or 3xx responses: 3"] {
            read(&format!("{SAID}{error}\n")).unwrap_err();
        }
        read("").unwrap_err();
    }
}
