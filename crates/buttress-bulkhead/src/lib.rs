//! The bulkhead layer of the Buttress suite: bounded concurrency, bodies included.
