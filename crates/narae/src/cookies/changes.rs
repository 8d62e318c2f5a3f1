//! What a handler changed: the cookies to be set, one for each name.
//!
//! In: cookies as they will be written, and the values that they stand for. Out: `Set-Cookie` lines. Owns
//! which line wins: the last of its name.

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use narae_cookie::{Cookies as Received, Error, SetCookie};

use crate::HandlerError;

/// Cookies to be set, in the order of their first mention.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    changes: Vec<Change>,
    /// The first cookie that could not be made; it fails the response.
    fault: Option<Error>,
}

#[derive(Clone, Debug)]
struct Change {
    cookie: SetCookie,
    /// What a handler reads from now on; `None` after a removal.
    value: Option<String>,
}

/// What `request` sent.
pub(super) fn received(request: &Parts) -> Received {
    Received::parse(request.headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes))
}

impl Changes {
    /// Sets a cookie; `write` turns it, with its plain value, into what goes out.
    pub(super) fn add(
        &mut self,
        cookie: Result<SetCookie, Error>,
        write: impl FnOnce(SetCookie, &str) -> SetCookie,
    ) {
        match cookie {
            Ok(cookie) => {
                let value = cookie.decoded_value();
                self.put(Change { cookie: write(cookie, &value), value: Some(value) });
            }
            Err(error) => self.fail(error),
        }
    }

    /// Makes the browser forget the cookie `name` of the path `/`.
    pub(super) fn remove(&mut self, name: &str) {
        match SetCookie::removal(name) {
            Ok(cookie) => self.put(Change { cookie, value: None }),
            Err(error) => self.fail(error),
        }
    }

    /// The value that replaces the received one: `None` when there is none, `Some(None)` after a removal.
    pub(super) fn get(&self, name: &str) -> Option<Option<&str>> {
        self.changes.iter().find(|change| change.cookie.name() == name).map(|change| change.value.as_deref())
    }

    /// Names and values that were added.
    pub(super) fn added(&self) -> impl Iterator<Item = (&str, &str)> {
        self.changes.iter().filter_map(|change| Some((change.cookie.name(), change.value.as_deref()?)))
    }

    /// Appends the lines to a response's headers.
    pub(super) fn write(self, headers: &mut HeaderMap) -> Result<(), HandlerError> {
        if let Some(error) = self.fault {
            return Err(error.into());
        }
        let lines: Vec<HeaderValue> = self
            .changes
            .iter()
            .map(|change| Ok(HeaderValue::try_from(change.cookie.to_header()?)?))
            .collect::<Result<_, HandlerError>>()?;
        for line in lines {
            headers.append(SET_COOKIE, line);
        }
        Ok(())
    }

    fn put(&mut self, change: Change) {
        match self.changes.iter_mut().find(|known| known.cookie.name() == change.cookie.name()) {
            Some(known) => *known = change,
            None => self.changes.push(change),
        }
    }

    fn fail(&mut self, error: Error) {
        self.fault.get_or_insert(error);
    }
}

/// Lets an extractor that has `changes` stand in a response.
macro_rules! writes_its_changes {
    ($extractor:ty) => {
        impl axum::response::IntoResponseParts for $extractor {
            type Error = crate::HandlerError;

            fn into_response_parts(
                self,
                mut response: axum::response::ResponseParts,
            ) -> Result<axum::response::ResponseParts, Self::Error> {
                self.changes.write(response.headers_mut())?;
                Ok(response)
            }
        }

        impl axum::response::IntoResponse for $extractor {
            fn into_response(self) -> axum::response::Response {
                (self, ()).into_response()
            }
        }
    };
}

pub(super) use writes_its_changes;
