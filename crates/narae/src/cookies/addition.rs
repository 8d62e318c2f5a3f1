//! [`IntoSetCookie`]: what `add` of the extractors takes.
//!
//! In: a cookie, a pair of texts. Out: a cookie with its attributes. Owns the attributes of a pair.

use narae_cookie::{Error, SameSite, SetCookie};

/// What can be added: a [`SetCookie`], the `Result` of making one, or a pair of name and value.
///
/// A pair gets safe attributes: `Path=/`, `HttpOnly` and `SameSite=Lax`, and `Secure` if the name begins with
/// `__Host-` or `__Secure-`. It is a session cookie: browsers forget it when they close. A [`SetCookie`] is
/// taken as it is.
pub trait IntoSetCookie {
    /// The cookie to be set.
    ///
    /// # Errors
    ///
    /// Those of [`SetCookie::new`].
    fn into_set_cookie(self) -> Result<SetCookie, Error>;
}

impl IntoSetCookie for SetCookie {
    fn into_set_cookie(self) -> Result<SetCookie, Error> {
        Ok(self)
    }
}

impl IntoSetCookie for Result<SetCookie, Error> {
    fn into_set_cookie(self) -> Result<SetCookie, Error> {
        self
    }
}

impl<N: AsRef<str>, V: AsRef<str>> IntoSetCookie for (N, V) {
    fn into_set_cookie(self) -> Result<SetCookie, Error> {
        let name = self.0.as_ref();
        let promises_secure = ["__Host-", "__Secure-"]
            .iter()
            .any(|prefix| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)));
        let cookie = SetCookie::new(name, self.1.as_ref())?.path("/")?;
        Ok(cookie.http_only(true).same_site(SameSite::Lax).secure(promises_secure))
    }
}
