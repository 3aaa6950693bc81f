//! How an answer says that it is not the one that was asked for.

use buttress_core::Degraded;
use buttress_http::DEGRADED_HEADER;
use http::{HeaderName, HeaderValue, header::AGE};
use proptest::prelude::*;

use super::*;

const CACHE_STATUS: &str = "cache-status";

fn degraded(layer: &str, tier: &str, age: Option<u64>) -> Degraded {
    let degraded = Degraded::new(layer.into(), tier.into());
    age.map_or(degraded.clone(), |age| degraded.aged(Duration::from_millis(age)))
}

/// The head of an answer with these fields, which stands in for a response of this status, or an error.
fn marked(
    http: Http,
    fields: HeaderMap,
    degraded: Degraded,
    failed: Option<u16>,
) -> http::response::Parts {
    type As = Response<NoAlt>;
    let mut answer = Response::new(NoAlt::default());
    *answer.headers_mut() = fields;
    let mut answer = Substitute::<As, As>::alternative(&http, answer, Held::NOTHING);
    let failed =
        failed.map(|status| Response::builder().status(status).body(NoAlt::default()).unwrap());
    Substitute::<As, As>::mark(&http, &mut answer, degraded, failed.as_ref());
    answer.into_parts().0
}

fn text(headers: &HeaderMap, name: impl http::header::AsHeaderName) -> Vec<&str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

#[test]
fn an_original_has_no_mark() {
    let response = Response::builder().header("x", "y").body(script([])).unwrap();
    let notes = Notes::default();
    let recorded = record(Http::new(), response, notes.recording(PLENTY));
    let response = Response::builder().header("x", "y").body(script([])).unwrap();
    let passed = Substitute::<_, Response<NoAlt>>::original(&Http::new(), response);
    for response in [recorded, passed] {
        assert_eq!(text(response.headers(), "x"), ["y"]);
        assert_eq!(response.headers().len(), 1);
        assert!(response.extensions().is_empty());
    }
}

#[test]
fn one_that_was_made_names_its_tier_and_claims_no_age() {
    let mark = degraded("shop", "trending", None).caused_by("refused".into());
    let head = marked(Http::new(), HeaderMap::new(), mark, Some(503));
    assert_eq!(text(&head.headers, DEGRADED_HEADER), ["trending"]);
    assert_eq!(head.headers.len(), 1);
    let mark = head.extensions.get::<Degraded>().unwrap();
    assert_eq!((&*mark.layer, &*mark.tier, mark.age), ("shop", "trending", None));
    assert_eq!(mark.cause.as_ref().unwrap().to_string(), "refused");
}

