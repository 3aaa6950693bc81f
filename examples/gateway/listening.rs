//! The line by which a server says where it is.

use std::io::{self, Write};

use tokio::net::TcpListener;

const BEFORE: &str = "listening on ";

/// Says it on standard output.
pub(crate) fn tell(listener: &TcpListener) -> io::Result<()> {
    writeln!(io::stdout(), "{BEFORE}http://{}", listener.local_addr()?)
}

/// The URL in such a line.
pub(crate) fn heard(line: &str) -> Option<&str> {
    line.trim_end().strip_prefix(BEFORE)
}
