//! Whether HTTP carries gRPC.

use http::{HeaderMap, header::CONTENT_TYPE};

/// The content type of gRPC, without what may follow it.
const GRPC: &[u8] = b"application/grpc";

/// Whether a request or a response with these headers is gRPC over HTTP/2.
///
/// By the content type: `application/grpc`, also with a suffix (`+proto`) or parameters, whatever
/// the case. gRPC-Web is not: what it does to trailers and errors is its own.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return false };
    let Some((start, rest)) = value.as_bytes().split_at_checked(GRPC.len()) else { return false };
    // Asked of each response, most of which are not, and differ in this: less than to compare it all.
    if !start.ends_with(b"c") && !start.ends_with(b"C") {
        return false;
    }
    let ends = rest.starts_with(b"+") || matches!(rest.trim_ascii_start(), [] | [b';', ..]);
    start.eq_ignore_ascii_case(GRPC) && ends
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn says_grpc(content_type: &[u8]) -> bool {
        let value = HeaderValue::from_bytes(content_type).expect("a valid header value");
        is_grpc(&HeaderMap::from_iter([(CONTENT_TYPE, value)]))
    }

    #[test]
    fn knows_the_content_types_of_grpc() {
        for content_type in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc+json",
            "application/grpc;charset=utf-8",
            "application/grpc ; charset=utf-8",
            "application/grpc+proto; charset=utf-8",
            "Application/GRPC",
        ] {
            assert!(says_grpc(content_type.as_bytes()), "{content_type}");
        }
    }

    #[test]
    fn takes_nothing_else_for_grpc() {
        for content_type in [
            "",
            "application/grp",
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grpc-web-text",
            "application/grpcx",
            "application/grpc web",
            "application/json",
            "text/plain; like=application/grpc",
            " application/grpc",
        ] {
            assert!(!says_grpc(content_type.as_bytes()), "{content_type}");
        }
        assert!(!says_grpc(b"application/grpc\xff"));
        assert!(!says_grpc(b"\xff"));
        assert!(!is_grpc(&HeaderMap::new()));
    }
}
