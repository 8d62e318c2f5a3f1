//! Stores against real servers, and sessions shared with a real Express application.
//!
//! Each test starts the servers that it needs on ports of its own and stops them.

mod express;
mod postgres;
mod redis;
