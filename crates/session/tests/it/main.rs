//! Sessions as a handler and a browser see them.

mod behaviour;
mod browser;
mod concurrency;
mod cookies;
mod decisions;
mod failure;
mod ids;
mod spy;
