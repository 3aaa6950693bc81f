//! A process that serves, and ends with this one.

use std::process::Stdio;

use buttress::prelude::BoxError;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child as Process, Command},
};

use crate::listening;

/// Killed when it is dropped.
pub(super) struct Child {
    process: Process,
    url: String,
}

impl Child {
    /// This program once more, with these arguments, by which it listens.
    pub(super) async fn of_this_program(args: &[&str]) -> Result<Self, BoxError> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut line = String::new();
        let out = process.stdout.take().ok_or("the process has no standard output")?;
        BufReader::new(out).read_line(&mut line).await?;
        let url = listening::heard(&line).ok_or("the process does not say where it listens")?;
        Ok(Self { process, url: url.to_owned() })
    }

    pub(super) fn of(process: Process, url: String) -> Self {
        Self { process, url }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn id(&self) -> Option<u32> {
        self.process.id()
    }
}
