//! [`CredentialError`]: why a user's name, hash or password cannot be used.
//!
//! In: what `credential` refuses. Out: text that says what to do. A hash, and
//! what may be a password, is never part of it. What a client sends never comes
//! here: that is answered by `answer`.

use std::fmt;

use super::credential::{HIGHEST_COST, LONGEST_PASSWORD, LOWEST_COST};

/// Why a [`Credential`](super::Credential) was not made, grouped by what must
/// be changed. No text of it holds a hash or a password.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialError {
    /// The text is not `name:hash`. It is not repeated here: it may be a secret.
    NoColon,
    /// The name. Choose another.
    Name(NameFault),
    /// What follows the name `name`. Make a hash of the password.
    Hash {
        /// The user.
        name: String,
        /// What is wrong with the hash.
        fault: HashFault,
    },
    /// The password. Choose another.
    Password(PasswordFault),
    /// A cost for a new hash that is not in the range 4 to 16. Choose another.
    Cost(u32),
}

/// What a name may not be, because no client can send it (RFC 7617 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameFault {
    /// Nothing is before the colon.
    Empty,
    /// The name has a colon.
    Colon(String),
    /// The name has a control character.
    Control(String),
}

/// What stands in the place of a hash that can be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HashFault {
    /// Nothing.
    Missing,
    /// Text that no program for password hashes writes: most likely the password.
    PlainText,
    /// Apache's own MD5, `$apr1$`: what `htpasswd` makes without `-B`.
    Apr1,
    /// SHA-1 in base64, `{SHA}`: what `htpasswd -s` makes.
    Sha1,
    /// A hash of crypt(3): `htpasswd -d`, `/etc/shadow`.
    Crypt,
    /// A hash of another kind; its name, as it stands between the dollar signs.
    Other(String),
    /// bcrypt of a kind that was given up for its faults, `$2$` or `$2x$`.
    FaultyBcrypt,
    /// bcrypt, but not as it was written; its length, which should be 60 characters.
    Damaged(usize),
    /// bcrypt with a cost below 4 or above 16: no bcrypt, or seconds for each check.
    Cost(u32),
}

/// Why a password cannot be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordFault {
    /// It is empty.
    Empty,
    /// bcrypt reads 72 bytes and ignores the rest; the password's length in bytes.
    TooLong(usize),
    /// It has a control character, which no client may send (RFC 7617 §2).
    Control,
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoColon => write!(f, "a user is written as \"name:hash\", and here is no colon: {HINT}"),
            Self::Name(fault) => fault.fmt(f),
            Self::Hash { name, fault } => write!(f, "user {name:?}: {fault}: {HINT}"),
            Self::Password(fault) => fault.fmt(f),
            Self::Cost(cost) => {
                write!(f, "a bcrypt cost of {cost} cannot be used: choose {LOWEST_COST} to {HIGHEST_COST}")
            }
        }
    }
}

impl std::error::Error for CredentialError {}

impl fmt::Display for NameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the name of a user is empty: write \"name:hash\""),
            Self::Colon(name) => write!(
                f,
                "the user name {name:?} has a colon, after which a client sends the password: choose another \
                 (RFC 7617 §2)"
            ),
            Self::Control(name) => write!(
                f,
                "the user name {name:?} has a control character, which no client may send: choose another \
                 (RFC 7617 §2)"
            ),
        }
    }
}

impl fmt::Display for HashFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("nothing is after the colon"),
            Self::PlainText => write!(f, "what is after the colon is no password hash{QUOTES}"),
            Self::Apr1 => f.write_str("the hash is $apr1$ (MD5), which is guessed too fast"),
            Self::Sha1 => f.write_str("the hash is {SHA} (SHA-1), which is guessed too fast"),
            Self::Crypt => f.write_str("the hash is one of crypt(3), not of bcrypt"),
            Self::Other(kind) => write!(f, "the hash is ${kind}$, not bcrypt ($2y$, $2b$ or $2a$)"),
            Self::FaultyBcrypt => {
                f.write_str("the hash is of a kind of bcrypt that had faults, not $2y$, $2b$ or $2a$")
            }
            Self::Damaged(length) => write!(
                f,
                "the bcrypt hash is damaged: it has {length} characters, and should have 60 of \
                 ./A-Za-z0-9 and dollar signs{QUOTES}"
            ),
            Self::Cost(cost @ ..LOWEST_COST) => {
                write!(f, "the bcrypt hash has the cost {cost}, and bcrypt begins at {LOWEST_COST}")
            }
            Self::Cost(cost) => write!(
                f,
                "the bcrypt hash has the cost {cost}, above {HIGHEST_COST}: to check a password would take \
                 seconds to days"
            ),
        }
    }
}

impl fmt::Display for PasswordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the password is empty: choose one"),
            Self::TooLong(length) => write!(
                f,
                "the password has {length} bytes, and bcrypt reads {LONGEST_PASSWORD}: choose a shorter one"
            ),
            Self::Control => f.write_str(
                "the password has a control character, which no client may send: choose another (RFC 7617 §2)",
            ),
        }
    }
}

impl From<NameFault> for CredentialError {
    fn from(fault: NameFault) -> Self {
        Self::Name(fault)
    }
}

impl From<PasswordFault> for CredentialError {
    fn from(fault: PasswordFault) -> Self {
        Self::Password(fault)
    }
}

const HINT: &str = "make a line with `narae hash-password NAME` or `htpasswd -nB NAME`";

/// In double quotes a shell replaces `$2y` by nothing, without a word.
const QUOTES: &str = " (in a shell, write it in single quotes: it has dollar signs)";
