//! What can be wrong with a cookie that is to be written, and who can put it right.
//!
//! Cookies that are read have no errors: a peer's bytes are never one. No message holds a value of a cookie
//! or a secret.

use std::fmt;

/// Why a cookie was not written or a ring of secrets not made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A text that no cookie can carry. Choose another text, or encode it.
    Invalid(Invalid),
    /// A cookie that every browser throws away. Change its attributes.
    Dropped(Dropped),
    /// A ring that cannot sign. Correct the application's configuration.
    Secrets(SecretsFault),
    /// A value that does not become JSON; the text is the serializer's.
    Json(String),
}

/// The part of a cookie that breaks its grammar (RFC 6265 §4.1.1, as Node's `cookie` 0.7.2 checks it).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalid {
    /// The name is not a token.
    Name(String),
    /// The raw value of the cookie `name` has a character that needs encoding.
    Value {
        /// The cookie.
        name: String,
        /// The first character that is not allowed.
        character: char,
        /// Its place, in bytes from the beginning of the value.
        at: usize,
    },
    /// The domain is not a list of labels.
    Domain(String),
    /// The path has a character that is not allowed.
    Path(String),
}

/// The rule by which browsers throw the cookie away (RFC 6265bis §5.7).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dropped {
    /// The name begins with `__Secure-` and the cookie is not Secure.
    SecurePrefix(String),
    /// The name begins with `__Host-`, and the cookie is not Secure, has a Domain, or its Path is not `/`.
    HostPrefix(String),
    /// SameSite=None without Secure.
    SameSiteNone(String),
    /// Partitioned without Secure.
    Partitioned(String),
    /// Name and value together are longer than 4096 bytes; the number is their length.
    TooLong(String, usize),
    /// Expires is not in the years 1601 to 9999.
    Expires(String),
}

/// What is wrong with a list of secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretsFault {
    /// The list is empty.
    None,
    /// The secret at this place, counted from 0, is empty.
    Empty(usize),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(fault) => fault.fmt(f),
            Self::Dropped(fault) => fault.fmt(f),
            Self::Secrets(fault) => fault.fmt(f),
            Self::Json(message) => write!(f, "the value does not become JSON: {message}"),
        }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(
                f,
                "cookie name {name:?} is not a token: letters, digits and !#$%&'*+-.^_`|~ (RFC 6265 §4.1.1)"
            ),
            Self::Value { name, character, at } => write!(
                f,
                "raw value of cookie {name:?} has {character:?} at byte {at}, which must be encoded (RFC 6265 \
                 §4.1.1)"
            ),
            Self::Domain(domain) => write!(
                f,
                "domain {domain:?} of a cookie is not labels of letters, digits and inner hyphens, 63 at most \
                 (RFC 1034 §3.5)"
            ),
            Self::Path(path) => write!(
                f,
                "path {path:?} of a cookie has a character that is not printable ASCII, or ';' or '<' \
                 (RFC 6265 §4.1.1)"
            ),
        }
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("browsers drop ")?;
        match self {
            Self::SecurePrefix(name) => write!(f, "cookie {name:?}: __Secure- needs Secure"),
            Self::HostPrefix(name) => {
                write!(f, "cookie {name:?}: __Host- needs Secure, Path=/ and no Domain")
            }
            Self::SameSiteNone(name) => write!(f, "cookie {name:?}: SameSite=None needs Secure"),
            Self::Partitioned(name) => write!(f, "cookie {name:?}: Partitioned needs Secure"),
            Self::TooLong(name, length) => {
                write!(f, "cookie {name:?}: name and value have {length} bytes, more than 4096")
            }
            Self::Expires(name) => write!(f, "Expires of cookie {name:?}: not in the years 1601 to 9999"),
        }?;
        f.write_str(" (RFC 6265bis §5)")
    }
}

impl fmt::Display for SecretsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no secret: the first one signs, so at least one is needed"),
            Self::Empty(index) => write!(f, "secret {index} (counted from 0) is empty"),
        }
    }
}

impl From<Invalid> for Error {
    fn from(fault: Invalid) -> Self {
        Self::Invalid(fault)
    }
}

impl From<Dropped> for Error {
    fn from(fault: Dropped) -> Self {
        Self::Dropped(fault)
    }
}

impl From<SecretsFault> for Error {
    fn from(fault: SecretsFault) -> Self {
        Self::Secrets(fault)
    }
}
