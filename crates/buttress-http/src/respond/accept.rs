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

/// How well a form fits, worst first: how much it is wanted, in thousandths, and, of two wanted alike,
/// how exactly it was asked for.
type Fit = (u16, u8);

impl Format {
    /// The form that the request with these headers accepts best, by RFC 9110, section 12.5.1.
    ///
    /// Text, unless JSON is asked for by name, or is all that is accepted: who accepts anything is
    /// likely to be shown it. Who asks for `application/json` is taken to mean problem details, too.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut problem = None;
        let mut text = None;
        for range in headers.get_all(ACCEPT).iter().flat_map(ranges) {
            let Some((range, wanted)) = range else { continue };
            let exactly =
                |names: &[&str]| names.iter().any(|name| range.eq_ignore_ascii_case(name));
            if exactly(&["application/problem+json", "application/json"]) {
                best(&mut problem, (2, wanted));
            } else if exactly(&["text/plain"]) {
                best(&mut text, (2, wanted));
            } else if exactly(&["application/*"]) {
                best(&mut problem, (1, wanted));
            } else if exactly(&["text/*"]) {
                best(&mut text, (1, wanted));
            } else if exactly(&["*/*"]) {
                best(&mut problem, (0, wanted));
                best(&mut text, (0, wanted));
            }
        }
        if fit(problem) > fit(text) || (fit(problem) == fit(text) && by_name(problem)) {
            Self::Problem
        } else {
            Self::Text
        }
    }
}

/// What was said by the range that is most exact, and of those the one that wants it most.
fn best(said: &mut Option<(u8, u16)>, range: (u8, u16)) {
    *said = (*said).max(Some(range));
}

fn fit(said: Option<(u8, u16)>) -> Fit {
    said.map_or(
        (0, 0),
        |(exactness, wanted)| if wanted == 0 { (0, 0) } else { (wanted, exactness) },
    )
}

fn by_name(said: Option<(u8, u16)>) -> bool {
    matches!(said, Some((2, 1..)))
}

/// The ranges of one field: each with how much it is wanted, in thousandths; none for what is no range.
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
