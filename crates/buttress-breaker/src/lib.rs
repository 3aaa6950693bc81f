//! The circuit breaker layer of the Buttress suite.
