//! The retry layer of the Buttress suite: jittered exponential backoff, safe by default.
