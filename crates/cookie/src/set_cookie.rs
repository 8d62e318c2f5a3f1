//! [`SetCookie`]: one `Set-Cookie` line, its attributes in Node's order.
//!
//! In: names, values, attributes. Out: the text of the header. Owns what browsers accept; the grammar of the
//! parts is next door. Never sees a clock: a time to expire at is given.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::date::Date;
use crate::{Dropped, Error, Invalid, component, grammar};

/// A cookie to be set: name, value, attributes.
///
/// Every part is checked when it is given, so no text of a caller ends the line or begins an attribute.
/// Whether browsers would keep the cookie is checked by [`to_header`](Self::to_header). A cookie is a
/// *session cookie* unless [`max_age`](Self::max_age) or [`expires`](Self::expires) is set: browsers forget
/// it when they close. No attribute is set by default.
///
/// ```
/// use std::time::Duration;
/// use narae_cookie::{SameSite, SetCookie};
///
/// # fn main() -> Result<(), narae_cookie::Error> {
/// let cookie = SetCookie::new("theme", "dark & plain")?
///     .max_age(Duration::from_secs(3600))
///     .path("/")?
///     .secure(true)
///     .same_site(SameSite::Lax);
/// assert_eq!(cookie.to_header()?, "theme=dark%20%26%20plain; Max-Age=3600; Path=/; Secure; SameSite=Lax");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SetCookie {
    name: String,
    value: String,
    max_age: Option<Duration>,
    domain: String,
    path: String,
    expires: Option<SystemTime>,
    http_only: bool,
    secure: bool,
    partitioned: bool,
    priority: Option<Priority>,
    same_site: Option<SameSite>,
}

/// To which requests of other sites a browser adds the cookie (RFC 6265bis §5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// None, not even when a link of another site leads here.
    Strict,
    /// Those by which a user arrives here: links, but no forms that post and no images.
    Lax,
    /// All. Browsers drop such a cookie unless it is [`Secure`](SetCookie::secure).
    None,
}

/// Which cookies Chromium evicts first when a site has too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// The first.
    Low,
    /// As without the attribute.
    Medium,
    /// The last.
    High,
}

impl SetCookie {
    /// A cookie whose value is any text: it is written percent-encoded, as `encodeURIComponent` does, and
    /// both [`find`](crate::find) and Node decode it.
    ///
    /// # Errors
    ///
    /// [`Invalid::Name`] when the name is not a token.
    pub fn new(name: &str, value: &str) -> Result<Self, Error> {
        Self::checked(name, component::encode(value))
    }

    /// A cookie whose value is written as it is.
    ///
    /// # Errors
    ///
    /// [`Invalid::Name`] when the name is not a token; [`Invalid::Value`] when the value has a space, a
    /// comma, a semicolon, a backslash, a quote (but for one pair around it), a control character or a
    /// character beyond ASCII.
    pub fn raw(name: &str, value: &str) -> Result<Self, Error> {
        match grammar::fault_in_value(value) {
            Some((at, character)) => Err(Invalid::Value { name: name.to_owned(), character, at }.into()),
            None => Self::checked(name, value.to_owned()),
        }
    }

    /// What makes browsers forget the cookie `name`, as Express's `clearCookie`: an empty value that expired
    /// in 1970, with `Path=/`. Give it the Domain and Path that the cookie was set with: to browsers, others
    /// are other cookies. Secure is set when the name's prefix demands it.
    ///
    /// # Errors
    ///
    /// [`Invalid::Name`] when the name is not a token.
    pub fn removal(name: &str) -> Result<Self, Error> {
        let cookie = Self::checked(name, String::new())?.path("/")?.expires(UNIX_EPOCH);
        let secure = has_prefix(name, HOST_PREFIX) || has_prefix(name, SECURE_PREFIX);
        Ok(cookie.secure(secure))
    }

    fn checked(name: &str, value: String) -> Result<Self, Error> {
        if !grammar::is_name(name) {
            return Err(Invalid::Name(name.to_owned()).into());
        }
        Ok(Self {
            name: name.to_owned(),
            value,
            max_age: None,
            domain: String::new(),
            path: String::new(),
            expires: None,
            http_only: false,
            secure: false,
            partitioned: false,
            priority: None,
            same_site: None,
        })
    }

    /// The cookie's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value as it is written: percent-encoded, if it was made by [`new`](Self::new).
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The same cookie with another value, percent-encoded.
    #[must_use]
    pub fn with_value(mut self, value: &str) -> Self {
        self.value = component::encode(value);
        self
    }

    /// The value decoded, as [`find`](crate::find) will read it.
    #[must_use]
    pub fn decoded_value(&self) -> String {
        let line = format!("v={}", self.value);
        crate::find([line.as_bytes()], "v").unwrap_or_default().into_owned()
    }

    /// How long browsers keep the cookie, in whole seconds, rounded down; less than one forgets it at once.
    /// It wins over [`expires`](Self::expires); both are written when both are set.
    ///
    /// Default: not written. Browsers keep no cookie longer than 400 days.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// When browsers forget the cookie, by their own clock, in whole seconds, rounded down.
    ///
    /// Default: not written.
    #[must_use]
    pub fn expires(mut self, time: SystemTime) -> Self {
        self.expires = Some(time);
        self
    }

