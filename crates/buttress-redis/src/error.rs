//! What is told when Redis was of no use.

use std::{error::Error, fmt, io, sync::Arc, time::Duration};

use redis::{ErrorKind, RedisError};

/// Why a [`RedisStore`](crate::RedisStore) has no answer.
///
/// It names the address, what was asked for which key, and what happened; never a password, nor
/// anything of a value. A limit that passed has an [`io::ErrorKind::TimedOut`] in its source chain.
///
/// ```text
/// Redis store at 10.0.0.7:6379: get "tea": no answer within 100ms
/// ```
#[derive(Debug)]
pub struct RedisStoreError {
    address: Arc<str>,
    asked: &'static str,
    key: String,
    trouble: Trouble,
    source: Option<io::Error>,
}

/// What happened. What Redis or its client said is kept as text, which has been looked through.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    ConnectLimit(Duration),
    NotConnected(Arc<str>),
    ResponseLimit(Duration),
    Broken(Arc<str>),
    Refused(Arc<str>),
    TooMany(usize),
    NoValue,
    NoRuntime,
    Gone,
}

impl Trouble {
    pub(crate) fn not_connected(error: &RedisError) -> Self {
        // Redis may have said why, but the client does not pass that on.
        if error.is_connection_dropped() && !error.is_connection_refusal() {
            return Self::NotConnected(format!("{error}, {CLOSES}").into());
        }
        Self::NotConnected(harmless(error))
    }

    pub(crate) fn broken(error: &RedisError) -> Self {
        Self::Broken(harmless(error))
    }

    pub(crate) fn refused(error: &RedisError) -> Self {
        Self::Refused(harmless(error))
    }
}

const CLOSES: &str = "as where Redis has too many clients, or is in protected mode";

/// What the error says, but for what it quotes.
fn harmless(error: &RedisError) -> Arc<str> {
    // Redis quotes what it was sent, up to a value or a password, if it does not know the command;
    // and the client quotes what it was sent, if it can not read that.
    const QUOTES: &str = ", with args beginning with";
    let said = match (error.kind(), error.code(), error.detail()) {
        (ErrorKind::Parse, ..) => "what came is not Redis' protocol".to_owned(),
        (_, Some(code), Some(detail)) => format!("{code} {detail}"),
        (_, Some(code), None) => code.to_owned(),
        _ => error.to_string(),
    };
    said.split(QUOTES).next().unwrap_or_default().into()
}

impl RedisStoreError {
    pub(crate) fn new(address: Arc<str>, asked: &'static str, key: &str, trouble: Trouble) -> Self {
        let late = matches!(trouble, Trouble::ConnectLimit(_) | Trouble::ResponseLimit(_));
        // Foreign code asks "was it a timeout?" by looking for this kind of `io::Error`.
        let source = late.then(|| io::ErrorKind::TimedOut.into());
        Self { address, asked, key: shortened(key), trouble, source }
    }
}

/// A key is an argument of the error, and not its subject.
fn shortened(key: &str) -> String {
    const MOST: usize = 120;
    match key.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &key[..end]),
        None => key.to_owned(),
    }
}

impl fmt::Display for RedisStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, asked, key, trouble, source: _ } = self;
        write!(f, "Redis store at {address}: {asked} {key:?}: ")?;
        match trouble {
            Trouble::ConnectLimit(limit) => write!(f, "no connection within {limit:?}"),
            Trouble::NotConnected(why) => write!(f, "no connection: {why}"),
            Trouble::ResponseLimit(limit) => write!(f, "no answer within {limit:?}"),
            Trouble::Broken(why) => write!(f, "the connection broke: {why}"),
            Trouble::Refused(why) => write!(f, "Redis says: {why}"),
            Trouble::TooMany(most) => write!(f, "{most} others are under way, and no more may be"),
            Trouble::NoValue => f.write_str("what Redis answers is no value"),
            Trouble::NoRuntime => f.write_str("called outside of a tokio runtime"),
            Trouble::Gone => {
                f.write_str("whatever asked it has panicked, or its runtime has shut down")
            }
        }
    }
}

impl Error for RedisStoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(trouble: Trouble) -> RedisStoreError {
        RedisStoreError::new("redis.internal:6379".into(), "put", "tea", trouble)
    }

    #[test]
    fn it_says_where_what_and_why() {
        let limit = Duration::from_millis(100);
        assert_eq!(
            told(Trouble::ResponseLimit(limit)).to_string(),
            "Redis store at redis.internal:6379: put \"tea\": no answer within 100ms"
        );
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused).into();
        assert_eq!(
            told(Trouble::not_connected(&refused)).to_string(),
            "Redis store at redis.internal:6379: put \"tea\": no connection: connection refused"
        );
    }

    #[test]
    fn a_limit_that_passed_is_a_timeout_to_foreign_code_and_nothing_else_is() {
        let limit = Duration::from_millis(100);
        for late in [Trouble::ConnectLimit(limit), Trouble::ResponseLimit(limit)] {
            let error = told(late);
            let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
            assert_eq!(source.kind(), io::ErrorKind::TimedOut);
        }
        assert!(told(Trouble::NoValue).source().is_none());
    }

    #[test]
    fn a_key_is_cut_where_it_would_fill_the_line() {
        let error = RedisStoreError::new("x".into(), "get", &"é".repeat(500), Trouble::NoValue);
        assert!(error.to_string().chars().count() < 200);
        let error = RedisStoreError::new("x".into(), "get", "a\nb", Trouble::NoValue);
        assert!(!error.to_string().contains('\n'), "one line");
    }
}
