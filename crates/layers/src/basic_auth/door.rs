//! [`Door`]: what becomes of a request, from its headers.
//!
//! In: a request's headers. Out: it may pass, it may not, or a check that
//! takes time. Owns the order of these questions; hashing is `users`', waiting
//! is `queue`'s.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::checks::Checks;
use super::queue::{Busy, Queue};
use super::users::Users;
use crate::authorization::{BasicCredentials, Reading};

/// Ready with whether the credentials are right.
pub(super) type Checking = Pin<Box<dyn Future<Output = Result<bool, Busy>> + Send>>;

pub(super) enum Look {
    /// These credentials were right before.
    Pass,
    /// There are none, or none that can be right.
    Refuse,
    /// They must be checked.
    Check(Checking),
}

pub(super) struct Door {
    users: Users,
    checks: Checks,
    queue: Arc<Queue>,
}

impl Door {
    pub(super) fn new(users: Users, queue: Arc<Queue>) -> Arc<Self> {
        Arc::new(Self { users, checks: Checks::default(), queue })
    }

    pub(super) fn look(self: &Arc<Self>, headers: &HeaderMap) -> Look {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        // Two values: whoever reads the other one would see another user.
        let (Some(value), None) = (values.next(), values.next()) else { return Look::Refuse };
        let Some(credentials) = BasicCredentials::read(value.as_bytes(), Reading::Strict) else {
            return Look::Refuse;
        };
        if !Users::is_hashable(&credentials) {
            return Look::Refuse;
        }
        let fingerprint = self.users.fingerprint(&credentials);
        if self.users.remembers(&credentials, &fingerprint) {
            return Look::Pass;
        }
        let door = Arc::clone(self);
        Look::Check(Box::pin(async move {
            let hashing = Arc::clone(&door);
            let check = || door.queue.run(move || hashing.users.verify(&credentials, &fingerprint));
            door.checks.share(fingerprint, check).await
        }))
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.users.remembered()
    }

    #[cfg(test)]
    pub(super) fn under_way(&self) -> usize {
        self.checks.under_way()
    }
}
