//! What the copy of a body takes: no more than is stored, however large the body is.

use std::{convert::Infallible, future::ready, sync::Mutex, time::Duration};

use allocation_counter::measure;
use buttress::{fallback::Store, prelude::*};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use tower::{Layer, Service, service_fn};

use crate::hyper_client::parts;

/// The most that was allocated at once while a body of so many KiB was passed on, and how much came.
fn most_at_once(kib: usize, announced: bool) -> (u64, usize) {
    let layer = FallbackLayer::<(), Response<Full<Bytes>>>::builder()
        .protocol(Http::new())
        .keep(|request: &Request<Empty<Bytes>>| request.uri().path().to_owned())
        .last_known_good(
            "memory",
            LastKnownGood::new(MemoryStore::builder().build().unwrap(), |path: &String| {
                Some(path.clone())
            }),
        )
        .build()
        .unwrap();
    let mut service = layer.layer(service_fn(move |_: Request<Empty<Bytes>>| {
        let frames = stream::iter(parts(kib)).map(|part| Ok::<_, Infallible>(Frame::data(part)));
        let mut response = Response::new(StreamBody::new(frames));
        if announced {
            response.headers_mut().insert("content-length", (kib << 10).into());
        }
        ready(Ok::<_, Infallible>(response))
    }));
    let mut came = 0;
    let used = measure(|| {
        let response = service.call(Request::new(Empty::new())).now_or_never().unwrap().unwrap();
        let mut body = response.into_body();
        while let Some(frame) = body.frame().now_or_never().unwrap() {
            came += frame.unwrap().into_data().unwrap().len();
        }
    });
    (used.bytes_max, came)
}

#[test]
fn a_large_body_takes_no_more_than_is_stored() {
    for announced in [false, true] {
        let (at_once, came) = most_at_once(10 << 10, announced);
        assert_eq!(came, 10 << 20);
        // The copy is in a buffer that grows, and for a moment in the old one, too.
        assert!(at_once <= 3 << 20, "{at_once}");
        if announced {
            assert!(at_once <= 128 << 10, "nothing is copied: {at_once}");
        }
    }
}

#[test]
fn one_whose_length_is_known_is_copied_into_a_buffer_of_that_length() {
    let (at_once, came) = most_at_once(512, true);
    assert_eq!(came, 512 << 10);
    assert!((512 << 10..700 << 10).contains(&at_once), "{at_once}");
}

/// Takes whatever it is given, and has nothing.
struct Forgets;

impl Store for Forgets {
    async fn get(&self, _key: &str) -> Result<Option<Bytes>, BoxError> {
        Ok(None)
    }

    async fn put(&self, _key: &str, _value: Bytes, _keep_for: Duration) -> Result<(), BoxError> {
        Ok(())
    }
}

/// The allocations of passing on an answer of so many parts whose length is known, beside those of the
/// answer itself.
fn allocations(parts_of_it: usize, remembers: bool) -> u64 {
    let builder = FallbackLayer::builder()
        .protocol(Http::new())
        .value("none", |(): &(), _: &_| Response::new(Full::<Bytes>::default()));
    let layer = if remembers {
        let memory = LastKnownGood::new(Forgets, |(): &()| Some("key"));
        builder.last_known_good("memory", memory).build().unwrap()
    } else {
        builder.build().unwrap()
    };
    let answer = Mutex::new(None);
    let mut service = layer.layer(service_fn(|_: Request<()>| {
        ready(Ok::<_, Infallible>(answer.lock().unwrap().take().unwrap()))
    }));
    let mut pass = || {
        let body: Vec<_> =
            parts(parts_of_it * 16).map(Frame::data).map(Ok::<_, Infallible>).collect();
        let mut response = Response::new(StreamBody::new(stream::iter(body)));
        response.headers_mut().insert("content-length", (parts_of_it * (16 << 10)).into());
        *answer.lock().unwrap() = Some(response);
        let passed = measure(|| {
            let response = service.call(Request::new(())).now_or_never().unwrap().unwrap();
            let mut body = response.into_body();
            while let Some(frame) = body.frame().now_or_never().unwrap() {
                assert!(frame.unwrap().is_data());
            }
        });
        passed.count_total
    };
    pass();
    pass()
}

#[test]
fn passing_an_answer_on_allocates_nothing() {
    assert_eq!(allocations(4, false), 0);
}

#[test]
fn remembering_one_allocates_so_often_however_many_parts_it_has() {
    // The key, and as it is in the store; the entry, and its room for the body; what it is copied by,
    // what is told at its end, and what puts it.
    assert_eq!(allocations(4, true), 7);
    assert_eq!(allocations(40, true), 7);
}
