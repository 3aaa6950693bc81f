//! In which form a caller wants to read of an error.

use http::{HeaderMap, HeaderValue, header::ACCEPT};

/// The form of the body of a response that stands for an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Plain text.
    Text,
    /// Problem details, RFC 9457.
    Problem,
}

/// What a request says of a form: how exactly it names it, and how much it wants it, in thousandths.
/// The most exact counts, and of those the one that wants it most.
type Said = (u8, u16);

const ANYTHING: u8 = 0;
const ITS_KIND: u8 = 1;
const BY_NAME: u8 = 2;
/// JSON has two names. What is sent has this one, so whoever refuses it is not sent it.
const BY_ITS_OWN_NAME: u8 = 3;

impl Format {
    /// The form that the request with these headers accepts best, by RFC 9110, section 12.5.1.
    ///
    /// Text, unless JSON is asked for by name, or is wanted more: who accepts anything is likely to be
    /// shown it. Who asks for `application/json` is taken to mean problem details, too.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let (mut problem, mut text) = (Said::default(), Said::default());
        for (range, wanted) in headers.get_all(ACCEPT).iter().flat_map(ranges).flatten() {
            let is = |name| range.eq_ignore_ascii_case(name);
            if is("application/problem+json") {
                problem = problem.max((BY_ITS_OWN_NAME, wanted));
            } else if is("application/json") {
                problem = problem.max((BY_NAME, wanted));
            } else if is("application/*") {
                problem = problem.max((ITS_KIND, wanted));
            } else if is("text/plain") {
                text = text.max((BY_NAME, wanted));
            } else if is("text/*") {
                text = text.max((ITS_KIND, wanted));
            } else if is("*/*") {
                problem = problem.max((ANYTHING, wanted));
                text = text.max((ANYTHING, wanted));
            }
        }
        let ((exactness, wanted), (_, text)) = (problem, text);
        let by_name = exactness >= BY_NAME && wanted > 0;
        if wanted > text || (wanted == text && by_name) { Self::Problem } else { Self::Text }
    }
}

/// The ranges of one field: each with how much it is wanted, in thousandths; none for what is no range.
///
/// A comma in a quoted parameter parts a range, too. No form that is known here has such parameters, and
/// the worst that comes of it is the other form.
fn ranges(value: &HeaderValue) -> impl Iterator<Item = Option<(&str, u16)>> {
    let value = value.to_str().unwrap_or_default();
    value.split(',').map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next()?;
        let weight = parts.find_map(|part| {
            let (name, weight) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then_some(weight.trim())
        });
        Some((name, weight.map_or(Some(1000), thousandths)?))
    })
}

/// A weight of RFC 9110, section 12.4.2: from 0 to 1, with three digits at most after the point.
fn thousandths(weight: &str) -> Option<u16> {
    let (whole, part) = weight.split_once('.').unwrap_or((weight, ""));
    let scale = [1000, 100, 10, 1].get(part.len())?;
    let part = match part {
        "" => 0,
        part if part.bytes().all(|byte| byte.is_ascii_digit()) => part.parse::<u16>().ok()? * scale,
        _ => return None,
    };
    match (whole, part) {
        ("0", part) => Some(part),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(accept: &[&str]) -> Format {
        let values = accept.iter().map(|value| (ACCEPT, HeaderValue::from_str(value).unwrap()));
        Format::of(&values.collect())
    }

    #[test]
    fn json_for_those_who_ask_for_it() {
        for accept in [
            "application/problem+json",
            "application/json",
            "Application/JSON",
            "application/json, text/plain, */*",
            "application/json;charset=utf-8",
            "text/plain;q=0.5, application/json",
            "text/plain;q=0.5,application/*",
            "application/*",
            "text/html, application/problem+json;q=0.001",
            "*/*, text/plain;q=0",
            "*/*;q=0.8, application/json",
            "application/json;q=0, application/problem+json",
            "application/problem+json;q=0.5, text/plain;q=0.5",
        ] {
            assert_eq!(of(&[accept]), Format::Problem, "{accept}");
        }
        assert_eq!(of(&["text/html", "application/json"]), Format::Problem);
    }

    #[test]
    fn text_for_all_others() {
        for accept in [
            "",
            "*/*",
            "text/plain",
            "text/*",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "application/json;q=0.5, text/plain",
            "application/json;q=0",
            "application/json;q=0, */*",
            // What is sent is the one that is refused, or wanted less.
            "application/problem+json;q=0, application/json, text/plain",
            "application/problem+json;q=0.1, application/json;q=0.9, text/plain;q=0.5",
            "application/json;q=2",
            "application/json;q=0.0001",
            "application/json;q=-1",
            "application/json;q=",
            "application/jsonx",
            "json",
            ",;=,;q",
            "image/png",
        ] {
            assert_eq!(of(&[accept]), Format::Text, "{accept}");
        }
        assert_eq!(of(&[]), Format::Text);
        let odd = HeaderValue::from_bytes(b"application/json\xff").unwrap();
        assert_eq!(Format::of(&HeaderMap::from_iter([(ACCEPT, odd)])), Format::Text);
    }
}
