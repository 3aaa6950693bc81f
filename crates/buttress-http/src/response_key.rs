//! What a response is remembered by.

use std::{
    fmt::{self, Write},
    sync::Arc,
};

use buttress_core::Key;
use http::{
    HeaderMap, HeaderName, Method,
    header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, COOKIE, HOST, TRANSFER_ENCODING},
};

use crate::{RequestHead, substitute::says};

/// Finds keys for the responses that a fallback remembers: by target and `Host`, by what
/// [`header`](Self::header) and [`part`](Self::part) add, and by user, where there are users.
///
/// It is careful. It has no key, so that nothing is stored and nothing served, for
///
/// - methods other than GET;
/// - requests that announce a body, which would be a part of the question; over HTTP/2 one may come
///   unannounced, so do not remember what a server answers to the body of a GET;
/// - requests with `Authorization` or `Cookie`, whose answers may be meant for one user, unless
///   [`per_user`](Self::per_user) tells whom, or [`users_alike`](Self::users_alike) that they are not;
/// - requests that say `Cache-Control: no-store`.
///
/// And of the responses, one that says `private` is stored only under the key of one user, one that sets a
/// cookie under that or where users are alike, and one that says `no-store` never; nor one whose `Vary` names a field that the key does not look
/// at. What a cookie or a field keeps out, the observer of the layer is told.
///
/// **Look at what comes into the key.** What else the server looks at has to be added, as
/// `Accept-Language`, and `Accept-Encoding` where it compresses. Not all servers say by what their answers
/// vary: above all a tenant that is named by a header of its own must be added. And the key sees what the
/// layer sees: inside axum's `nest` that is a path without its prefix, so put the layer outside, or add
/// the whole path, which axum keeps as `OriginalUri`.
///
/// Whoever asks for something else each time, as by a query that means nothing, fills the store with it:
/// the store has a bound, and forgets what was not used for longest.
///
/// ```
/// use buttress_http::{RequestHead, ResponseKey};
/// use http::{HeaderName, Request, header::ACCEPT_LANGUAGE};
///
/// let key = ResponseKey::new().header(ACCEPT_LANGUAGE).header(HeaderName::from_static("x-tenant"));
///
/// let request = Request::get("http://shop/price?of=tea").header("x-tenant", "17").body(())?;
/// let key_of_tenant = key.of(&RequestHead::of(&request)).expect("a GET of nobody in particular");
/// assert!(key_of_tenant.text().contains("17"));
///
/// let request = Request::post("http://shop/orders").body(())?;
/// assert!(key.of(&RequestHead::of(&request)).is_none());
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone)]
pub struct ResponseKey {
    headers: Vec<HeaderName>,
    /// The names of all fields that are looked at.
    fields: Arc<[Box<str>]>,
    parts: Vec<fn(&RequestHead) -> Option<String>>,
    users: Users,
}

/// To whom what is answered to one user may be served.
#[derive(Clone, Copy)]
enum Users {
    /// To others if nobody gave credentials.
    Unknown,
    Known(fn(&RequestHead) -> Option<String>),
    /// To everybody.
    Alike,
}

impl ResponseKey {
    /// Keys by method, target and `Host`.
    pub fn new() -> Self {
        Self { headers: Vec::new(), fields: Arc::new([]), parts: Vec::new(), users: Users::Unknown }
            .looking()
    }

    /// Keys by this header as well: requests that differ in it have answers of their own.
    pub fn header(mut self, name: HeaderName) -> Self {
        self.headers.push(name);
        self.looking()
    }

    /// Keys by this as well: by what only the program knows of a request, such as a tenant. `None` means
    /// that nothing is remembered.
    ///
    /// ```
    /// use buttress_http::ResponseKey;
    ///
    /// /// Put into the extensions of a request by whoever knows.
    /// #[derive(Clone)]
    /// struct Tenant(String);
    ///
    /// let key = ResponseKey::new()
    ///     .part(|request| request.extensions.get().map(|Tenant(name)| name.clone()));
    /// ```
    pub fn part(mut self, part: fn(&RequestHead) -> Option<String>) -> Self {
        self.parts.push(part);
        self
    }

