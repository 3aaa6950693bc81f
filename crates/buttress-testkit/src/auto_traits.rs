//! Auto traits, checked by the compiler: a test that calls one of these compiles or does not.

/// A layer can be kept in a static, shared by threads, and cloned.
pub fn assert_layer_traits<T: Clone + Send + Sync + 'static>(_: &T) {}

/// A service can be given to axum's `Router::layer`.
pub fn assert_service_traits<T: Clone + Send + Sync + 'static>(_: &T) {}

/// A future can be spawned.
pub fn assert_future_traits<T: Send + 'static>(_: &T) {}
