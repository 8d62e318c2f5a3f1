//! Tests of the access log as a whole; those of single parts stand beside them.

mod exchanges;
mod lines;
mod morgan;
mod sinks;
