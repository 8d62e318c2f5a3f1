//! [`Credential`]: one user and the bcrypt hash of the password, as `htpasswd` writes them.
//!
//! In: `name:hash`, or a new password. Out: a name and a hash that can be
//! checked, or what is wrong with them. Every mistake is found here, before the
//! first request. Compares nothing: that is `users`'.

use std::fmt;
use std::str::FromStr;

use super::error::{CredentialError, HashFault, NameFault, PasswordFault};

/// A user who may pass [`BasicAuth`](super::BasicAuth): a name and the bcrypt hash of the password.
///
/// Parsed from a line of an `htpasswd` file. Spaces and line breaks at its end
/// are no part of it. `Debug` shows the name only.
///
/// ```
/// use narae_layers::Credential;
///
/// // htpasswd -nB alice, or: narae hash-password alice
/// let line = "alice:$2y$10$fW1uSjsEXaV81SORylXPBOFp/lffTz.SFnTSJKPLoFfg61IjvM8ve";
/// let alice: Credential = line.parse()?;
/// assert_eq!(alice.name(), "alice");
/// assert!("alice:secret".parse::<Credential>().is_err());
/// # Ok::<(), narae_layers::CredentialError>(())
/// ```
///
/// # Errors
///
/// Parsing gives [`CredentialError`]: no colon; a name that is empty or has a
/// control character; a hash that is not bcrypt (`$2y$`, `$2b$`, `$2a$`) with a
/// cost from 4 to 16. The older forms of `htpasswd` are refused by name.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    name: String,
    hash: String,
    cost: u32,
}

impl Credential {
    /// The user's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether `name` can be the name of a user.
    ///
    /// # Errors
    ///
    /// [`CredentialError::Name`]: it is empty, has a colon or has a control
    /// character (RFC 7617 §2).
    pub fn check_name(name: &str) -> Result<(), CredentialError> {
        if name.is_empty() {
            return Err(NameFault::Empty.into());
        }
        if name.contains(':') {
            return Err(NameFault::Colon(name.to_owned()).into());
        }
        if name.contains(char::is_control) {
            return Err(NameFault::Control(name.to_owned()).into());
        }
        Ok(())
    }

    /// Hashes `password` with bcrypt and a random salt: `$2b$…`, 60 characters.
    ///
    /// `cost` is the binary logarithm of the work, 4 to 16. Ten is usual, and
    /// takes about a tenth of a second; each step more takes twice the time,
    /// here and for each password that is checked. Do not call this on an event
    /// loop.
    ///
    /// # Errors
    ///
    /// [`CredentialError::Password`]: empty, longer than 72 bytes, or with a
    /// control character. [`CredentialError::Cost`]: not 4 to 16.
    ///
    /// # Panics
    ///
    /// When the system has no random numbers.
    pub fn hash_password(password: &str, cost: u32) -> Result<String, CredentialError> {
        if password.is_empty() {
            return Err(PasswordFault::Empty.into());
        }
        if password.len() > LONGEST_PASSWORD {
            return Err(PasswordFault::TooLong(password.len()).into());
        }
        if password.contains(char::is_control) {
            return Err(PasswordFault::Control.into());
        }
        if !(LOWEST_COST..=HIGHEST_COST).contains(&cost) {
            return Err(CredentialError::Cost(cost));
        }
        Ok(bcrypt::hash(password, cost).expect("the cost is in range, and the system gives random numbers"))
    }

    pub(super) fn hash(&self) -> &str {
        &self.hash
    }

    pub(super) fn cost(&self) -> u32 {
        self.cost
    }
}

impl FromStr for Credential {
    type Err = CredentialError;

    fn from_str(line: &str) -> Result<Self, CredentialError> {
        let (name, hash) = line.split_once(':').ok_or(CredentialError::NoColon)?;
        Self::check_name(name)?;
        let hash = hash.trim_end();
        match cost_of(hash) {
            Ok(cost) => Ok(Self { name: name.to_owned(), hash: hash.to_owned(), cost }),
            Err(fault) => Err(CredentialError::Hash { name: name.to_owned(), fault }),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("name", &self.name)
            .field("cost", &self.cost)
            .finish_non_exhaustive()
    }
}

/// The cost of a bcrypt hash, or what `hash` is instead.
fn cost_of(hash: &str) -> Result<u32, HashFault> {
    if !["$2y$", "$2b$", "$2a$"].iter().any(|kind| hash.starts_with(kind)) {
        return Err(other_kind(hash));
    }
    let parts: bcrypt::HashParts = hash.parse().map_err(|_| HashFault::Damaged(hash.chars().count()))?;
    match parts.get_cost() {
        cost @ LOWEST_COST..=HIGHEST_COST => Ok(cost),
        cost => Err(HashFault::Cost(cost)),
    }
}

fn other_kind(hash: &str) -> HashFault {
    let of_crypt = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
    let kind = hash.strip_prefix('$').and_then(|rest| rest.split_once('$')).map(|(kind, _)| kind);
    match kind {
        _ if hash.is_empty() => HashFault::Missing,
        _ if hash.starts_with("{SHA}") => HashFault::Sha1,
        Some("apr1") => HashFault::Apr1,
        Some("2" | "2x") => HashFault::FaultyBcrypt,
        Some("1" | "5" | "6" | "7" | "y" | "gy" | "md5" | "sha1") => HashFault::Crypt,
        // Not any text between dollar signs: it may be a password, and errors show it.
        Some(kind) if OTHER_KINDS.contains(&kind) => HashFault::Other(kind.to_owned()),
        // DES. A password of 13 letters looks the same.
        None if hash.len() == 13 && hash.bytes().all(of_crypt) => HashFault::Crypt,
        _ => HashFault::PlainText,
    }
}

/// Kinds of hashes that are found beside names, by what stands between their dollar signs.
const OTHER_KINDS: [&str; 7] =
    ["argon2id", "argon2i", "argon2d", "scrypt", "pbkdf2-sha256", "pbkdf2-sha512", "bcrypt-sha256"];

/// The lowest that bcrypt has.
pub(super) const LOWEST_COST: u32 = 4;

/// Seconds for a check. At 20 it is more than a minute, at 31 it is days.
pub(super) const HIGHEST_COST: u32 = 16;

/// In bytes. bcrypt reads no more, so that what follows would not matter.
pub(super) const LONGEST_PASSWORD: usize = 72;
