//! Each class of failure, against a server that has exactly that fault; and healthy servers, which have none.

#![allow(clippy::unwrap_used)]

mod servers;

mod healthy;
mod http1_faults;
mod http2_faults;
