//! What the tests of the Buttress crates share. Not published.
//!
//! - [`Probe`]: a service that panics when it is called unready or on another clone, and whose
//!   [`ProbeHandle`] counts calls, drops, and instances that hold a readiness unused.
//! - [`ScriptedBody`]: an HTTP body that plays a script of frames, waits and errors.
//! - [`Recorder`]: an observer that keeps what it was told, as text.
//! - [`seeded`]: the generator of a test, seeded by the test's name or by the environment.
//! - [`assert_service_traits`] and its neighbours: auto traits, checked by the compiler.
//! - [`plain_differs`] and [`http_differs`]: whether calls pass a layer as if it were not there.
//! - [`task`]: futures driven by hand, with their wake-ups counted.

mod auto_traits;
mod body;
mod passes;
mod probe;
mod recorder;
mod rng;

pub use auto_traits::{assert_future_traits, assert_layer_traits, assert_service_traits};
pub use body::{BodyStep, ScriptedBody};
pub use passes::{http_differs, plain_differs};
pub use probe::{Probe, ProbeFuture, ProbeHandle, Readiness, Reply};
pub use recorder::Recorder;
pub use rng::seeded;
pub use tokio_test::{assert_pending, assert_ready, task};
