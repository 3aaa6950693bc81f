//! A timeline from a file.

use std::{error::Error, fmt};

use serde::{Deserialize, de::DeserializeOwned};

use super::Timeline;

impl<F: DeserializeOwned> Timeline<F> {
    /// Reads a timeline from TOML.
    ///
    /// Each `[[fault]]` is one step. `at` says when it begins, `for` how long it lasts (left out: to the
    /// end), `target` whom it is for (left out: all), in units as `5s`, `1m 30s` or `200ms`. What else
    /// stands there is the fault itself, in whatever way its type is written: of an `enum` its variant,
    /// of a `struct` its fields.
    ///
    /// ```
    /// use std::time::Duration;
    /// use buttress_chaos::Timeline;
    ///
    /// #[derive(Debug, PartialEq, serde::Deserialize)]
    /// #[serde(rename_all = "snake_case", deny_unknown_fields)]
    /// enum Fault {
    ///     Hangs,
    ///     Fails { rate: f64 },
    /// }
    ///
    /// # fn main() -> Result<(), buttress_chaos::TimelineError> {
    /// let timeline: Timeline<Fault> = Timeline::from_toml(
    ///     r#"
    ///     [[fault]]
    ///     at = "5s"
    ///     for = "3s"
    ///     target = "pricing"
    ///     fails = { rate = 0.2 }
    ///
    ///     [[fault]]
    ///     at = "1m 30s"
    ///     hangs = true
    ///     "#,
    /// )?;
    /// assert_eq!(timeline.steps()[0].fault(), &Fault::Fails { rate: 0.2 });
    /// assert_eq!(timeline.end(), Duration::from_secs(90));
    ///
    /// let error = Timeline::<Fault>::from_toml("[[fault]]\nat = \"5s\"\nhalts = true").unwrap_err();
    /// assert_eq!(error.line(), Some(3));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A timeline inside a larger file is a field of its type there: `fault: Timeline<Fault>`.
    ///
    /// # Errors
    ///
    /// [`TimelineError`], with the line, and what is wrong with the setting there: it is no TOML, a
    /// setting is unknown, missing or has a value that is not allowed.
    pub fn from_toml(text: &str) -> Result<Self, TimelineError> {
        let document: Document<F> = ::toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| 1 + text[..span.start].matches('\n').count());
            TimelineError { line, text: error.to_string() }
        })?;
        Ok(document.fault)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound = "F: DeserializeOwned")]
struct Document<F> {
    #[serde(default)]
    fault: Timeline<F>,
}

/// What is wrong with the text of a timeline, and where; from
/// [`Timeline::from_toml`](crate::Timeline::from_toml).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineError {
    line: Option<usize>,
    text: String,
}

impl TimelineError {
    /// In which line it is, from 1, if it is in one.
    pub fn line(&self) -> Option<usize> {
        self.line
    }
}

impl fmt::Display for TimelineError {
    /// Several lines, among them the one in question.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.trim_end())
    }
}

impl Error for TimelineError {}
