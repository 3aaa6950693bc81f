//! The builder.

use std::{fmt, time::Duration};

use buttress_core::ConfigError;

use crate::{RedisStore, address, line::Limits};

/// Builds a [`RedisStore`].
pub struct RedisStoreBuilder {
    url: String,
    prefix: String,
    limits: Limits,
}

impl RedisStoreBuilder {
    pub(crate) fn new(url: &str) -> Self {
        let limits =
            Limits { connect: Duration::from_millis(500), response: Duration::from_millis(100) };
        Self { url: url.to_owned(), prefix: "buttress:".to_owned(), limits }
    }

    /// Puts this before each key. Default: `"buttress:"`.
    ///
    /// It keeps what is stored apart from whatever else is in that Redis, and from what other programs
    /// store whose layers have the same names. Within one program layers of different names do not see
    /// each other's answers anyway, for `buttress-fallback` puts the layer's name into each key; and the
    /// instances of a program need the same prefix, or they share nothing. It may be empty.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Allows this long for making a connection: the name, TCP, TLS and the password together.
    /// Default: 500 ms. `Duration::MAX` means that it is never given up.
    ///
    /// It bounds an operation only where there is no connection yet, or none of use any more.
    pub fn connect_limit(mut self, limit: Duration) -> Self {
        self.limits.connect = limit;
        self
    }

    /// Allows this long from the moment that Redis is asked until its answer is there, the value
    /// included. Default: 100 ms. `Duration::MAX` means that it is never given up, and that a Redis
    /// which vanishes without closing its connection is not found out, nor are those ever done that wait
    /// for it; see [how many may be](crate#when-redis-is-down).
    ///
    /// Raise it where values are large for the network that they cross.
    pub fn response_limit(mut self, limit: Duration) -> Self {
        self.limits.response = limit;
        self
    }

    /// Builds the store. It connects to nothing yet, and needs no runtime.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the URL makes no sense, of which no more is shown than its scheme, or if a
    /// limit is zero.
    pub fn build(self) -> Result<RedisStore, ConfigError> {
        let Self { url, prefix, limits } = self;
        let (client, address) = address::parse(&url)?;
        ConfigError::check_not_zero("connect_limit", limits.connect)?;
        ConfigError::check_not_zero("response_limit", limits.response)?;
        Ok(RedisStore::new(client, address, prefix, limits))
    }
}

/// Without the URL, which may tell a password.
impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder")
            .field("prefix", &self.prefix)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_zero_is_refused_by_its_name() {
        let builder = || RedisStore::builder("redis://localhost");
        let error = builder().connect_limit(Duration::ZERO).build().unwrap_err();
        assert_eq!(error.setting(), "connect_limit");
        let error = builder().response_limit(Duration::ZERO).build().unwrap_err();
        assert_eq!(error.setting(), "response_limit");
        builder().connect_limit(Duration::MAX).response_limit(Duration::MAX).build().unwrap();
    }

    #[test]
    fn nothing_tells_the_password() {
        let builder = RedisStore::builder("redis://me:hunter2@localhost");
        assert!(!format!("{builder:?}").contains("hunter2"));
        let store = format!("{:?}", builder.build().unwrap());
        assert!(!store.contains("hunter2"), "{store}");
        assert!(store.contains("localhost:6379"), "{store}");
    }
}
