//! How a header says what time is left.

use std::time::Duration;

use buttress_core::ConfigError;
use http::{HeaderMap, HeaderName, HeaderValue};

/// A header that tells the next hop how much time is left: its name, and how the value is written.
///
/// The time is relative, for clocks of machines differ: it counts from when the request arrives,
/// and what it spent on the way is not known. A value of zero is valid and says that nothing is
/// left.
///
/// ```
/// use std::time::Duration;
/// use buttress_http::DeadlineHeader;
/// use http::HeaderValue;
///
/// let header = DeadlineHeader::GRPC_TIMEOUT;
/// let sent = header.format(Duration::from_millis(1500)).unwrap();
/// assert_eq!(sent, "1500000u");
/// assert_eq!(header.parse(&sent), Some(Duration::from_millis(1500)));
/// assert_eq!(header.parse(&HeaderValue::from_static("1.5S")), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeadlineHeader {
    name: HeaderName,
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Format {
    /// `TimeoutValue TimeoutUnit` of the gRPC protocol over HTTP/2.
    Grpc,
    /// Milliseconds in decimal.
    Millis,
}

/// The headers that are known by name.
pub(crate) static KNOWN: [DeadlineHeader; 3] = [
    DeadlineHeader::GRPC_TIMEOUT,
    DeadlineHeader::REQUEST_TIMEOUT_MS,
    DeadlineHeader::ENVOY_EXPECTED_TIMEOUT_MS,
];

/// The most digits that a gRPC timeout has.
const GRPC_DIGITS: usize = 8;

/// The largest number of so many digits.
const GRPC_MOST: u64 = 99_999_999;

/// The units of gRPC and their nanoseconds, the finest first.
const GRPC_UNITS: [(u8, u64); 6] = [
    (b'n', 1),
    (b'u', 1_000),
    (b'm', 1_000_000),
    (b'S', 1_000_000_000),
    (b'M', 60 * 1_000_000_000),
    (b'H', 60 * 60 * 1_000_000_000),
];

impl DeadlineHeader {
    /// `grpc-timeout`, as the gRPC protocol over HTTP/2 defines it: 1 to 8 digits and a unit, one
    /// of `H`, `M`, `S`, `m`, `u` and `n`.
    pub const GRPC_TIMEOUT: Self =
        Self { name: HeaderName::from_static("grpc-timeout"), format: Format::Grpc };

    /// `x-request-timeout-ms`, in milliseconds: a plain header for plain HTTP.
    pub const REQUEST_TIMEOUT_MS: Self =
        Self::millis(HeaderName::from_static("x-request-timeout-ms"));

    /// `x-envoy-expected-rq-timeout-ms`, in milliseconds: what Envoy tells those behind it.
    pub const ENVOY_EXPECTED_TIMEOUT_MS: Self =
        Self::millis(HeaderName::from_static("x-envoy-expected-rq-timeout-ms"));

    /// A header of this name, in milliseconds: one or more digits, at most `u64::MAX`.
    ///
    /// For any name but `grpc-timeout`, whose value is never a bare number: the builders refuse
    /// that one.
    pub const fn millis(name: HeaderName) -> Self {
        Self { name, format: Format::Millis }
    }

    /// The name of the header.
    pub const fn name(&self) -> &HeaderName {
        &self.name
    }

    /// The time that a value says is left; none if it does not follow the grammar to the letter.
    ///
    /// Neither a sign nor a space nor a fraction does.
    pub fn parse(&self, value: &HeaderValue) -> Option<Duration> {
        match self.format {
            Format::Grpc => parse_grpc(value.as_bytes()),
            Format::Millis => digits(value.as_bytes()).map(Duration::from_millis),
        }
    }

    /// The value that says that `remaining` is left; none if that is less than the finest unit of
    /// the header, a nanosecond or a millisecond.
    ///
    /// It never says more than `remaining`: what does not fit the unit is cut off, and of a time
    /// too long for the header the longest is sent that fits. In gRPC the unit is the finest that
    /// has room for the value.
    pub fn format(&self, remaining: Duration) -> Option<HeaderValue> {
        match self.format {
            Format::Grpc => format_grpc(remaining),
            Format::Millis => format_millis(remaining),
        }
    }

    /// The least that the values of this header say, each invalid one being told of and ignored.
    pub(crate) fn soonest(
        &self,
        headers: &HeaderMap,
        mut invalid: impl FnMut(&HeaderValue),
    ) -> Option<Duration> {
        let parse = |value| {
            let said = self.parse(value);
            if said.is_none() {
                invalid(value);
            }
            said
        };
        headers.get_all(&self.name).iter().filter_map(parse).min()
    }

    /// Refuses a header whose name stands for another format than it was given.
    pub(crate) fn check(&self, setting: &'static str) -> Result<(), ConfigError> {
        if self.format == Format::Millis && self.name == Self::GRPC_TIMEOUT.name {
            let allowed = "DeadlineHeader::GRPC_TIMEOUT, or another name";
            return Err(ConfigError::new(setting, "`grpc-timeout` in milliseconds", allowed));
        }
        Ok(())
    }
}

fn parse_grpc(value: &[u8]) -> Option<Duration> {
    let (unit, value) = value.split_last()?;
    let (_, nanos) = GRPC_UNITS.iter().find(|(letter, _)| letter == unit)?;
    let value = digits(value).filter(|_| value.len() <= GRPC_DIGITS)?;
    let nanos = u128::from(value) * u128::from(*nanos);
    let (secs, rest) = (nanos / NANOS_PER_SEC, nanos % NANOS_PER_SEC);
    Some(Duration::new(secs.try_into().ok()?, rest.try_into().ok()?))
}

const NANOS_PER_SEC: u128 = 1_000_000_000;

fn digits(value: &[u8]) -> Option<u64> {
    // The parser of the standard library would take a sign, too.
    if !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn format_grpc(remaining: Duration) -> Option<HeaderValue> {
    let fits = GRPC_UNITS.iter().find_map(|(unit, nanos)| {
        let value = remaining.as_nanos() / u128::from(*nanos);
        (value <= u128::from(GRPC_MOST)).then_some((value, *unit))
    });
    let (value, unit) = fits.unwrap_or((GRPC_MOST.into(), b'H'));
    if value == 0 {
        return None;
    }
    HeaderValue::from_str(&format!("{value}{}", char::from(unit))).ok()
}

fn format_millis(remaining: Duration) -> Option<HeaderValue> {
    let millis = u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX);
    (millis > 0).then(|| HeaderValue::from(millis))
}
