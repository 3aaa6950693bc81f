//! Ordinary values that can be stored.

use std::time::Duration;

use bytes::Bytes;

use crate::{BoxError, Classify, Held, Judgement, Plain, Recording, Remembers, Substitute};

/// [`Plain`] for values that are to be remembered: with functions that make bytes of one, and a value
/// of such bytes.
///
/// ```
/// use buttress_core::{BoxError, Encoded};
///
/// let prices = Encoded::new(
///     |price: &u32| Ok(price.to_be_bytes().to_vec()),
///     |bytes: &[u8]| Ok(u32::from_be_bytes(bytes.try_into()?)),
/// );
/// # fn remembers(_: impl buttress_core::Remembers) {}
/// # remembers(prices);
/// ```
///
/// The bytes may have been written by another version of the program: it is for `decode` to tell, and
/// to refuse what it can not read.
#[derive(Debug, Clone, Copy)]
pub struct Encoded<E, D> {
    encode: E,
    decode: D,
}

impl<E, D> Encoded<E, D> {
    /// Values that `encode` makes bytes of, and `decode` makes of bytes.
    pub fn new<Res>(encode: E, decode: D) -> Self
    where
        E: Fn(&Res) -> Result<Vec<u8>, BoxError>,
        D: Fn(&[u8]) -> Result<Res, BoxError>,
    {
        Self { encode, decode }
    }
}

impl<E, D> Remembers for Encoded<E, D> {}

impl<Res, E, D> Substitute<Res, Res> for Encoded<E, D>
where
    E: Fn(&Res) -> Result<Vec<u8>, BoxError>,
    D: Fn(&[u8]) -> Result<Res, BoxError>,
{
    type Response = Res;

    fn original(&self, response: Res) -> Res {
        response
    }

    fn alternative(&self, alternative: Res, _held: Held) -> Res {
        alternative
    }

    fn record(&self, response: Res, mut recording: Recording) -> Res {
        match (self.encode)(&response) {
            Ok(bytes) if recording.write(&bytes) => recording.whole(Duration::ZERO),
            Ok(_) => {}
            Err(error) => recording.fail(error),
        }
        response
    }

    fn recall(&self, copy: Bytes) -> Result<Res, BoxError> {
        (self.decode)(&copy)
    }
}

impl<Res, E, D> Classify<Res> for Encoded<E, D> {
    fn classify(&self, result: Result<&Res, &BoxError>) -> Judgement {
        Plain.classify(result)
    }
}
