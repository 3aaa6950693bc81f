//! What the status of a gRPC call means.

use std::time::Duration;

use buttress_core::{Judgement, Retry};
use http::{HeaderMap, HeaderName, HeaderValue};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// What a server says of trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pushback {
    Nothing,
    After(Duration),
    Stop,
}

/// How gRPC's codes are judged: by the table at [`Http`](crate::Http), where nothing else was said.
///
/// The codes are those of gRPC's "Status codes and their use in gRPC"; what is repeated, and what a
/// pushback means, is its proposal A6, "gRPC Retry Design".
#[derive(Debug, Clone, Copy)]
pub(crate) struct Codes {
    // Not an option, whose place is needed for one more: a body has this beside whether it needs it.
    own: fn(u16) -> Option<Judgement>,
}

impl Codes {
    pub(crate) const TABLE: Self = Self { own: |_| None };

    /// What a client makes of a call that did not say how it went.
    pub(crate) const UNKNOWN: u16 = 2;

    pub(crate) const fn judged_by(judge: fn(u16) -> Option<Judgement>) -> Self {
        Self { own: judge }
    }

    /// Judges a call by the status in these headers, be they trailers or a head that is all there is
    /// of the response; `None` if there is none.
    pub(crate) fn judge(self, headers: &HeaderMap) -> Option<Judgement> {
        Some(self.of(code(said(headers)?), headers))
    }

    /// Judges a call that ended with this code, which is none if it makes no sense.
    pub(crate) fn of(self, code: Option<u16>, headers: &HeaderMap) -> Judgement {
        let own = code.and_then(self.own);
        let judgement = own.unwrap_or_else(|| match code {
            // OK, and what the caller asked for that can not be had: the dependency works.
            Some(0 | 3 | 5 | 6 | 7 | 9 | 10 | 11 | 16) => Judgement::SUCCESS,
            // CANCELLED, and UNIMPLEMENTED, a standing property of the server.
            Some(1 | 12) => Judgement::NEUTRAL,
            // RESOURCE_EXHAUSTED: a quota, as 429, or a message that is too large, so only if the
            // server says when.
            Some(8) => match pushback(headers) {
                Pushback::After(_) => Judgement::NEUTRAL.retry(Retry::IfRepeatable),
                Pushback::Nothing | Pushback::Stop => Judgement::NEUTRAL,
            },
            // UNAVAILABLE.
            Some(14) => Judgement::FAILURE,
            // UNKNOWN, INTERNAL, DATA_LOSS, what is no code, and DEADLINE_EXCEEDED, after which there
            // is no time for another attempt.
            _ => Judgement::FAILURE.retry(Retry::Never),
        });
        match pushback(headers) {
            _ if judgement.retry == Retry::Never => judgement,
            Pushback::Nothing => judgement,
            Pushback::After(delay) => judgement.after(Some(delay)),
            Pushback::Stop => judgement.retry(Retry::Never),
        }
    }
}

/// What these headers say of how the call went.
pub(super) fn said(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(STATUS)
}

/// Whether these headers say OK; `None` if they do not say how the call went.
pub(super) fn is_ok(headers: &HeaderMap) -> Option<bool> {
    // To the letter: it is asked of what is to be served again.
    said(headers).map(|code| code == "0")
}

/// The code that this says, if it makes sense.
fn code(said: &HeaderValue) -> Option<u16> {
    digits(said)?.parse().ok()
}

/// A value that is negative, or no number, asks for no further attempt.
fn pushback(headers: &HeaderMap) -> Pushback {
    let Some(value) = headers.get(PUSHBACK) else { return Pushback::Nothing };
    match digits(value).map(|millis| millis.parse().unwrap_or(u64::MAX)) {
        Some(millis) => Pushback::After(Duration::from_millis(millis)),
        None => Pushback::Stop,
    }
}

/// The text of a value that is digits and nothing else, not even a sign.
fn digits(value: &HeaderValue) -> Option<&str> {
    let text = value.to_str().ok()?;
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

#[cfg(test)]
mod tests {
    use buttress_core::Outcome;

    use super::*;

    fn judged(status: &'static str, pushback: Option<&'static str>) -> Option<Judgement> {
        let mut headers = HeaderMap::new();
        headers.insert(STATUS, HeaderValue::from_static(status));
        if let Some(pushback) = pushback {
            headers.insert(PUSHBACK, HeaderValue::from_static(pushback));
        }
        Codes::TABLE.judge(&headers)
    }

    #[test]
    fn unavailable_alone_is_repeated_unasked() {
        for code in 0..=20_u16 {
            let status: &'static str = code.to_string().leak();
            let judgement = judged(status, None).unwrap();
            assert_eq!(judgement.retry == Retry::IfRepeatable, code == 14, "{code}");
            let failed = matches!(code, 2 | 4 | 13 | 14 | 15 | 17..);
            assert_eq!(judgement.outcome == Outcome::Failure, failed, "{code}");
        }
        for no_code in ["x", "", "+14", "-14", " 14", "14.0", "99999999"] {
            let judgement = judged(no_code, None);
            assert_eq!(judgement, Some(Judgement::FAILURE.retry(Retry::Never)), "{no_code}");
        }
        assert_eq!(Codes::TABLE.judge(&HeaderMap::new()), None, "the status is still to come");
    }

    #[test]
    fn a_pushback_says_when_or_that_it_is_no_use() {
        let after = |judgement: Judgement, millis| {
            Some(judgement.retry(Retry::IfRepeatable).after(Some(Duration::from_millis(millis))))
        };
        assert_eq!(judged("14", Some("250")), after(Judgement::FAILURE, 250));
        assert_eq!(judged("14", Some("0")), after(Judgement::FAILURE, 0));
        assert_eq!(judged("8", Some("250")), after(Judgement::NEUTRAL, 250));
        let endless = "99999999999999999999";
        assert_eq!(judged("14", Some(endless)), after(Judgement::FAILURE, u64::MAX));
        for stop in ["-1", "-0", "", "soon", "1.5", "+1", " 1", "0x1"] {
            let judgement = judged("14", Some(stop)).unwrap();
            assert_eq!(judgement, Judgement::FAILURE.retry(Retry::Never), "{stop}");
        }
        assert_eq!(judged("3", Some("250")), Some(Judgement::SUCCESS));
    }
}
