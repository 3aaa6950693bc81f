//! The builder of the layer.

mod tiers;

use std::{fmt, sync::Arc};

use buttress_core::{Classified, ConfigError, Observer, Plain, Reporter};

use crate::{
    Failure, FallbackLayer, Keep, KeepAs, Nothing,
    failure::leaves_no_answer,
    layer::{LAYER, Shared, When},
    tier::Tier,
};

/// Builds a [`FallbackLayer`].
///
/// The first tier that makes an answer decides what all of them answer; where there is none, as with last
/// known good answers alone, it has to be said: `FallbackLayer::<(), Response<Full<Bytes>>>::builder()`.
/// Tiers are tried in the order in which they are added.
pub struct FallbackLayerBuilder<V, Alt, P = Plain, K = Nothing> {
    reporter: Reporter,
    tiers: Vec<Tier<V, Alt>>,
    // The first thing that made no sense.
    wrong: Option<ConfigError>,
    when: Box<When>,
    protocol: P,
    keep: K,
}

impl<Alt> FallbackLayerBuilder<(), Alt> {
    pub(crate) fn new() -> Self {
        Self {
            reporter: Reporter::new(LAYER),
            tiers: Vec::new(),
            wrong: None,
            when: Box::new(leaves_no_answer),
            protocol: Plain,
            keep: Nothing,
        }
    }
}

impl<Alt: 'static, P> FallbackLayerBuilder<(), Alt, P> {
    /// Keeps of each request what the tiers need: a closure from `&Req` to an owned value.
    ///
    /// Say it before the tiers that look at it; those added earlier are shown `&()`. Default:
    /// nothing is kept.
    pub fn keep<Req, K: Keep<Req>>(self, keep: K) -> FallbackLayerBuilder<K::View, Alt, P, K> {
        self.keep_by(keep)
    }

    /// Keeps of each request what `V` makes of it, by [`From`]: the same as [`keep`](Self::keep), but
    /// the layer has a type that can be named, as in the field of a struct.
    ///
    /// What `V` is need not be said where a tier says it. Under HTTP it is mostly buttress-http's
    /// `RequestHead`:
    ///
    /// ```
    /// use buttress_fallback::{FallbackLayer, KeepAs};
    /// use buttress_http::{Http, RequestHead};
    /// use http::Response;
    ///
    /// type Pricing = FallbackLayer<RequestHead, Response<String>, Http, KeepAs<RequestHead>>;
    ///
    /// let pricing: Pricing = FallbackLayer::builder()
    ///     .protocol(Http::new())
    ///     .keep_as()
    ///     .value("on request", |request: &RequestHead, _| {
    ///         Response::new(format!("the price of {} is on request", request.uri.path()))
    ///     })
    ///     .build()?;
    /// # Ok::<(), buttress_core::ConfigError>(())
    /// ```
    pub fn keep_as<V>(self) -> FallbackLayerBuilder<V, Alt, P, KeepAs<V>> {
        self.keep_by(KeepAs::new())
    }

    fn keep_by<V, K>(self, keep: K) -> FallbackLayerBuilder<V, Alt, P, K> {
        let Self { reporter, tiers, wrong, when, protocol, keep: _ } = self;
        let tiers = tiers.into_iter().map(Tier::overlook).collect();
        FallbackLayerBuilder { reporter, tiers, wrong, when, protocol, keep }
    }
}

