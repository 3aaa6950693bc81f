//! What a builder answers when a setting makes no sense.

use std::{borrow::Cow, error::Error, fmt, time::Duration};

/// A setting that no layer can be built with.
///
/// It names the setting as the builder's method is called, the value that was given, and the
/// range that is allowed, so that the message alone is enough to mend the configuration.
///
/// ```
/// use buttress_core::ConfigError;
///
/// let error = ConfigError::new("max_concurrent", 0, "1 or more");
/// assert_eq!(error.to_string(), "`max_concurrent` is 0, but must be 1 or more");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    setting: &'static str,
    value: String,
    allowed: Cow<'static, str>,
}

impl ConfigError {
    /// Reports that `setting` was given `value`, which is not `allowed`.
    pub fn new(
        setting: &'static str,
        value: impl fmt::Display,
        allowed: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { setting, value: value.to_string(), allowed: allowed.into() }
    }

    /// Refuses a duration of zero, which would mean "never call" where "never wait" or "no
    /// limit" was meant.
    ///
    /// `Duration::MAX` passes: it means "never".
    pub fn check_not_zero(setting: &'static str, value: Duration) -> Result<(), Self> {
        if value.is_zero() {
            return Err(Self::new(setting, "0s", "longer than zero (Duration::MAX means never)"));
        }
        Ok(())
    }

    /// Refuses a count outside `1..=most`.
    pub fn check_count(setting: &'static str, value: usize, most: usize) -> Result<(), Self> {
        if (1..=most).contains(&value) {
            return Ok(());
        }
        Err(Self::new(setting, value, format!("from 1 to {most}")))
    }

    /// Refuses a rate outside `0.0..=1.0`; not-a-number is outside.
    pub fn check_rate(setting: &'static str, value: f64) -> Result<(), Self> {
        if (0.0..=1.0).contains(&value) {
            return Ok(());
        }
        Err(Self::new(setting, value, "from 0.0 to 1.0"))
    }

    /// The setting, named as the builder's method.
    pub fn setting(&self) -> &'static str {
        self.setting
    }

    /// The value that was given, as text.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The range that is allowed, as text.
    pub fn allowed(&self) -> &str {
        &self.allowed
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is {}, but must be {}", self.setting, self.value, self.allowed)
    }
}

impl Error for ConfigError {}
