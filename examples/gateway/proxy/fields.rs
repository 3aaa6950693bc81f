//! The heads of requests and responses, as they are passed on.

use std::net::{IpAddr, SocketAddr};

use hyper::{
    Method, Request, Response, StatusCode, Uri, Version,
    header::{
        CONNECTION, COOKIE, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue,
        MAX_FORWARDS, TE, VIA,
    },
    http::{
        request, response,
        uri::{Authority, PathAndQuery, Scheme},
    },
    upgrade::OnUpgrade,
};

use super::{
    hop_by_hop,
    route::{Speaks, Upstream},
};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Who is at the other end of a connection, as the fields say it that tell the upstream.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    x_forwarded_for: HeaderValue,
    forwarded: HeaderValue,
}

impl Peer {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let ip = address.ip().to_canonical();
        let forwarded = match ip {
            IpAddr::V4(ip) => format!("for={ip};proto=http"),
            IpAddr::V6(ip) => format!("for=\"[{ip}]\";proto=http"),
        };
        let value = |text: String| HeaderValue::try_from(text).expect("addresses are ASCII");
        Self { x_forwarded_for: value(ip.to_string()), forwarded: value(forwarded) }
    }
}

/// What a request is refused with that is not to be passed on, whatever its route.
pub(super) fn refusal<B>(request: &Request<B>) -> Option<StatusCode> {
    if request.method() == Method::CONNECT {
        return Some(StatusCode::NOT_IMPLEMENTED);
    }
    let headers = request.headers();
    if !hop_by_hop::is_plainly_framed(headers) {
        return Some(StatusCode::NOT_IMPLEMENTED);
    }
    // Whoever takes another of two than the next one does is led astray: RFC 9112, section 3.2.
    let mut hosts = headers.get_all(HOST).into_iter();
    let host = hosts.next();
    let bad = hosts.next().is_some()
        || host.is_none() && request.version() == Version::HTTP_11
        || host.is_some_and(|host| !is_host(host));
    if bad {
        return Some(StatusCode::BAD_REQUEST);
    }
    match *request.method() {
        // What it would show of the way to the upstream is nobody's business.
        Method::TRACE => Some(StatusCode::NOT_IMPLEMENTED),
        // It has come as far as it was to go.
        Method::OPTIONS if forwards_left(headers) == Some(0) => Some(StatusCode::OK),
        _ => None,
    }
}

/// Whether this names a host, or says that there is none to name.
fn is_host(value: &HeaderValue) -> bool {
    let host = value.to_str().unwrap_or("@");
    if host.is_empty() {
        return true;
    }
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let port = host.strip_prefix(authority.host());
    matches!(port, Some("" | ":")) || port.is_some() && authority.port_u16().is_some()
}

/// How many times a request may still be passed on, if that is said: RFC 9110, section 7.6.2.
fn forwards_left(headers: &HeaderMap) -> Option<u64> {
    headers.get(MAX_FORWARDS)?.to_str().ok()?.parse().ok()
}

/// Makes the head of a request that came one that goes to this upstream.
///
/// `Host` is the upstream's own name, as it would be by default in nginx; what the client asked for is in
/// `X-Forwarded-Host`. `Max-Forwards` is counted down for OPTIONS, for which alone it is meant. `Expect` is
/// not passed on, for it is the gateway that bids the client continue, once the upstream reads. Of the fields
/// that say who asked the lists are added to; of those with one value, what came is not believed.
pub(super) fn request(head: &mut request::Parts, upstream: &Upstream, peer: &Peer) {
    let came_as = head.version;
    let host = match head.uri.authority() {
        // Which goes before the field: RFC 9112, section 3.2.2.
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => head.headers.get(HOST).cloned(),
    };
    let takes_trailers = hop_by_hop::takes_trailers(&head.headers);
    let left = forwards_left(&head.headers).filter(|_| head.method == Method::OPTIONS);
    let headers = &mut head.headers;
    hop_by_hop::take_out(headers);
    if let Some(left) = left {
        set(headers, MAX_FORWARDS, Some(HeaderValue::from(left.saturating_sub(1))));
    }
    headers.remove(EXPECT);
    // Once, for all that is said below, and what remains of a deadline.
    let _ = headers.try_reserve(8);
    set(headers, HOST, upstream.host().filter(|_| upstream.speaks == Speaks::H1));
    set(headers, X_FORWARDED_HOST, host);
    set(headers, X_FORWARDED_PROTO, Some(HeaderValue::from_static("http")));
    append(headers, X_FORWARDED_FOR, peer.x_forwarded_for.clone());
    append(headers, FORWARDED, peer.forwarded.clone());
    append(headers, VIA, via(came_as));
    if takes_trailers {
        set(headers, TE, Some(HeaderValue::from_static("trailers")));
    }
    if upstream.speaks == Speaks::H1 {
        // TE is hop by hop, and says so; in HTTP/2 it may not.
        if takes_trailers {
            set(headers, CONNECTION, Some(HeaderValue::from_static("te")));
        }
        one_cookie(headers);
    }

    // The client cannot follow it to an upgrade.
    head.extensions.remove::<OnUpgrade>();
    head.version = Version::HTTP_11;
    head.uri = uri(&head.uri, upstream);
}

