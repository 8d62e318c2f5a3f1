//! HTTP Basic authentication (RFC 7617, RFC 9110 §11.6): who may pass.
//!
//! In: requests on their way to a service, and the users who may reach it. Out:
//! the requests of those users; to everyone else `401`, or `503` while too much
//! is to be checked. `credential` reads users, `layer` and `service` stand at
//! the door, `door` decides, `users` compares and remembers, `checks` and
//! `queue` keep what is slow away from the event loop and within bounds,
//! `answer` refuses. Knows no sockets, no files and no server.

mod answer;
mod checks;
mod credential;
mod door;
mod error;
mod layer;
mod queue;
mod service;
#[cfg(test)]
mod tests;
mod users;

pub use credential::Credential;
pub use error::{CredentialError, HashFault, NameFault, PasswordFault};
pub use layer::BasicAuth;
pub use service::{BasicAuthFuture, BasicAuthService};
