//! What a response is remembered by: whoever asks for something else has another key.

use buttress_core::Key;
use buttress_http::{RequestHead, ResponseKey};
use http::{
    HeaderName, HeaderValue, Method, Request, Version,
    header::{ACCEPT_LANGUAGE, AUTHORIZATION, CACHE_CONTROL, COOKIE, HOST},
};
use proptest::prelude::*;

fn get(uri: &str, fields: &[(&HeaderName, &str)]) -> RequestHead {
    let get = fields.iter().fold(Request::get(uri), |get, (name, value)| get.header(*name, *value));
    RequestHead::of(&get.body(()).unwrap())
}

fn key(uri: &str, fields: &[(&HeaderName, &str)]) -> Option<Key> {
    ResponseKey::new().of(&get(uri, fields))
}

#[test]
fn a_head_is_what_a_request_says_before_its_body() {
    let request = Request::put("http://shop/x?y")
        .version(Version::HTTP_2)
        .header("x", "y")
        .extension(7_u8)
        .body("body")
        .unwrap();
    let head = RequestHead::of(&request);
    assert_eq!((&head.method, &head.uri), (request.method(), request.uri()));
    assert_eq!((head.version, &head.headers), (Version::HTTP_2, request.headers()));
    assert_eq!(head.extensions.get::<u8>(), Some(&7));
}

#[test]
fn only_what_asks_and_changes_nothing() {
    for (method, remembered) in [
        (Method::GET, true),
        (Method::HEAD, false),
        (Method::POST, false),
        (Method::PUT, false),
        (Method::DELETE, false),
        (Method::OPTIONS, false),
        (Method::PATCH, false),
        (Method::TRACE, false),
        (Method::CONNECT, false),
        (Method::from_bytes(b"get").unwrap(), false),
        (Method::from_bytes(b"QUERY").unwrap(), false),
    ] {
        let request = Request::builder().method(&method).uri("http://shop/").body(()).unwrap();
        for keys in [ResponseKey::new(), ResponseKey::new().per_user(|_| Some("u".into()))] {
            assert_eq!(keys.of(&RequestHead::of(&request)).is_some(), remembered, "{method}");
        }
    }
}

#[test]
fn nothing_that_is_not_to_be_stored() {
    for (said, remembered) in [
        ("no-store", false),
        ("max-age=0, No-Store", false),
        ("no-cache", true),
        ("only-if-cached", true),
        ("x=no-store", true),
    ] {
        let head = get("/", &[(&CACHE_CONTROL, "max-age=1"), (&CACHE_CONTROL, said)]);
        assert_eq!(ResponseKey::new().of(&head).is_some(), remembered, "{said}");
        let per_user = ResponseKey::new().per_user(|_| Some("user".into()));
        assert_eq!(per_user.of(&head).is_some(), remembered, "{said}");
    }
}

#[test]
fn what_is_asked_for_with_credentials_needs_a_user() {
    for credentials in [&AUTHORIZATION, &COOKIE] {
        let head = get("/", &[(credentials, "")]);
        let keys = ResponseKey::new();
        assert_eq!(keys.of(&head), None, "{credentials}");
        assert_eq!(keys.clone().header(credentials.clone()).of(&head), None, "{credentials}");
        assert_eq!(keys.clone().per_user(|_| None).of(&head), None, "{credentials}");
        let key = keys.per_user(|_| Some("ann".into())).of(&head).unwrap();
        assert!(key.is_private() && key.text().ends_with("ann"), "{key:?}");
    }
    assert!(!key("/", &[]).unwrap().is_private());
    assert_eq!(ResponseKey::new().per_user(|_| None).of(&get("/", &[])), None, "nobody");
}

#[test]
fn the_user_is_found_in_the_head() {
    let keys = ResponseKey::new().per_user(|head| head.extensions.get::<String>().cloned());
    let of = |user: &str| {
        let request = Request::get("/").extension(user.to_owned()).body(()).unwrap();
        keys.of(&RequestHead::of(&request)).unwrap()
    };
    assert_eq!(of("ann"), of("ann"));
    assert_ne!(of("ann"), of("bob"));
}

/// Frameworks believe the one or the other, and who believes the field would answer for its host.
#[test]
fn the_host_is_that_of_the_target_and_that_of_the_field() {
    let plain = key("http://shop/", &[]);
    let other = key("http://shop/", &[(&HOST, "evil")]);
    assert!(plain.is_some() && other.is_some());
    assert_ne!(plain, other);
    assert_ne!(key("/", &[(&HOST, "shop")]), key("/", &[(&HOST, "evil")]));
    assert_ne!(key("/", &[(&HOST, "shop")]), key("/", &[]));
}