/// Makes the head of a response that came one that goes to the client. None if it cannot be passed on.
pub(super) fn response<B>(response: Response<B>) -> Option<(response::Parts, B)> {
    let (mut head, body) = response.into_parts();
    let switches = head.status == StatusCode::SWITCHING_PROTOCOLS;
    if switches || !hop_by_hop::is_plainly_framed(&head.headers) {
        return None;
    }
    hop_by_hop::take_out(&mut head.headers);
    append(&mut head.headers, VIA, via(head.version));
    head.version = Version::HTTP_11;
    Some((head, body))
}

fn uri(asked: &Uri, upstream: &Upstream) -> Uri {
    let path = asked.path_and_query().cloned();
    let mut parts = hyper::http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(upstream.authority.clone());
    parts.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    Uri::from_parts(parts).expect("all three parts are there")
}

fn via(version: Version) -> HeaderValue {
    HeaderValue::from_static(match version {
        Version::HTTP_10 => "1.0 buttress-gateway",
        Version::HTTP_2 => "2 buttress-gateway",
        _ => "1.1 buttress-gateway",
    })
}

/// HTTP/2 may cut it up, HTTP/1 may not: RFC 9113, section 8.2.3.
fn one_cookie(headers: &mut HeaderMap) {
    let mut values = headers.get_all(COOKIE).into_iter().map(HeaderValue::as_bytes);
    if let (Some(first), Some(second)) = (values.next(), values.next()) {
        let all: Vec<_> = [first, second].into_iter().chain(values).collect();
        set(headers, COOKIE, HeaderValue::from_bytes(&all.join(&b"; "[..])).ok());
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    match value {
        // Where there is no room for one more, it is better to say nothing than to panic.
        Some(value) => drop(headers.try_insert(name, value)),
        None => drop(headers.remove(name)),
    }
}

fn append(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    // As above.
    let _ = headers.try_append(name, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed_on(request: request::Builder, to: &str) -> request::Parts {
        let route: super::super::Route = format!("/={to}").parse().unwrap();
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        let peer = Peer::new(SocketAddr::from(([10, 0, 0, 9], 1234)));
        self::request(&mut head, &route.upstream, &peer);
        head
    }

    fn all<'a>(head: &'a request::Parts, name: &str) -> Vec<&'a [u8]> {
        head.headers.get_all(name).into_iter().map(HeaderValue::as_bytes).collect()
    }

    #[test]
    fn a_request_says_by_whom_it_came_and_to_whom_it_goes() {
        let request = Request::get("/a?b=c")
            .header("host", "shop.example")
            .header("x-forwarded-for", "10.0.0.1")
            .header("via", "1.0 fred")
            .header("expect", "100-continue");
        let head = passed_on(request, "http://inside:81");
        assert_eq!(head.uri, "http://inside:81/a?b=c");
        assert_eq!(all(&head, "host"), [b"inside:81"]);
        assert_eq!(all(&head, "x-forwarded-host"), [b"shop.example"]);
        assert_eq!(all(&head, "x-forwarded-for"), [&b"10.0.0.1"[..], b"10.0.0.9"]);
        assert_eq!(all(&head, "forwarded"), [b"for=10.0.0.9;proto=http"]);
        assert_eq!(all(&head, "via"), [&b"1.0 fred"[..], b"1.1 buttress-gateway"]);
        assert!(all(&head, "expect").is_empty());
    }

    #[test]
    fn who_came_is_told_as_each_field_has_it() {
        let peer = |address: &str| {
            let peer = Peer::new(address.parse().unwrap());
            [peer.x_forwarded_for, peer.forwarded].map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(peer("10.0.0.9:1"), ["10.0.0.9", "for=10.0.0.9;proto=http"]);
        // RFC 7239, section 6.
        assert_eq!(peer("[2001:db8::1]:1"), ["2001:db8::1", "for=\"[2001:db8::1]\";proto=http"]);
        // As one is seen by a listener for both kinds, who is one of IPv4 all the same.
        assert_eq!(peer("[::ffff:10.0.0.9]:1"), ["10.0.0.9", "for=10.0.0.9;proto=http"]);
    }

    #[test]
    fn the_target_goes_before_the_host() {
        let request = Request::get("http://shop.example:8/a").header("host", "evil.example");
        let head = passed_on(request, "http://inside:81");
        assert_eq!(head.uri, "http://inside:81/a");
        assert_eq!(all(&head, "x-forwarded-host"), [b"shop.example:8"]);
    }

    #[test]
    fn trailers_are_asked_for_in_the_way_of_each_protocol() {
        let request = || Request::get("/").header("te", "trailers, gzip");
        let head = passed_on(request(), "http://inside");
        assert_eq!(
            (all(&head, "te"), all(&head, "connection")),
            (vec![&b"trailers"[..]], vec![&b"te"[..]])
        );
        let head = passed_on(request(), "h2:http://inside");
        assert_eq!((all(&head, "te"), all(&head, "connection")), (vec![&b"trailers"[..]], vec![]));
        assert!(all(&head, "host").is_empty());
    }

    #[test]
    fn cookies_are_one_in_http_1() {
        let request = || Request::get("/").header("cookie", "a=1").header("cookie", "b=2");
        assert_eq!(all(&passed_on(request(), "http://inside"), "cookie"), [b"a=1; b=2"]);
        assert_eq!(all(&passed_on(request(), "h2:http://inside"), "cookie").len(), 2);
    }

    #[test]
    fn what_is_not_to_be_passed_on_is_refused() {
        let refused = |request: request::Builder| refusal(&request.body(()).unwrap());
        assert_eq!(refused(Request::get("/").header("host", "a")), None);
        assert_eq!(refused(Request::get("/").version(Version::HTTP_10)), None);
        let twice = Request::get("/").header("host", "a").header("host", "a");
        assert_eq!(refused(twice), Some(StatusCode::BAD_REQUEST));
        assert_eq!(refused(Request::get("/")), Some(StatusCode::BAD_REQUEST));
        let gzip =
            Request::get("/").header("host", "a").header("transfer-encoding", "gzip, chunked");
        assert_eq!(refused(gzip), Some(StatusCode::NOT_IMPLEMENTED));
        let connect = Request::connect("a:1").header("host", "a");
        assert_eq!(refused(connect), Some(StatusCode::NOT_IMPLEMENTED));
        let trace = Request::builder().method("TRACE").uri("/").header("host", "a");
        assert_eq!(refused(trace), Some(StatusCode::NOT_IMPLEMENTED));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let refused = |host: &[u8]| {
            let request = Request::get("/").header("host", HeaderValue::from_bytes(host).unwrap());
            refusal(&request.body(()).unwrap())
        };
        for host in ["a", "A.example:8080", "10.0.0.1", "[::1]:81", ""] {
            assert_eq!(refused(host.as_bytes()), None, "{host}");
        }
        for host in [&b"\xff\xfe"[..], b"a b", b"a/b", b"me@a", b"[::1", b"a,b:x"] {
            assert_eq!(refused(host), Some(StatusCode::BAD_REQUEST), "{host:?}");
        }
    }

    #[test]
    fn options_go_so_far_and_no_further() {
        let request = |method: &str, left: &str| {
            let request = Request::builder().method(method).uri("/a").header("host", "a");
            request.header("max-forwards", left)
        };
        let refused = |request: request::Builder| refusal(&request.body(()).unwrap());
        assert_eq!(refused(request("OPTIONS", "0")), Some(StatusCode::OK));
        assert_eq!(refused(request("OPTIONS", "3")), None);
        let left = |request| all(&passed_on(request, "http://inside"), "max-forwards").concat();
        assert_eq!(left(request("OPTIONS", "3")), b"2");
        assert_eq!(left(request("OPTIONS", "many")), b"many");
        assert_eq!(left(request("GET", "3")), b"3", "of which it says nothing");
        assert_eq!(refused(request("GET", "0")), None);
    }

    #[test]
    fn an_upgrade_does_not_go_with_its_request() {
        let request = Request::get("/").extension(hyper::upgrade::on(Request::new(())));
        let head = passed_on(request, "http://inside");
        assert!(head.extensions.get::<OnUpgrade>().is_none());
    }

    #[test]
    fn a_response_says_over_what_it_came() {
        for (version, via) in [
            (Version::HTTP_10, &b"1.0 buttress-gateway"[..]),
            (Version::HTTP_11, b"1.1 buttress-gateway"),
            (Version::HTTP_2, b"2 buttress-gateway"),
        ] {
            let came = Response::builder().version(version).header("via", "1.0 inner").body(());
            let (head, ()) = response(came.unwrap()).unwrap();
            let said: Vec<_> =
                head.headers.get_all(VIA).iter().map(HeaderValue::as_bytes).collect();
            assert_eq!(said, [b"1.0 inner", via], "{version:?}");
        }
    }

    #[test]
    fn an_upgrade_that_nobody_asked_for_is_no_response() {
        let switches = Response::builder().status(101).body(()).unwrap();
        assert!(response(switches).is_none());
    }
}
