//! Tower layers against partial failure.