    /// Keys by this user as well, and so remembers also what is private, and what was asked for with
    /// credentials. `None` is nobody: then nothing is remembered.
    ///
    /// Said after [`users_alike`](Self::users_alike) it takes its place, and the other way round. The user
    /// has to be one that is proved, as by the server's own authentication, and not one that
    /// the request merely names.
    pub fn per_user(mut self, user: fn(&RequestHead) -> Option<String>) -> Self {
        self.users = Users::Known(user);
        self.looking()
    }

    /// Remembers also what was asked for with credentials, for everybody: what is answered is the same,
    /// whoever asks. As of a service that gets the token of a user with each request, and has no use for
    /// it. What it answers as `private`, or says to vary by one of the two, is still not stored; a cookie
    /// that comes with an answer is left out.
    pub fn users_alike(mut self) -> Self {
        self.users = Users::Alike;
        self.looking()
    }

    /// Knows what it looks at. At credentials, by the user whose they are.
    fn looking(mut self) -> Self {
        let users: &[HeaderName] = match self.users {
            Users::Unknown | Users::Alike => &[],
            Users::Known(_) => &[AUTHORIZATION, COOKIE],
        };
        let fields = [HOST].into_iter().chain(users.iter().cloned());
        let fields = fields.chain(self.headers.iter().cloned());
        self.fields = fields.map(|name| name.as_str().into()).collect();
        self
    }

    /// The key of what is answered to this request, if it is to be remembered.
    pub fn of(&self, request: &RequestHead) -> Option<Key> {
        let RequestHead { method, uri, headers, .. } = request;
        if *method != Method::GET || has_body(headers) || says(headers, CACHE_CONTROL, "no-store") {
            return None;
        }
        // One line each, which none of them can break.
        let mut key = format!("{method} {uri}\n");
        // Also where the target names a host: a server should go by that alone, and not all do. Under
        // one key, a request that names two would be answered for the one and remembered for the other.
        push(&mut key, headers, &HOST);
        for name in &self.headers {
            push(&mut key, headers, name);
        }
        for part in &self.parts {
            let _ = writeln!(key, "part: {}", part(request)?.escape_default());
        }
        let key = match self.users {
            // Whatever is in it, it comes last; and no field has a name with a colon, so that no key of
            // a user is one of all, though keys of another kind be in the same store.
            Users::Known(user) => Key::private(key + "user: " + &user(request)?),
            Users::Unknown
                if headers.contains_key(AUTHORIZATION) || headers.contains_key(COOKIE) =>
            {
                return None;
            }
            Users::Unknown => Key::shared(key),
            Users::Alike => Key::users_alike(key),
        };
        Some(key.of_fields(Arc::clone(&self.fields)))
    }
}

/// Whether a body is announced, which would be a part of the question. Over HTTP/2 none need be.
fn has_body(headers: &HeaderMap) -> bool {
    let length = headers.get(CONTENT_LENGTH);
    headers.contains_key(TRANSFER_ENCODING) || length.is_some_and(|length| length != "0")
}

/// Adds a line with the values of a field, or one without for a field that is not there. Neither line
/// ends nor tabs are in a value.
fn push(key: &mut String, headers: &HeaderMap, name: &HeaderName) {
    key.push_str(name.as_str());
    for value in headers.get_all(name) {
        let _ = write!(key, "\t{}", value.as_bytes().escape_ascii());
    }
    key.push('\n');
}

impl Default for ResponseKey {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ResponseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseKey")
            .field("headers", &self.headers)
            .field("per_user", &matches!(self.users, Users::Known(_)))
            .finish_non_exhaustive()
    }
}
