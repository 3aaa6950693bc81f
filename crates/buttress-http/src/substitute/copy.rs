//! The copy of a response, as it is stored.
//!
//! ```text
//! version, 1 byte | status, 2 | fields | body | fields of the trailers | length of the fields, 4 | of the trailers, 4
//! ```
//!
//! A field is the length of its name in 2 bytes, the name, the length of its value in 4, the value.
//! The lengths stand at the end, for those of the body and the trailers are known only there; numbers
//! are big endian.

use std::{error::Error, fmt};

use buttress_core::Recording;
use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, response::Parts};

use super::fields::{self, Fields};

/// Of what follows. Copies of other versions are not read.
const VERSION: u8 = 1;
/// The bytes of version and status.
const START: usize = 3;
/// The bytes of the two lengths.
const END: usize = 8;

/// The body of a response as it was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) data: Bytes,
    pub(super) trailers: Option<HeaderMap>,
}

/// Bytes that are no copy, or one of another version.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// Writes the head of a response whose body is to be so long; how long its fields are, or `None` where
/// there is no room for all of that.
pub(super) fn write_head(
    recording: &mut Recording,
    head: &Parts,
    which: &Fields,
    body: u64,
) -> Option<u32> {
    let fields = length_of(which.of(&head.headers))?;
    let around = (START + END) as u64 + u64::from(fields);
    let fits = recording.expect(body.saturating_add(around))
        && recording.write(&[VERSION])
        && recording.write(&head.status.as_u16().to_be_bytes())
        && write_fields(recording, which.of(&head.headers));
    fits.then_some(fields)
}

/// Writes what follows the body; whether there was room.
pub(super) fn write_end(
    recording: &mut Recording,
    fields: u32,
    trailers: Option<&HeaderMap>,
    which: &Fields,
) -> bool {
    let trailers = || trailers.into_iter().flat_map(|trailers| which.of(trailers));
    length_of(trailers()).is_some_and(|length| {
        write_fields(recording, trailers())
            && recording.write(&fields.to_be_bytes())
            && recording.write(&length.to_be_bytes())
    })
}

type Field<'a> = (&'a HeaderName, &'a HeaderValue);

/// How long these are in a copy; `None` for what no copy can hold.
fn length_of<'a>(fields: impl Iterator<Item = Field<'a>>) -> Option<u32> {
    let lengths = fields.map(|(name, value)| 6 + name.as_str().len() + value.len());
    u32::try_from(lengths.sum::<usize>()).ok()
}

/// Writes fields whose [length](length_of) is known; whether there was room.
fn write_fields<'a>(
    recording: &mut Recording,
    mut fields: impl Iterator<Item = Field<'a>>,
) -> bool {
    fields.all(|(name, value)| {
        // No name is longer than that, and no value than all of them.
        let name_length = u16::try_from(name.as_str().len()).unwrap_or(u16::MAX);
        let value_length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        recording.write(&name_length.to_be_bytes())
            && recording.write(name.as_str().as_bytes())
            && recording.write(&value_length.to_be_bytes())
            && recording.write(value.as_bytes())
    })
}

/// The response that this is a copy of.
pub(super) fn read(copy: Bytes) -> Result<Response<Remembered>, Unreadable> {
    parse(copy).ok_or(Unreadable)
}

fn parse(mut copy: Bytes) -> Option<Response<Remembered>> {
    let mut end = copy.split_off(copy.len().checked_sub(END)?);
    let (fields, trailers) = (length(&mut end)?, length(&mut end)?);
    if copy.len() < START || copy.get_u8() != VERSION {
        return None;
    }
    let status = StatusCode::from_u16(copy.get_u16()).ok().filter(StatusCode::is_success)?;
    let fields = read_fields(split_off(&mut copy, fields)?)?;
    let trailers = copy.split_off(copy.len().checked_sub(trailers)?);
    let trailers = if trailers.is_empty() { None } else { Some(read_fields(trailers)?) };
    // Served as it is, it would break the connection.
    let announced = fields::announced(&fields).ok()?;
    if announced.is_some_and(|announced| announced != copy.len() as u64) {
        return None;
    }
    let mut response = Response::new(Remembered { data: copy, trailers });
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    Some(response)
}

fn read_fields(mut bytes: Bytes) -> Option<HeaderMap> {
    let mut fields = HeaderMap::new();
    while !bytes.is_empty() {
        let name_length = usize::from(bytes.try_get_u16().ok()?);
        let name = HeaderName::from_bytes(&split_off(&mut bytes, name_length)?).ok()?;
        // Whoever wrote it, a connection would take its word.
        if fields::NOT_COPIED.contains(&name) {
            return None;
        }
        let value_length = length(&mut bytes)?;
        let value = split_off(&mut bytes, value_length)?;
        let value = HeaderValue::from_maybe_shared(value).ok()?;
        fields.try_append(name, value).ok()?;
    }
    Some(fields)
}

fn length(bytes: &mut Bytes) -> Option<usize> {
    usize::try_from(bytes.try_get_u32().ok()?).ok()
}

/// The first of these bytes, if there are as many.
fn split_off(bytes: &mut Bytes, length: usize) -> Option<Bytes> {
    (length <= bytes.len()).then(|| bytes.split_to(length))
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what is stored is no copy of a response, or not of version {VERSION}")
    }
}

impl Error for Unreadable {}
