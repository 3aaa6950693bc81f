//! The response that HTTP has for an error.

use std::{error::Error, time::Duration};

use buttress_core::Rejection;
use bytes::Bytes;
use http::{
    HeaderValue, Response,
    header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER, VARY},
};
use http_body_util::Full;

use super::{accept::Format, answers::Answers};

/// The response to an error, by the table of the module's page.
pub(super) fn response(
    error: &(dyn Error + 'static),
    answers: &Answers,
    format: Format,
) -> Response<Full<Bytes>> {
    let (status, retry_after) = answers.http(Rejection::find(error));
    let detail = answers.detail(error);
    let title = status.canonical_reason().unwrap_or("error");
    let (content_type, text) = match format {
        Format::Text => ("text/plain; charset=utf-8", text(title, detail)),
        Format::Problem => ("application/problem+json", problem(status.as_u16(), title, detail)),
    };

    let mut response = Response::new(Full::new(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(VARY, HeaderValue::from(ACCEPT));
    if let Some(delay) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds_rounded_up(delay)));
    }
    response
}

fn text(title: &'static str, detail: Option<String>) -> Bytes {
    match detail {
        Some(detail) => Bytes::from(format!("{title}: {detail}")),
        None => Bytes::from_static(title.as_bytes()),
    }
}

/// Problem details, RFC 9457. Their type is `about:blank`, which need not be said: the status says all.
fn problem(status: u16, title: &str, detail: Option<String>) -> Bytes {
    let mut problem = serde_json::json!({ "title": title, "status": status });
    if let Some(detail) = detail {
        problem["detail"] = detail.into();
    }
    Bytes::from(problem.to_string())
}

/// One that comes back too early is refused again.
fn seconds_rounded_up(delay: Duration) -> u64 {
    delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_never_rounded_down() {
        for (delay, seconds) in [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_secs(1), 1),
            (Duration::from_millis(29_001), 30),
            (Duration::MAX, u64::MAX),
        ] {
            assert_eq!(seconds_rounded_up(delay), seconds, "{delay:?}");
        }
    }
}
