//! Fields that belong to one connection, and are not passed on: RFC 9110, section 7.6.1.

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE,
};

/// Those that are hop by hop whether `Connection` names them or not.
static ALWAYS: [HeaderName; 9] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-authentication-info"),
    HeaderName::from_static("http2-settings"),
];

/// Takes them out: `Connection`, what it names, and what is always of this kind.
///
/// All other fields stay as they are, those of one name in their order. What `Connection` names and
/// could be no name names nothing.
pub(crate) fn take_out(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<_> = tokens(headers, &CONNECTION)
            .filter_map(|token| HeaderName::from_bytes(token).ok())
            .collect();
        headers.remove(CONNECTION);
        for name in named {
            headers.remove(name);
        }
    }
    // A length beside a coding is not to be believed, and not passed on: RFC 9112, section 6.3.
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    // Most messages have none of them, which is seen sooner than each is looked for.
    if headers.keys().any(|name| ALWAYS.contains(name)) {
        for name in &ALWAYS {
            headers.remove(name);
        }
    }
}

/// Whether the sender takes trailers.
pub(crate) fn takes_trailers(headers: &HeaderMap) -> bool {
    tokens(headers, &TE).any(|token| token.eq_ignore_ascii_case(b"trailers"))
}

/// Whether the body, once its chunks are put together, is what the other fields say it is. It is not
/// if it was compressed for this connection, which nobody here undoes.
pub(crate) fn is_plainly_framed(headers: &HeaderMap) -> bool {
    tokens(headers, &TRANSFER_ENCODING).all(|token| token.eq_ignore_ascii_case(b"chunked"))
}

/// The elements of a list, which may stand in one field or in several, and hold any bytes.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let values = headers.get_all(name).into_iter();
    let tokens = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    tokens.map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn fields(fields: &[(&str, &[u8])]) -> HeaderMap {
        let field = |(name, value): &(&str, &[u8])| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value).unwrap())
        };
        fields.iter().map(field).collect()
    }

    fn taken_out(before: &[(&str, &[u8])]) -> HeaderMap {
        let mut headers = fields(before);
        take_out(&mut headers);
        headers
    }

    #[test]
    fn what_is_of_the_connection_goes_and_the_rest_stays() {
        let left = taken_out(&[
            ("connection", b"close, X-One"),
            ("keep-alive", b"timeout=5"),
            ("proxy-connection", b"keep-alive"),
            ("te", b"gzip"),
            ("transfer-encoding", b"chunked"),
            ("upgrade", b"websocket"),
            ("proxy-authenticate", b"Basic"),
            ("proxy-authorization", b"Basic AAAA"),
            ("proxy-authentication-info", b"nextnonce=\"a\""),
            ("http2-settings", b"AAMAAABkAAQAAP__"),
            ("x-one", b"1"),
            ("x-two", b"1"),
            ("x-two", b"2"),
            ("trailer", b"x-sum"),
            ("connection", b"x-three"),
            ("x-three", b"3"),
        ]);
        assert_eq!(left, fields(&[("x-two", b"1"), ("x-two", b"2"), ("trailer", b"x-sum")]));
    }

    #[test]
    fn odd_bytes_name_nothing() {
        let odd: [&[u8]; 6] =
            [b"\xff\xfe", b",,,", b" \t", b"a b", b"\"x-one\"", b"x-one\x80,;=, :authority"];
        for odd in odd {
            assert_eq!(
                taken_out(&[("connection", odd), ("x-one", b"1")]),
                fields(&[("x-one", b"1")])
            );
        }
        let long = "x".repeat(70_000);
        assert!(taken_out(&[("connection", long.as_bytes())]).is_empty());
        let left =
            taken_out(&[("connection", b"\xff, x-one ,\tX-TWO"), ("x-one", b"1"), ("x-two", b"2")]);
        assert!(left.is_empty());
    }

    #[test]
    fn a_length_beside_a_coding_is_not_passed_on() {
        let left = taken_out(&[("content-length", b"5"), ("transfer-encoding", b"chunked")]);
        assert!(left.is_empty());
        assert_eq!(taken_out(&[("content-length", b"5")]).len(), 1);
    }

    #[test]
    fn lists_may_stand_in_several_fields() {
        assert!(takes_trailers(&fields(&[("te", b"gzip;q=0.5"), ("te", b"deflate , Trailers")])));
        assert!(!takes_trailers(&fields(&[("te", b"trailers;q=1, xtrailers")])));
        assert!(!takes_trailers(&HeaderMap::new()));
        assert!(is_plainly_framed(&fields(&[("transfer-encoding", b"Chunked")])));
        assert!(!is_plainly_framed(&fields(&[("transfer-encoding", b"gzip, chunked")])));
    }
}
