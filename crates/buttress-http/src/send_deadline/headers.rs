//! Which headers say what is left, and what they say.

use std::time::Duration;

use http::HeaderMap;

use crate::{DeadlineHeader, content_type, deadline_header::KNOWN};

/// Writes that `remaining` is left, in `own` or, for gRPC, in `grpc-timeout`, and in each other
/// header of that meaning which is there already. Gives what was written, before it was rounded: less
/// than `remaining` where a header said less already.
///
/// None if a header would have to say that nothing is left; what was written until then is of no
/// use.
pub(super) fn write(
    headers: &mut HeaderMap,
    own: &DeadlineHeader,
    remaining: Duration,
) -> Option<Duration> {
    let primary = if content_type::is_grpc(headers) { &DeadlineHeader::GRPC_TIMEOUT } else { own };
    let known = KNOWN.iter().chain((!KNOWN.contains(own)).then_some(own));
    // Those that are there. Mostly none is, and looking for each is what this costs.
    let mut said: [Option<&DeadlineHeader>; KNOWN.len() + 1] = [None; KNOWN.len() + 1];
    let mut least = remaining;
    for (header, place) in known.zip(&mut said) {
        if headers.contains_key(header.name()) {
            // What one header said is not lengthened in another.
            least = header.soonest(headers, |_invalid| {}).map_or(least, |time| time.min(least));
            *place = Some(header);
        }
    }
    for header in said.into_iter().flatten().filter(|header| *header != primary) {
        put(headers, header, least, true)?;
    }
    put(headers, primary, least, said.contains(&Some(primary)))?;
    Some(least)
}

/// What a gRPC client is told; `None` for one that is not, who does not go by it.
pub(super) fn told(headers: &HeaderMap) -> Option<Duration> {
    let told = || DeadlineHeader::GRPC_TIMEOUT.soonest(headers, |_invalid| {});
    content_type::is_grpc(headers).then(told).flatten()
}

fn put(
    headers: &mut HeaderMap,
    header: &DeadlineHeader,
    remaining: Duration,
    is_there: bool,
) -> Option<()> {
    let value = header.format(remaining)?;
    // Where a map has no room for one header more, it is better to say nothing than to panic, or to
    // leave what is no longer true.
    if is_there {
        headers.remove(header.name());
    }
    let _ = headers.try_insert(header.name(), value);
    Some(())
}