    /// The domain whose hosts get the cookie: this one and all below it. The empty text unsets it.
    ///
    /// Default: not written, and the host that set the cookie alone gets it back.
    ///
    /// # Errors
    ///
    /// [`Invalid::Domain`] when it is not labels of letters, digits and inner hyphens between dots (one dot
    /// may lead): no port, no final dot, nothing beyond ASCII.
    pub fn domain(mut self, domain: &str) -> Result<Self, Error> {
        if !domain.is_empty() && !grammar::is_domain(domain) {
            return Err(Invalid::Domain(domain.to_owned()).into());
        }
        domain.clone_into(&mut self.domain);
        Ok(self)
    }

    /// The path below which requests carry the cookie. The empty text unsets it.
    ///
    /// Default: not written, and browsers take the folder of the request's path.
    ///
    /// # Errors
    ///
    /// [`Invalid::Path`] when it has `;`, `<` or a character that is not printable ASCII.
    pub fn path(mut self, path: &str) -> Result<Self, Error> {
        if !grammar::is_path(path) {
            return Err(Invalid::Path(path.to_owned()).into());
        }
        path.clone_into(&mut self.path);
        Ok(self)
    }

    /// Whether browsers send the cookie over HTTPS only. Default: `false`.
    #[must_use]
    pub fn secure(mut self, on: bool) -> Self {
        self.secure = on;
        self
    }

    /// Whether scripts in the page cannot read the cookie. Default: `false`.
    #[must_use]
    pub fn http_only(mut self, on: bool) -> Self {
        self.http_only = on;
        self
    }

    /// To which requests of other sites browsers add the cookie. Default: not written; most browsers then
    /// take Lax.
    #[must_use]
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = Some(same_site);
        self
    }

    /// Whether the cookie, set in a frame, belongs to the site around the frame as well (CHIPS). Default:
    /// `false`.
    #[must_use]
    pub fn partitioned(mut self, on: bool) -> Self {
        self.partitioned = on;
        self
    }

    /// Which cookies Chromium evicts first. Default: not written, which is [`Priority::Medium`].
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = Some(priority);
        self
    }

    /// The text of the `Set-Cookie` header.
    ///
    /// # Errors
    ///
    /// [`Error::Dropped`] when browsers would throw the cookie away: a prefix `__Secure-` or `__Host-` (in
    /// any case) without what it promises; SameSite=None or Partitioned without Secure; name and value
    /// longer than 4096 bytes together; Expires outside the years 1601 to 9999.
    pub fn to_header(&self) -> Result<String, Error> {
        let name = || self.name.clone();
        let length = self.name.len() + self.value.len();
        if has_prefix(&self.name, SECURE_PREFIX) && !self.secure {
            return Err(Dropped::SecurePrefix(name()).into());
        }
        let host = self.secure && self.path == "/" && self.domain.is_empty();
        if has_prefix(&self.name, HOST_PREFIX) && !host {
            return Err(Dropped::HostPrefix(name()).into());
        }
        if self.same_site == Some(SameSite::None) && !self.secure {
            return Err(Dropped::SameSiteNone(name()).into());
        }
        if self.partitioned && !self.secure {
            return Err(Dropped::Partitioned(name()).into());
        }
        if length > LONGEST {
            return Err(Dropped::TooLong(name(), length).into());
        }
        if self.expires.is_some_and(|time| !(1601..=9999).contains(&Date::new(time).year())) {
            return Err(Dropped::Expires(name()).into());
        }
        Ok(self.to_string())
    }

    /// The way to the text that Node writes, without the checks of what browsers keep.
    #[must_use]
    pub fn dangerous(&self) -> Unchecked<'_> {
        Unchecked(self)
    }
}

/// The text of the `Set-Cookie` header, as [`SetCookie::dangerous`] gives it.
impl fmt::Display for SetCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)?;
        if let Some(age) = self.max_age {
            write!(f, "; Max-Age={}", age.as_secs())?;
        }
        if !self.domain.is_empty() {
            write!(f, "; Domain={}", self.domain)?;
        }
        if !self.path.is_empty() {
            write!(f, "; Path={}", self.path)?;
        }
        if let Some(time) = self.expires {
            write!(f, "; Expires={}", Date::new(time))?;
        }
        for (on, attribute) in
            [(self.http_only, "HttpOnly"), (self.secure, "Secure"), (self.partitioned, "Partitioned")]
        {
            if on {
                write!(f, "; {attribute}")?;
            }
        }
        if let Some(priority) = self.priority {
            write!(f, "; Priority={priority:?}")?;
        }
        if let Some(same_site) = self.same_site {
            write!(f, "; SameSite={same_site:?}")?;
        }
        Ok(())
    }
}

/// Prints name and attributes, never the value: it may be a secret.
impl fmt::Debug for SetCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.to_string();
        let attributes = line.get(self.name.len() + 1 + self.value.len()..).unwrap_or_default();
        write!(f, "SetCookie({}=…{attributes})", self.name)
    }
}

/// What Node writes, whether or not browsers keep it. Made by [`SetCookie::dangerous`].
#[derive(Clone, Copy, Debug)]
pub struct Unchecked<'a>(&'a SetCookie);

impl Unchecked<'_> {
    /// The text of the `Set-Cookie` header. The grammar holds; what browsers keep was not asked.
    #[must_use]
    pub fn to_header(self) -> String {
        self.0.to_string()
    }
}

/// Browsers compare prefixes without regard to case (RFC 6265bis §5.4).
fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

const HOST_PREFIX: &str = "__Host-";
const SECURE_PREFIX: &str = "__Secure-";

/// The most bytes of name and value that browsers keep (RFC 6265bis §5.7).
const LONGEST: usize = 4096;
