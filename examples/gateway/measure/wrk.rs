//! The closed loop, by wrk: each connection asks again as soon as it was answered.
//!
//! wrk makes up for what it did not ask while it waited: an answer that took many times what is usual counts as
//! so many late ones.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use buttress::prelude::BoxError;
use tokio::process::Command;

use super::load::{Answers, Latency};

/// Has wrk say all it found, with more percentiles than it prints by itself.
const SCRIPT: &str = include_str!("wrk.lua");

/// wrk, and the script for it, which is there for as long as this is.
pub(super) struct Wrk {
    program: PathBuf,
    script: PathBuf,
}

impl Wrk {
    pub(super) fn new(program: PathBuf) -> io::Result<Self> {
        let name = format!("buttress-gateway-{}.lua", std::process::id());
        let script = std::env::temp_dir().join(name);
        fs::write(&script, SCRIPT)?;
        Ok(Self { program, script })
    }

    /// As many requests as there can be, on so many connections, for so many seconds.
    pub(super) async fn load(
        &self,
        url: &str,
        connections: u32,
        seconds: u32,
    ) -> Result<Answers, BoxError> {
        let output = Command::new(&self.program)
            .args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), "-s"])
            .args([self.script.as_path(), Path::new(url)])
            .kill_on_drop(true)
            .output()
            .await?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(format!("wrk: {}: {said}", output.status).into());
        }
        read(&said).map_err(|what| format!("wrk: {what}:\n{said}").into())
    }
}

impl Drop for Wrk {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.script);
    }
}

fn read(said: &str) -> Result<Answers, String> {
    let figure = |name: &str| {
        let mut lines = said.lines().filter_map(|line| line.strip_prefix("measured "));
        let figure = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let number = figure.and_then(|figure| figure.parse::<u64>().ok());
        number.ok_or_else(|| format!("it does not say {name}"))
    };
    if figure("errors")? > 0 || figure("not_well")? > 0 {
        return Err("not all requests were answered well".into());
    }
    let time = |name| figure(name).map(Duration::from_micros);
    let ms = |name| time(name).map(|time| time.as_secs_f64() * 1e3);
    Ok(Answers {
        count: figure("requests")?,
        took: time("us")?,
        latency: Latency { p50_ms: ms("p50_us")?, p99_ms: ms("p99_us")?, p999_ms: ms("p999_us")? },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "Running 1s test @ http://127.0.0.1:1/\n  1 threads and 32 connections\n\
        measured p50_us 500\nmeasured errors 0\nmeasured p99_us 1500\nmeasured not_well 0\n\
        measured p999_us 2000000\nmeasured us 1005000\nmeasured requests 20000\n";

    #[test]
    fn its_words_are_read() {
        let latency = Latency { p50_ms: 0.5, p99_ms: 1.5, p999_ms: 2000.0 };
        let took = Duration::from_millis(1005);
        assert_eq!(read(SAID), Ok(Answers { count: 20_000, took, latency }));
    }

    #[test]
    fn a_load_that_met_errors_is_none() {
        for (well, not_well) in [("errors 0", "errors 1"), ("not_well 0", "not_well 3")] {
            read(&SAID.replace(well, not_well)).unwrap_err();
        }
    }

    #[test]
    fn what_it_does_not_say_is_missed() {
        for line in SAID.lines().skip(2) {
            read(&SAID.replace(line, "")).unwrap_err();
        }
    }
}
