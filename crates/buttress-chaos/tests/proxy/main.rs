//! The proxy between real sockets.

#[cfg(feature = "toml")]
mod file;
