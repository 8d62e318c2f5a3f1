//! A browser: sends the cookies that it was given.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

#[derive(Clone)]
pub(crate) struct Browser {
    router: Router,
    pub(crate) cookies: BTreeMap<String, String>,
    /// Fields that go with every request.
    pub(crate) fields: Vec<(&'static str, String)>,
    /// The scheme of the connection.
    pub(crate) https: bool,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all(SET_COOKIE).into_iter().map(|value| value.to_str().unwrap()).collect()
    }
}

impl Browser {
    pub(crate) fn new(router: Router) -> Self {
        Self { router, cookies: BTreeMap::new(), fields: Vec::new(), https: false }
    }

    /// A browser without cookies on the same site.
    pub(crate) fn another(&self) -> Self {
        Self { cookies: BTreeMap::new(), ..self.clone() }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        let mut request = Request::get(path);
        if !self.cookies.is_empty() {
            let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(COOKIE, pairs.join("; "));
        }
        for (name, value) in &self.fields {
            request = request.header(*name, value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        if self.https {
            request.extensions_mut().insert(http::uri::Scheme::HTTPS);
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let answer = Answer { status, headers, text: String::from_utf8(bytes.to_vec()).unwrap() };
        for line in answer.set_cookies() {
            self.take(line);
        }
        answer
    }

    fn take(&mut self, line: &str) {
        let pair = line.split(';').next().unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        if line.contains("Max-Age=0") || line.contains("01 Jan 1970") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}
