//! Which headers say what is left, and what they say.

use std::time::Duration;

use http::HeaderMap;

use crate::{DeadlineHeader, deadline_header::KNOWN, grpc};

/// Writes that `remaining` is left, in `own` or, for gRPC, in `grpc-timeout`, and in each other
/// header of that meaning which is there already.
///
/// None if a header would have to say that nothing is left; what was written until then is of no
/// use.
pub(super) fn write(
    headers: &mut HeaderMap,
    own: &DeadlineHeader,
    remaining: Duration,
) -> Option<()> {
    let primary = if grpc::is_grpc(headers) { &DeadlineHeader::GRPC_TIMEOUT } else { own };
    let known = || KNOWN.iter().chain([own]);
    // What one header said is not lengthened in another.
    let said = known().filter_map(|header| header.soonest(headers, |_invalid| {}));
    let remaining = said.chain([remaining]).min()?;
    for header in known().filter(|header| *header != primary) {
        if headers.contains_key(header.name()) {
            write_one(headers, header, remaining)?;
        }
    }
    write_one(headers, primary, remaining)
}

/// What a gRPC client is told; `None` for one that is not, who does not go by it.
pub(super) fn told(headers: &HeaderMap) -> Option<Duration> {
    let told = || DeadlineHeader::GRPC_TIMEOUT.soonest(headers, |_invalid| {});
    grpc::is_grpc(headers).then(told).flatten()
}

fn write_one(headers: &mut HeaderMap, header: &DeadlineHeader, remaining: Duration) -> Option<()> {
    let value = header.format(remaining)?;
    headers.remove(header.name());
    // Where a map has no room for one header more, it is better to say nothing than to panic.
    let _ = headers.try_insert(header.name(), value);
    Some(())
}