/// One store may serve several layers, each with keys of its own.
#[test]
fn a_key_of_a_user_is_none_of_all() {
    let all = ResponseKey::new().header(ACCEPT_LANGUAGE);
    for user in ["", "accept-language\n"] {
        let mut head = get("/", &[]);
        head.extensions.insert(user.to_owned());
        let of_user = ResponseKey::new().per_user(|head| head.extensions.get().cloned());
        let of_user = of_user.of(&head).unwrap();
        assert_ne!(of_user.text(), key("/", &[]).unwrap().text());
        assert_ne!(of_user.text(), all.of(&get("/", &[])).unwrap().text());
    }
    // A field may have any name, and its line looks like this.
    let name = HeaderName::from_static("user");
    let named = ResponseKey::new().header(name.clone()).of(&get("/", &[(&name, "")])).unwrap();
    let of_user = ResponseKey::new().per_user(|_| Some("\n".into())).of(&get("/", &[])).unwrap();
    assert_ne!(named.text(), of_user.text());
}

#[test]
fn a_value_is_that_of_one_field() {
    let tenant = HeaderName::from_static("x-tenant");
    let keys = ResponseKey::new().header(tenant.clone());
    let one = keys.of(&get("/", &[(&HOST, ""), (&tenant, "ax-tenant")]));
    let other = keys.of(&get("/", &[(&HOST, "x-tenant"), (&HOST, "a")]));
    assert_ne!(one, other);
    // In a store of several layers.
    let head = get("/", &[(&tenant, "en"), (&ACCEPT_LANGUAGE, "en")]);
    assert_ne!(keys.of(&head), ResponseKey::new().header(ACCEPT_LANGUAGE).of(&head));
}

#[test]
fn it_says_what_it_keys_by() {
    let keys = ResponseKey::new().header(ACCEPT_LANGUAGE).per_user(|_| None);
    let said = r#"ResponseKey { headers: ["accept-language"], per_user: true, .. }"#;
    assert_eq!(format!("{keys:?}"), said);
}

/// All of a request that the keys below look at.
#[derive(Debug, Clone, PartialEq)]
struct Asked {
    uri: &'static str,
    hosts: Vec<Vec<u8>>,
    tenants: Vec<Vec<u8>>,
    languages: Vec<Vec<u8>>,
    user: String,
}

/// Values that look like other lines, and parts of them.
fn values() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let part = prop::sample::select(vec![
        &b"a"[..],
        b"\t",
        b" ",
        b",",
        b"\\",
        b"\\t",
        b"\\n",
        b"\\x80",
        b"\x80",
        b"\xff",
        b"host",
        b"x-tenant",
        b"\"",
        b"'",
        b"n",
        b"t",
    ]);
    let value = prop::collection::vec(part, 0..4).prop_map(|parts| parts.concat());
    prop::collection::vec(value, 0..3)
}

fn asked() -> impl Strategy<Value = Asked> {
    let uri = prop::sample::select(vec![
        "/",
        "/a",
        "/a?",
        "/a?b",
        "/a%0a",
        "/a\u{e9}",
        "http://a",
        "http://a/",
        "http://a/a",
        "https://a/",
        "http://a:80/",
        "a",
        "a:80",
        "*",
        "//a/",
    ]);
    let user = r"(host|x-tenant|user|: |\n|\t|a){0,4}";
    (uri, values(), values(), values(), user).prop_map(|(uri, hosts, tenants, languages, user)| {
        Asked { uri, hosts, tenants, languages, user }
    })
}

impl Asked {
    fn key(&self, per_user: bool) -> Key {
        let mut request = Request::new(());
        *request.uri_mut() = self.uri.parse().unwrap();
        request.extensions_mut().insert(self.user.clone());
        let tenant = HeaderName::from_static("x-tenant");
        let fields = [
            (HOST, &self.hosts),
            (tenant.clone(), &self.tenants),
            (ACCEPT_LANGUAGE, &self.languages),
        ];
        for (name, values) in fields {
            for value in values {
                let value = HeaderValue::from_bytes(value).unwrap();
                request.headers_mut().append(name.clone(), value);
            }
        }
        let mut keys = ResponseKey::new().header(tenant).header(ACCEPT_LANGUAGE);
        if per_user {
            keys = keys.per_user(|head| head.extensions.get::<String>().cloned());
        }
        keys.of(&RequestHead::of(&request)).unwrap()
    }

    /// Two targets that are the same: an empty path is `/`.
    fn target(&self) -> String {
        let uri: http::Uri = self.uri.parse().unwrap();
        uri.to_string()
    }
}

