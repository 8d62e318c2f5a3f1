//! Placeholder header.
#![forbid(unsafe_code)]
