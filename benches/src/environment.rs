//! Where and with what the figures were measured.

use std::{fs, path::Path, process::Command, thread, time::SystemTime};

/// The peers, and what they stand on.
const CRATES: [&str; 10] = [
    "failsafe",
    "recloser",
    "seatbelt",
    "tokio",
    "tower",
    "tower-resilience-bulkhead",
    "tower-resilience-circuitbreaker",
    "tower-resilience-fallback",
    "tower-resilience-retry",
    "tower-resilience-timelimiter",
];

/// What has to be known to read them.
#[derive(Debug, Clone, PartialEq)]
pub struct Environment {
    /// When they were measured.
    pub date: String,
    /// The processor, as it calls itself.
    pub processor: String,
    /// How many threads it runs at once.
    pub cores: usize,
    /// How many wanted to run when it began and when it was over, in the mean of a minute: one of them is this
    /// one.
    pub load: (String, String),
    /// The compiler.
    pub rustc: String,
    /// Crates and their versions.
    pub crates: Vec<(String, String)>,
}

impl Environment {
    /// As it is now. `workspace` is where `Cargo.lock` lies.
    pub fn now(workspace: &Path) -> Self {
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        let lock = read(&workspace.join("Cargo.lock"));
        let crates =
            CRATES.iter().filter_map(|name| Some(((*name).to_owned(), version(&lock, name)?)));
        Self {
            date: httpdate::fmt_http_date(SystemTime::now()),
            processor: processor(&read(Path::new("/proc/cpuinfo"))),
            cores: thread::available_parallelism().map_or(1, usize::from),
            load: (load(), String::new()),
            rustc: rustc(),
            crates: crates.collect(),
        }
    }

    /// When all is measured.
    pub fn is_over(&mut self) {
        self.load.1 = load();
    }
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

fn rustc() -> String {
    let said = Command::new("rustc").arg("--version").output();
    let said = said.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    said.map_or_else(|| "unknown rustc".to_owned(), |text| text.trim().to_owned())
}

/// The version of a crate; the newest, where there are two.
fn version(lock: &str, name: &str) -> Option<String> {
    let head = format!("name = \"{name}\"");
    let mut lines = lock.lines();
    let mut found = None;
    while let Some(line) = lines.next() {
        if line == head {
            let version = lines.next()?.strip_prefix("version = \"")?.strip_suffix('"')?;
            found = Some(version.to_owned());
        }
    }
    found
}

fn processor(cpuinfo: &str) -> String {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_that_of_the_very_crate() {
        let lock = "[[package]]\nname = \"tower-layer\"\nversion = \"0.3.3\"\n\n[[package]]\nname = \"tower\"\nversion = \"0.5.3\"\n";
        assert_eq!(version(lock, "tower").as_deref(), Some("0.5.3"));
        assert_eq!(version(lock, "towe"), None);
    }

    #[test]
    fn a_processor_without_a_name_is_called_after_its_kind() {
        assert_eq!(processor("processor\t: 0\nmodel name\t: Fast 9000\n"), "Fast 9000");
        assert_eq!(processor(""), std::env::consts::ARCH);
    }
}
