//! What the targets `h1` and `h2` share: an application, a meeting of a peer with the server, and strict readers of
//! what the server says.

pub mod answers;
pub mod application;
pub mod frames;
pub mod meeting;
