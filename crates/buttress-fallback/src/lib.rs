//! The fallback layer of the Buttress suite: graceful degradation, marked as such.