/// Another request, which differs from this one in one thing, if at all.
fn near(asked: Asked) -> impl Strategy<Value = (Asked, Asked)> {
    (Just(asked), self::asked(), 0..6_u8).prop_map(|(one, other, differs)| {
        let mut near = one.clone();
        match differs {
            0 => near.uri = other.uri,
            1 => near.hosts = other.hosts,
            2 => near.tenants = other.tenants,
            3 => near.languages = other.languages,
            4 => near.user = other.user,
            _ => near = other,
        }
        (one, near)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    /// The same key for the same question, and for no other.
    #[test]
    fn one_key_is_one_question((one, other) in asked().prop_flat_map(near)) {
        let same = Asked { uri: "", ..one.clone() } == Asked { uri: "", ..other.clone() }
            && one.target() == other.target();
        prop_assert_eq!(one.key(true) == other.key(true), same);
        let same_but_user = Asked { user: String::new(), uri: "", ..one.clone() }
            == Asked { user: String::new(), uri: "", ..other.clone() } && one.target() == other.target();
        prop_assert_eq!(one.key(false) == other.key(false), same_but_user);
        let (of_user, of_all) = (one.key(true), other.key(false));
        prop_assert_ne!(of_user.text(), of_all.text());
    }
}

#[test]
fn says_what_it_looks_at() {
    let head = RequestHead::of(&Request::get("/").body(()).unwrap());
    let looks_at = |key: &ResponseKey, field| key.of(&head).unwrap().looks_at(field);
    let key = ResponseKey::new();
    assert!(looks_at(&key, "Host"));
    for field in ["accept", "authorization", "cookie"] {
        assert!(!looks_at(&key, field), "{field}");
    }
    let key = key.header(http::header::ACCEPT);
    assert!(looks_at(&key, "Accept") && looks_at(&key, "host") && !looks_at(&key, "cookie"));
    let key = key.per_user(|_| Some("17".to_owned()));
    for field in ["host", "accept", "authorization", "Cookie"] {
        assert!(looks_at(&key, field), "{field}");
    }
    assert!(!looks_at(&key, "accept-language"));
    assert!(Key::shared("one of your own").looks_at("anything"));
}

#[test]
fn credentials_make_no_difference_where_users_are_alike() {
    let with = |name: &str| {
        RequestHead::of(&Request::get("/price").header(name, "of a user").body(()).unwrap())
    };
    let key = ResponseKey::new().users_alike();
    let nobody = RequestHead::of(&Request::get("/price").body(()).unwrap());
    let expected = key.of(&nobody).unwrap();
    for field in ["authorization", "cookie"] {
        let key = key.of(&with(field)).unwrap();
        assert_eq!(key, expected, "{field}");
        // A server that says that they make a difference is believed.
        assert!(!key.is_private() && !key.is_shared() && !key.looks_at(field));
    }
    // Whatever else makes it careful still does.
    let post = RequestHead::of(&Request::post("/price").body(()).unwrap());
    assert!(key.of(&post).is_none());
}

#[test]
fn a_body_would_be_a_part_of_the_question() {
    let key = |name: &str, value: &str| {
        let request = Request::get("/search").header(name, value).body(()).unwrap();
        ResponseKey::new().of(&RequestHead::of(&request))
    };
    for (name, value) in [
        ("content-length", "1"),
        ("content-length", "00"),
        ("content-length", "none"),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
    ] {
        assert!(key(name, value).is_none(), "{name}: {value}");
    }
    assert!(key("content-length", "0").is_some());
}

#[test]
fn what_only_the_program_knows_comes_into_the_key() {
    #[derive(Clone)]
    struct Tenant(&'static str);
    #[derive(Clone)]
    struct Other(&'static str);

    let key = ResponseKey::new()
        .part(|head| head.extensions.get().map(|Tenant(name)| (*name).to_owned()))
        .part(|head| head.headers.get("x").map(|x| format!("{x:?}")));
    let of = |tenant: Option<&'static str>, x: Option<&str>| {
        let mut request = Request::get("/price").body(()).unwrap();
        request.extensions_mut().extend(
            tenant
                .map(Tenant)
                .map(|tenant| {
                    let mut extensions = http::Extensions::new();
                    extensions.insert(tenant);
                    extensions
                })
                .unwrap_or_default(),
        );
        if let Some(x) = x {
            request.headers_mut().insert("x", x.parse().unwrap());
        }
        key.of(&RequestHead::of(&request)).map(|key| key.text().to_owned())
    };
    assert!(of(None, Some("1")).is_none() && of(Some("a"), None).is_none());
    let keys = [
        of(Some("a"), Some("1")),
        of(Some("b"), Some("1")),
        of(Some("a"), Some("2")),
        of(Some("a\npart: b"), Some("1")),
        of(Some("a\\npart: b"), Some("1")),
        of(Some(""), Some("1")),
    ];
    // Neither part can look like the two of them.
    let twice = |a: &'static str, b: &'static str| {
        let key = ResponseKey::new()
            .part(|head| head.extensions.get().map(|Tenant(name)| (*name).to_owned()))
            .part(|head| head.extensions.get().map(|Other(name)| (*name).to_owned()));
        let mut request = Request::get("/price").body(()).unwrap();
        request.extensions_mut().insert(Tenant(a));
        request.extensions_mut().insert(Other(b));
        key.of(&RequestHead::of(&request)).unwrap()
    };
    assert_ne!(twice("1", "2\npart: 3"), twice("1\npart: 2", "3"));
    for (n, key) in keys.iter().enumerate() {
        assert!(key.is_some());
        assert!(!keys[n + 1..].contains(key), "{key:?}");
    }
}
