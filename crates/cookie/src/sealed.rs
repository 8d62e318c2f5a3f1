//! Sealed values: encrypted and authenticated (AES-256-GCM-SIV, RFC 8452).
//!
//! In: a key, a context, plain bytes. Out: base64url text, and back. Owns the format; never sees the ring's
//! order or cookies.
//!
//! The format, before base64url without padding: the version (one byte, 1), the nonce (12 random bytes), the
//! ciphertext, the tag (16 bytes). Authenticated beside it: version and context. SIV, since the workers of a
//! cluster draw nonces independently for years: should two be equal, plain GCM would give its key away, and
//! SIV tells only whether the two texts are equal.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What a sealed value held.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// What was sealed.
    pub plain: Vec<u8>,
    /// The place of the secret in the ring: 0 is the newest; others are to be replaced.
    pub secret: usize,
}

/// Prints no plain bytes: they were encrypted for a reason.
impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opened({} bytes, secret {})", self.plain.len(), self.secret)
    }
}

/// The key for sealing that belongs to `secret`. It says nothing about the key for signing.
pub(crate) fn derive_key(secret: &[u8]) -> LessSafeKey {
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(secret);
    let expanded = extracted.expand(&[KEY_LABEL], &AES_256_GCM_SIV);
    LessSafeKey::new(UnboundKey::from(expanded.expect("32 bytes are fewer than HKDF-SHA256's 8160")))
}

pub(crate) fn seal(key: &LessSafeKey, context: &str, plain: &[u8]) -> String {
    let mut sealed = Vec::with_capacity(OVERHEAD + plain.len());
    let mut nonce = [0; NONCE];
    rand::fill(&mut nonce).expect("the system's random source works, or TLS did not start either");
    sealed.push(VERSION);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plain);
    let tag = key
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            authenticated(context),
            &mut sealed[1 + NONCE..],
        )
        .expect("a value that fits in memory is shorter than the cipher's 64 GiB");
    sealed.extend_from_slice(tag.as_ref());
    URL_SAFE_NO_PAD.encode(sealed)
}

pub(crate) fn open<'k>(
    keys: impl Iterator<Item = &'k LessSafeKey>,
    context: &str,
    sealed: &str,
) -> Option<Opened> {
    // Before any memory is taken: base64url of the version begins with "A".
    if !sealed.starts_with('A') || sealed.len() < OVERHEAD {
        return None;
    }
    let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
    let (version, rest) = sealed.split_first()?;
    let (nonce, rest) = rest.split_first_chunk::<NONCE>()?;
    let (ciphertext, tag) = rest.split_last_chunk::<TAG>()?;
    if *version != VERSION {
        return None;
    }
    let mut plain = vec![0; ciphertext.len()];
    for (secret, key) in keys.enumerate() {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        if key.open_separate_gather(nonce, authenticated(context), ciphertext, tag, &mut plain).is_ok() {
            return Some(Opened { plain, secret });
        }
    }
    None
}

/// What is authenticated beside the ciphertext: the format and what the value is for.
fn authenticated(context: &str) -> Aad<Vec<u8>> {
    let mut text = Vec::with_capacity(1 + context.len());
    text.push(VERSION);
    text.extend_from_slice(context.as_bytes());
    Aad::from(text)
}

const SALT: &[u8] = b"narae cookie";
const KEY_LABEL: &[u8] = b"seal, version 1, AES-256-GCM-SIV";
const VERSION: u8 = 1;
const NONCE: usize = 12;
const TAG: usize = 16;
/// What sealing adds, before base64url.
const OVERHEAD: usize = 1 + NONCE + TAG;
