//! [`Users`]: who may pass, the check of a password, and the memory of those that were right.
//!
//! In: credentials from a client. Out: whether they are right; at once if they
//! were before, else for the time that bcrypt takes. Owns the rule that a
//! refusal takes the same time for every name. Knows no requests and no threads.

use std::collections::HashMap;
use std::sync::OnceLock;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;

use super::credential::{Credential, LOWEST_COST};
use crate::authorization::BasicCredentials;

/// Stands for a name and a password: HMAC-SHA-256 under a key that only this process has.
pub(super) type Fingerprint = [u8; 32];

pub(super) struct Users {
    by_name: HashMap<Box<[u8]>, User>,
    /// The highest cost of any user: every refusal takes as long as this.
    highest_cost: u32,
    key: hmac::Key,
}

struct User {
    hash: String,
    cost: u32,
    /// Of the one password that is right. A hash has no second one: see
    /// [`Users::is_hashable`].
    remembered: OnceLock<Fingerprint>,
}

impl Users {
    pub(super) fn new(credentials: impl IntoIterator<Item = Credential>) -> Self {
        let by_name: HashMap<Box<[u8]>, User> = credentials
            .into_iter()
            .map(|credential| {
                let (hash, cost) = (credential.hash().to_owned(), credential.cost());
                let user = User { hash, cost, remembered: OnceLock::new() };
                (credential.name().as_bytes().into(), user)
            })
            .collect();
        let highest_cost = by_name.values().map(|user| user.cost).max().unwrap_or(LOWEST_COST);
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .expect("the system gives random numbers");
        Self { by_name, highest_cost, key }
    }

    /// Whether bcrypt reads all of the password. It ends at a NUL and after 72
    /// bytes: two passwords that differ later would be the same one.
    pub(super) fn is_hashable(credentials: &BasicCredentials) -> bool {
        let password = credentials.password();
        password.len() <= super::credential::LONGEST_PASSWORD && !password.contains(&0)
    }

    pub(super) fn fingerprint(&self, credentials: &BasicCredentials) -> Fingerprint {
        let mut context = hmac::Context::with_key(&self.key);
        // The colon cannot be part of the name, so that it ends the name here too.
        context.update(credentials.name());
        context.update(b":");
        context.update(credentials.password());
        let mut fingerprint = Fingerprint::default();
        fingerprint.copy_from_slice(context.sign().as_ref());
        fingerprint
    }

    /// Whether these credentials were right before. Takes a microsecond.
    pub(super) fn remembers(&self, credentials: &BasicCredentials, fingerprint: &Fingerprint) -> bool {
        let remembered = self.by_name.get(credentials.name()).and_then(|user| user.remembered.get());
        remembered.is_some_and(|known| verify_slices_are_equal(known, fingerprint).is_ok())
    }

    /// Whether these credentials are right; if so, they are remembered. Takes
    /// long, and for every refusal equally long.
    pub(super) fn verify(&self, credentials: &BasicCredentials, fingerprint: &Fingerprint) -> bool {
        // Another request may have asked the same while this one waited.
        if self.remembers(credentials, fingerprint) {
            return true;
        }
        let user = self.by_name.get(credentials.name());
        if let Some(user) = user
            && is_hash_of(credentials.password(), &user.hash)
        {
            let _ = user.remembered.set(*fingerprint);
            return true;
        }
        for cost in self.further_costs(user.map(|user| user.cost)) {
            is_hash_of(credentials.password(), &nobodys_hash(cost));
        }
        false
    }

    /// What must be hashed, after the hash of a user's own cost was, until a
    /// refusal has taken as long as any other: 2ⁿ + 2ⁿ + 2ⁿ⁺¹ + … + 2ᵐ⁻¹ is 2ᵐ.
    fn further_costs(&self, cost: Option<u32>) -> std::ops::Range<u32> {
        match cost {
            Some(cost) => cost..self.highest_cost,
            None => self.highest_cost..self.highest_cost + 1,
        }
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.by_name.values().filter(|user| user.remembered.get().is_some()).count()
    }
}

