//! [`Secrets`]: a ring of keys. It signs values in Node's form, and verifies them.
//!
//! In: secrets and values. Out: signed values, and what was signed. Owns the order of the keys: the first
//! signs and seals, all verify and open. Sealing is next door.
//!
//! The form is that of the npm package `cookie-signature`: the value, a dot, and HMAC-SHA256 of the value
//! under the secret in base64 without padding.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::{Error, SecretsFault, sealed};

/// A ring of secrets: the first signs and seals, all of them verify and open.
///
/// To replace a secret, put the new one first and keep the old one until what it signed has expired. Cloning
/// is cheap. Use at least 32 random bytes for each; the length is not checked, for Node does not either.
///
/// ```
/// use narae_cookie::Secrets;
///
/// # fn main() -> Result<(), narae_cookie::Error> {
/// let before = Secrets::new(["old"])?;
/// let after = Secrets::new(["new", "old"])?;
/// let signed = before.sign("ada");
/// assert_eq!(after.verify(&signed).map(|found| (found.value, found.secret)), Some(("ada", 1)));
/// assert_eq!(before.verify(&after.sign("ada")), None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Secrets {
    keys: Arc<[Keys]>,
}

/// What is derived from one secret, once.
struct Keys {
    signing: hmac::Key,
    sealing: LessSafeKey,
}

/// A value whose signature is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified<'v> {
    /// What was signed.
    pub value: &'v str,
    /// The place of the secret in the ring: 0 is the newest; others are to be replaced.
    pub secret: usize,
}

impl Secrets {
    /// A ring of these secrets, texts or bytes; the newest first.
    ///
    /// # Errors
    ///
    /// [`SecretsFault`] when there is none, or an empty one: everybody knows that.
    pub fn new<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = S>) -> Result<Self, Error> {
        let keys = secrets
            .into_iter()
            .enumerate()
            .map(|(index, secret)| match secret.as_ref() {
                [] => Err(Error::from(SecretsFault::Empty(index))),
                secret => Ok(Keys {
                    signing: hmac::Key::new(hmac::HMAC_SHA256, secret),
                    sealing: sealed::derive_key(secret),
                }),
            })
            .collect::<Result<Arc<[Keys]>, Error>>()?;
        if keys.is_empty() {
            return Err(SecretsFault::None.into());
        }
        Ok(Self { keys })
    }

    /// `value`, a dot, and its signature under the first secret.
    #[must_use]
    pub fn sign(&self, value: &str) -> String {
        self.sign_after("", value)
    }

    /// What [`sign`](Self::sign) or Node's `cookie-signature` signed, if the signature is right under one of
    /// the secrets. The value ends at the last dot. Signatures are compared in constant time.
    #[must_use]
    pub fn verify<'v>(&self, signed: &'v str) -> Option<Verified<'v>> {
        let (value, signature) = signed.rsplit_once('.')?;
        if signature.len() != SIGNATURE {
            return None;
        }
        let secret = self
            .keys
            .iter()
            .position(|keys| verify_slices_are_equal(&keys.signature(value), signature.as_bytes()).is_ok())?;
        Some(Verified { value, secret })
    }

    /// The value of a signed cookie, as Express writes it: `s:` and the signed value, before
    /// percent-encoding.
    #[must_use]
    pub fn sign_cookie(&self, value: &str) -> String {
        self.sign_after("s:", value)
    }

    /// What was signed in `text`, the decoded value of a cookie. `None` when it does not begin with `s:`, or
    /// the signature is wrong.
    #[must_use]
    pub fn verify_cookie<'v>(&self, text: &'v str) -> Option<Verified<'v>> {
        self.verify(text.strip_prefix("s:")?)
    }

    /// `plain` encrypted and authenticated, as text of `A–Z a–z 0–9 - _`, which needs no percent-encoding.
    ///
    /// `context` says what the value is for, such as the cookie's name: the same is needed to open it, so
    /// that no value is moved to another cookie. A value sealed twice gives two texts; both can be opened. A
    /// text of `n` bytes becomes one of `(n + 29) × 4/3`.
    ///
    /// AES-256-GCM-SIV (RFC 8452) with a random nonce and a key derived from the first secret by
    /// HKDF-SHA256.
    #[must_use]
    pub fn seal(&self, context: &str, plain: &[u8]) -> String {
        sealed::seal(&self.keys[0].sealing, context, plain)
    }

    /// What was sealed under one of the secrets for this `context`. `None` when it was not, or was changed.
    #[must_use]
    pub fn open(&self, context: &str, sealed: &str) -> Option<sealed::Opened> {
        sealed::open(self.keys.iter().map(|keys| &keys.sealing), context, sealed)
    }

    fn sign_after(&self, prefix: &str, value: &str) -> String {
        let mut signed = String::with_capacity(prefix.len() + value.len() + 1 + SIGNATURE);
        signed.push_str(prefix);
        signed.push_str(value);
        signed.push('.');
        // Base64 is ASCII.
        signed.extend(self.keys[0].signature(value).map(char::from));
        signed
    }
}

impl Keys {
    /// The signature of `value`, on the stack.
    fn signature(&self, value: &str) -> [u8; SIGNATURE] {
        let tag = hmac::sign(&self.signing, value.as_bytes());
        let mut text = [0; SIGNATURE];
        // 32 bytes become 43 characters, so it fits; were it ever not to, the tail would stay zero, which no
        // base64 text is equal to.
        let written = STANDARD_NO_PAD.encode_slice(tag.as_ref(), &mut text);
        debug_assert_eq!(written.ok(), Some(SIGNATURE), "32 bytes are 43 characters");
        text
    }
}

/// Prints how many secrets there are, and none of them.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} in the ring)", self.keys.len())
    }
}

/// The length of 32 bytes in base64 without padding.
const SIGNATURE: usize = 43;