impl<V, Alt, P, K> FallbackLayerBuilder<V, Alt, P, K> {
    /// Asks this predicate, of each call that was not judged a success, whether the tiers are to
    /// be tried.
    ///
    /// Default: when the dependency failed ([`Outcome::Failure`](buttress_core::Outcome)), and
    /// when one of our own layers refused the call
    /// ([`Rejection::is_refusal`](buttress_core::Rejection::is_refusal)), in whatever the error is
    /// wrapped. A neutral response, such as a "429 Too Many Requests" under HTTP, is the answer
    /// to the caller and stays so.
    ///
    /// The predicate sees the judgement, the error, and the rejection if it is one. To have the
    /// response decide, [`classify`](Self::classify) it as a failure:
    ///
    /// ```
    /// use buttress_core::{BoxError, Classify, Judgement};
    /// use buttress_fallback::FallbackLayer;
    /// use buttress_http::Http;
    /// use http::{Response, StatusCode};
    ///
    /// let http = Http::new();
    /// let layer = FallbackLayer::builder()
    ///     .protocol(http)
    ///     .classify(move |result: Result<&Response<String>, &BoxError>| match result {
    ///         // What the search does not have, the catalogue may.
    ///         Ok(response) if response.status() == StatusCode::NOT_FOUND => Judgement::FAILURE,
    ///         other => http.classify(other),
    ///     })
    ///     .value("catalogue", |_, _| Response::new("all there is".to_owned()))
    ///     .build()?;
    /// # Ok::<(), buttress_core::ConfigError>(())
    /// ```
    pub fn when<F>(mut self, predicate: F) -> Self
    where
        F: Fn(&Failure<'_>) -> bool + Send + Sync + 'static,
    {
        self.when = Box::new(predicate);
        self
    }

    /// Judges results by this classifier instead of the protocol's own: what it calls a success
    /// is passed through, also if it is an error, and remembered, if it is a response. Say it after
    /// `protocol`. Default: the protocol's.
    pub fn classify<C>(self, classifier: C) -> FallbackLayerBuilder<V, Alt, Classified<P, C>, K> {
        self.map_protocol(|protocol| Classified::new(protocol, classifier))
    }

    /// Names the layer in events and in the mark. Default: `"fallback"`.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.reporter.set_name(name);
        self
    }

    /// Tells this observer what happens. Default: [`Tracing`](buttress_core::Tracing).
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.reporter.set_observer(observer);
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if there is no tier, if two of them have the same name or two remember, or if a
    /// bound is out of its range or belongs to no tier.
    pub fn build(self) -> Result<FallbackLayer<V, Alt, P, K>, ConfigError> {
        let Self { reporter, tiers, wrong, when, protocol, keep } = self;
        if let Some(error) = wrong {
            return Err(error);
        }
        if tiers.is_empty() {
            let allowed = "said at least once, or `value` or `service`";
            return Err(ConfigError::new("respond_with", "never said", allowed));
        }
        let remembers = tiers.iter().position(|tier| tier.remembers().is_some());
        Ok(FallbackLayer::new(Shared { tiers, remembers, when, reporter }, protocol, keep))
    }

    fn tier(mut self, setting: &'static str, tier: Tier<V, Alt>) -> Self {
        if self.tiers.iter().any(|other| other.name == tier.name) {
            let allowed = "a name that no other tier has";
            self.is_wrong(ConfigError::new(setting, format!("`{}` again", tier.name), allowed));
        }
        self.tiers.push(tier);
        self
    }

    fn is_wrong(&mut self, error: ConfigError) {
        self.wrong.get_or_insert(error);
    }

    fn map_protocol<Q>(self, map: impl FnOnce(P) -> Q) -> FallbackLayerBuilder<V, Alt, Q, K> {
        let Self { reporter, tiers, wrong, when, protocol, keep } = self;
        let protocol = map(protocol);
        FallbackLayerBuilder { reporter, tiers, wrong, when, protocol, keep }
    }
}

impl<V, Alt, K> FallbackLayerBuilder<V, Alt, Plain, K> {
    /// Judges responses, lets the alternative stand in for them, and remembers them by this
    /// protocol. Said at most once, before [`classify`](Self::classify). Default: [`Plain`].
    pub fn protocol<Q>(self, protocol: Q) -> FallbackLayerBuilder<V, Alt, Q, K> {
        self.map_protocol(|_| protocol)
    }
}

impl<V, Alt, P, K> fmt::Debug for FallbackLayerBuilder<V, Alt, P, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackLayerBuilder")
            .field("name", self.reporter.name())
            .field("tiers", &self.tiers)
            .finish_non_exhaustive()
    }
}