#[test]
fn one_that_was_remembered_says_how_old_it_is_as_a_cache_does() {
    for (failed, said) in [
        (None, r#""shop"; fwd=stale; detail="last-known-good""#),
        (Some(503), r#""shop"; fwd=stale; fwd-status=503; detail="last-known-good""#),
    ] {
        let mark = degraded("shop", "last-known-good", Some(12_999));
        let head = marked(Http::new(), HeaderMap::new(), mark, failed);
        assert_eq!(text(&head.headers, DEGRADED_HEADER), ["last-known-good; age=12"]);
        assert_eq!(text(&head.headers, AGE), ["12"]);
        assert_eq!(text(&head.headers, CACHE_STATUS), [said]);
        assert_eq!(head.headers.len(), 3);
        let mark = head.extensions.get::<Degraded>().unwrap();
        assert_eq!(mark.age, Some(Duration::from_millis(12_999)));
    }
}

#[test]
fn what_caches_further_inside_said_stays_and_what_a_tier_said_does_not() {
    let fields = || {
        let mut fields = HeaderMap::new();
        fields.insert(CACHE_STATUS, HeaderValue::from_static("inner; hit"));
        fields.append(DEGRADED_HEADER, HeaderValue::from_static("other"));
        fields.append(DEGRADED_HEADER, HeaderValue::from_static("another"));
        fields.append(AGE, HeaderValue::from_static("99"));
        fields
    };
    let head = marked(Http::new(), fields(), degraded("l", "t", Some(0)), None);
    assert_eq!(text(&head.headers, DEGRADED_HEADER), ["t; age=0"]);
    assert_eq!(text(&head.headers, AGE), ["0"]);
    let said = ["inner; hit", r#""l"; fwd=stale; detail="t""#];
    assert_eq!(text(&head.headers, CACHE_STATUS), said);
    let head = marked(Http::new(), fields(), degraded("l", "t", None), None);
    assert_eq!(text(&head.headers, AGE), ["99"], "its own");
    assert_eq!(text(&head.headers, CACHE_STATUS), ["inner; hit"]);
}

#[test]
fn the_header_can_have_another_name_or_none() {
    static OTHER: HeaderName = HeaderName::from_static("x-stale");
    for (header, others) in [(Some(&OTHER), 1), (None, 0)] {
        let http = Http::new().degraded_header(header);
        let head = marked(http, HeaderMap::new(), degraded("l", "t", Some(1_000)), None);
        let said = text(&head.headers, &OTHER);
        assert_eq!(said, vec!["t; age=1"; others]);
        assert_eq!(head.headers.len(), 2 + others);
        assert!(!head.headers.contains_key(DEGRADED_HEADER));
        assert!(head.headers.contains_key(AGE) && head.headers.contains_key(CACHE_STATUS));
        assert!(head.extensions.get::<Degraded>().is_some());
    }
}

#[test]
fn a_name_that_no_header_can_carry_is_in_the_extension() {
    let head = marked(Http::new(), HeaderMap::new(), degraded("l\n", "t\r\n", Some(0)), None);
    assert!(!head.headers.contains_key(DEGRADED_HEADER));
    assert_eq!(text(&head.headers, CACHE_STATUS), [r#""l?"; fwd=stale; detail="t??""#]);
    assert_eq!(&*head.extensions.get::<Degraded>().unwrap().tier, "t\r\n");
}

#[test]
fn a_map_that_is_full_is_left_as_it_is() {
    let mut fields = HeaderMap::new();
    for name in 0.. {
        let name = HeaderName::try_from(format!("x-{name}")).unwrap();
        if fields.try_insert(name, HeaderValue::from_static("")).is_err() {
            break;
        }
    }
    let full = fields.len();
    let head = marked(Http::new(), fields, degraded("l", "t", Some(0)), Some(503));
    assert_eq!(head.headers.len(), full);
    assert!(head.extensions.get::<Degraded>().is_some());
}

#[test]
fn the_greatest_age_has_room() {
    let mark = Degraded::new("l".into(), "t".into()).aged(Duration::MAX);
    let head = marked(Http::new(), HeaderMap::new(), mark, None);
    assert_eq!(text(&head.headers, AGE), [u64::MAX.to_string()]);
}

/// A string of RFC 8941, section 4.2.5, and what comes after it.
fn string(text: &str) -> Option<(String, &str)> {
    let mut chars = text.strip_prefix('"')?.chars();
    let mut said = String::new();
    loop {
        match chars.next()? {
            '"' => return Some((said, chars.as_str())),
            '\\' => said.push(chars.next().filter(|char| matches!(char, '"' | '\\'))?),
            char @ ' '..='~' => said.push(char),
            _ => return None,
        }
    }
}

proptest! {
    /// Whatever the names are, what is said can be read again by whoever goes by the RFC.
    #[test]
    fn names_are_strings_of_the_rfc(layer: String, tier in r#"["\\ a-zé\n;,=]{0,8}"#) {
        let head = marked(Http::new(), HeaderMap::new(), degraded(&layer, &tier, Some(0)), None);
        let said = head.headers[CACHE_STATUS].to_str().unwrap();
        let plain = |text: &str| -> String {
            text.chars().map(|char| if matches!(char, ' '..='~') { char } else { '?' }).collect()
        };
        let (read, rest) = string(said).expect(said);
        prop_assert_eq!(read, plain(&layer));
        let rest = rest.strip_prefix("; fwd=stale; detail=").expect(said);
        prop_assert_eq!(string(rest).expect(said), (plain(&tier), ""));
    }
}
