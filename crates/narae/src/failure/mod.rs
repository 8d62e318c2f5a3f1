//! Failures of handlers: errors by `?`, and panics.
//!
//! In: a [`HandlerError`] or [`Failure`] in a response, or a panic. Out: a page without a secret, and one
//! line in the log with everything, joined by a [`RequestId`]. `guard` sees them, `page` answers.

mod accept;
mod guard;
mod handler_error;
mod page;
mod request_id;

pub(crate) use guard::Guarded;
pub use handler_error::{Failure, HandlerError, HandlerResult};
pub use page::ErrorContext;
pub(crate) use page::ErrorPage;
pub use request_id::RequestId;
