//! Texts that are remembered by their first letter.

use buttress_core::{BoxError, Encoded, Key};
use buttress_fallback::{FallbackLayer, FallbackLayerBuilder, LastKnownGood, Store};
use buttress_testkit::Recorder;
use tower::{Layer, ServiceExt, service_fn};

use super::{now, paused};

pub(crate) fn encode(text: &String) -> Result<Vec<u8>, BoxError> {
    if text == "secret" { Err("it has no bytes".into()) } else { Ok(text.clone().into_bytes()) }
}

pub(crate) fn decode(bytes: &[u8]) -> Result<String, BoxError> {
    Ok(std::str::from_utf8(bytes)?.to_owned())
}

pub(crate) type Text =
    Encoded<fn(&String) -> Result<Vec<u8>, BoxError>, fn(&[u8]) -> Result<String, BoxError>>;

/// Requests are what is to be answered; those that begin with `!` fail.
pub(crate) fn builder<S: Store>(
    memory: LastKnownGood<S, fn(&String) -> Option<Key>>,
    recorder: &Recorder,
) -> FallbackLayerBuilder<String, String, Text, fn(&String) -> String> {
    let keep: fn(&String) -> String = String::clone;
    FallbackLayer::builder()
        .protocol(Encoded::new(
            encode as fn(&String) -> Result<Vec<u8>, BoxError>,
            decode as fn(&[u8]) -> Result<String, BoxError>,
        ))
        .keep(keep)
        .observer(recorder.clone())
        .last_known_good("memory", memory)
}

/// By the first letter, which is a tenant; those of nobody are not remembered.
#[expect(clippy::ptr_arg, reason = "it is the view, as it was kept")]
pub(crate) fn tenant(request: &String) -> Option<Key> {
    let tenant = request.trim_start_matches('!').chars().next()?;
    (tenant != '-').then(|| Key::shared(tenant))
}

pub(crate) fn memory<S: Store>(store: S) -> LastKnownGood<S, fn(&String) -> Option<Key>> {
    LastKnownGood::new(store, tenant as fn(&String) -> Option<Key>).clock(now)
}

/// What the store is given for a key of several users, by a layer that has no name.
pub(crate) fn stored(key: &str) -> String {
    format!("8:fallback:all:{key}")
}

pub(crate) async fn echo(request: String) -> Result<String, BoxError> {
    if request.starts_with('!') { Err(request.into()) } else { Ok(request) }
}

/// What is answered to these, one after the other, and what was said meanwhile.
pub(crate) fn answers<S: Store>(
    memory: LastKnownGood<S, fn(&String) -> Option<Key>>,
    requests: &[&str],
) -> (Vec<Result<String, String>>, Vec<String>) {
    paused().block_on(async {
        let recorder = Recorder::new();
        let service = builder(memory, &recorder).build().unwrap().layer(service_fn(echo));
        let mut answers = Vec::new();
        for request in requests {
            let answer = service.clone().oneshot((*request).to_owned()).await;
            answers.push(answer.map_err(|error| error.to_string()));
        }
        (answers, recorder.take())
    })
}
