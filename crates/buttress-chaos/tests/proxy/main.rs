//! The proxy between real sockets.

mod bytes;
mod closing;
mod crowd;
#[cfg(feature = "toml")]
mod file;
mod net;
mod refusing;
mod time;