/// Compared in constant time by bcrypt. A hash that was read before is sound.
fn is_hash_of(password: &[u8], hash: &str) -> bool {
    bcrypt::verify(password, hash).unwrap_or(false)
}

/// A hash of this cost that is nobody's: salt and result are zeros.
fn nobodys_hash(cost: u32) -> String {
    format!("$2b${cost:02}${:.<53}", "")
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::authorization::Reading;

    fn users(lines: &[(&str, u32)]) -> Users {
        Users::new(lines.iter().map(|(name, cost)| {
            let hash = Credential::hash_password("right", *cost).unwrap();
            format!("{name}:{hash}").parse().unwrap()
        }))
    }

    fn sent(text: &str) -> BasicCredentials {
        use base64::Engine as _;
        let value = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
        BasicCredentials::read(value.as_bytes(), Reading::Strict).unwrap()
    }

    #[test]
    fn every_refusal_hashes_as_much_as_any_other() {
        let users = users(&[("a", 4), ("b", 5), ("c", 7)]);
        for cost in [None, Some(4), Some(5), Some(7)] {
            let own = cost.map_or(0, |cost: u32| 1 << cost);
            let work: u32 = own + users.further_costs(cost).map(|cost| 1 << cost).sum::<u32>();
            assert_eq!(work, 1 << 7, "{cost:?}");
        }
    }

    #[test]
    fn nobodys_hash_takes_its_time_and_has_no_password() {
        for cost in [4, 16] {
            assert_eq!(nobodys_hash(cost).parse::<bcrypt::HashParts>().unwrap().get_cost(), cost);
        }
        assert!(!is_hash_of(b"", &nobodys_hash(4)));
    }

    #[test]
    fn an_unknown_name_takes_as_long_as_a_wrong_password() {
        let users = users(&[("known", 7), ("cheap", 4)]);
        let fastest = |text: &str| {
            let credentials = sent(text);
            let fingerprint = users.fingerprint(&credentials);
            let time = |_| {
                let began = Instant::now();
                assert!(!black_box(users.verify(&credentials, &fingerprint)));
                began.elapsed()
            };
            (0..5).map(time).min().unwrap_or(Duration::ZERO)
        };
        let wrong = fastest("known:wrong");
        for text in ["unknown:wrong", "unknown:right", "cheap:wrong", "\u{ff}:"] {
            let time = fastest(text);
            // Without its hash it would be a thousand times faster.
            assert!(time * 3 > wrong && wrong * 3 > time, "{text}: {time:?}, not {wrong:?}");
        }
    }

    #[test]
    fn a_fingerprint_belongs_to_one_name_one_password_and_one_process() {
        let (here, there) = (users(&[]), users(&[]));
        let all = ["a:b", "ab:", ":ab", "a:b:", "a::b", "A:b"];
        let found: Vec<Fingerprint> = all.iter().map(|text| here.fingerprint(&sent(text))).collect();
        for (place, fingerprint) in found.iter().enumerate() {
            assert!(!found[place + 1..].contains(fingerprint), "{}", all[place]);
            assert_eq!(*fingerprint, here.fingerprint(&sent(all[place])));
            assert_ne!(*fingerprint, there.fingerprint(&sent(all[place])));
        }
    }

    #[test]
    fn the_right_password_is_remembered_and_no_wrong_one() {
        let users = users(&[("a", 4), ("b", 4)]);
        for text in ["a:wrong", "c:right", "a:", ":right"] {
            let credentials = sent(text);
            let fingerprint = users.fingerprint(&credentials);
            assert!(!users.verify(&credentials, &fingerprint), "{text}");
            assert!(!users.remembers(&credentials, &fingerprint), "{text}");
        }
        assert_eq!(users.remembered(), 0);
        let right = sent("a:right");
        let fingerprint = users.fingerprint(&right);
        assert!(!users.remembers(&right, &fingerprint));
        assert!(users.verify(&right, &fingerprint));
        assert!(users.remembers(&right, &fingerprint));
        assert!(!users.remembers(&sent("b:right"), &fingerprint), "another's memory");
        assert_eq!(users.remembered(), 1);
    }
}
