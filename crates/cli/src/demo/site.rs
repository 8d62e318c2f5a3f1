//! The pages and the files they use, all inside the program.
//!
//! In: file names and fragments of HTML. Out: whole pages, with entity tags and
//! cache rules. Owns the layout and the navigation; never sees users.
//!
//! A file is asked for as `/style.css?v=<hash>`: that address always means the
//! same bytes, so browsers keep them without asking. Any other address of a
//! file or a page is asked again each time, and answered with `304` if nothing
//! changed.

use std::hash::{DefaultHasher, Hasher};
use std::sync::LazyLock;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::problem::Problem;
use super::template::{Value, fill};
use super::{App, entity_tag};

/// One page of the navigation, and the files that only this page needs.
struct Entry {
    path: &'static str,
    label: &'static str,
    files: &'static [&'static str],
}

/// The navigation, in its order. A page that joins the site joins here.
const NAVIGATION: [Entry; 5] = [
    Entry { path: "/", label: "Users", files: &["/users.css", "/users.js"] },
    Entry { path: "/connection", label: "Connection", files: &["/connection.js"] },
    Entry { path: "/workers", label: "Workers", files: &["/workers.css", "/workers.js"] },
    Entry { path: "/account", label: "Account", files: &["/account.css"] },
    Entry { path: "/about", label: "About", files: &["/about.js"] },
];

/// Bytes with everything that is known about them before anybody asks.
struct File {
    path: &'static str,
    content_type: &'static str,
    /// Hexadecimal; the same in each process that runs this program.
    hash: String,
    body: Bytes,
}

static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let css = "text/css; charset=utf-8";
    let javascript = "text/javascript; charset=utf-8";
    let svg = "image/svg+xml";
    vec![
        File::new("/style.css", css, include_str!("site/style.css")),
        File::new("/users.css", css, include_str!("site/users.css")),
        File::new("/users.js", javascript, include_str!("site/users.js")),
        File::new("/user_form.js", javascript, include_str!("site/user_form.js")),
        File::new("/wire.js", javascript, include_str!("site/wire.js")),
        File::new("/about.js", javascript, include_str!("site/about.js")),
        File::new("/connection.js", javascript, include_str!("site/connection.js")),
        File::new("/workers.css", css, include_str!("site/workers.css")),
        File::new("/workers.js", javascript, include_str!("site/workers.js")),
        File::new("/account.css", css, include_str!("site/account.css")),
        File::new("/logo.svg", svg, include_str!("site/logo.svg")),
        File::new("/favicon.ico", svg, include_str!("site/logo.svg")),
    ]
});

/// Pages that are the same for everybody.
static PAGES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let html = "text/html; charset=utf-8";
    vec![
        File::new("/", html, page("/", "Users", include_str!("site/users.html"))),
        File::new("/about", html, page("/about", "About", include_str!("site/about.html"))),
    ]
});

pub(super) fn routes() -> Router<App> {
    let files = FILES.iter().chain(PAGES.iter());
    files.fold(Router::new(), |router, file| {
        let answer = move |uri: Uri, headers: HeaderMap| async move { file.answer(&uri, &headers) };
        router.route(file.path, get(answer))
    })
}

/// A whole page around `main`, which is HTML.
pub(super) fn page(path: &str, title: &str, main: &str) -> String {
    fill(
        include_str!("site/layout.html"),
        &[
            ("title", Value::Text(title)),
            ("logo", Value::Text(&address("/logo.svg"))),
            ("files", Value::Html(&files(path))),
            ("navigation", Value::Html(&navigation(path))),
            ("main", Value::Html(main)),
            ("version", Value::Text(env!("CARGO_PKG_VERSION"))),
        ],
    )
}

/// `problem` for a person: what happened, and where to go from here.
pub(super) fn error_page(problem: &Problem) -> String {
    let code = problem.status.as_u16().to_string();
    let heading = match problem.status {
        StatusCode::NOT_FOUND => "This page has flown",
        StatusCode::METHOD_NOT_ALLOWED => "Not that way",
        status if status.is_server_error() => "Something broke on our side",
        _ => "That did not work",
    };
    let main = fill(
        include_str!("site/error.html"),
        &[
            ("code", Value::Text(&code)),
            ("reason", Value::Text(problem.status.canonical_reason().unwrap_or("Error"))),
            ("heading", Value::Text(heading)),
            ("detail", Value::Text(&problem.detail)),
        ],
    );
    page("", heading, &main)
}

fn navigation(path: &str) -> String {
    let link = |entry: &Entry| {
        let current = if entry.path == path { " aria-current=\"page\"" } else { "" };
        format!("<li><a href=\"{}\"{current}>{}</a></li>", entry.path, entry.label)
    };
    NAVIGATION.iter().map(link).collect()
}

/// Style sheets and scripts: what all pages share, then what this one needs.
fn files(path: &str) -> String {
    let own = NAVIGATION.iter().find(|entry| entry.path == path).map_or(&[][..], |entry| entry.files);
    let element = |file: &&str| match address(file) {
        address if file.ends_with(".css") => format!("<link rel=\"stylesheet\" href=\"{address}\">\n"),
        address => format!("<script type=\"module\" src=\"{address}\"></script>\n"),
    };
    ["/style.css"].iter().chain(own).map(element).collect()
}

/// The address of a file that browsers may keep forever.
fn address(path: &str) -> String {
    let file = FILES.iter().find(|file| file.path == path);
    file.map_or_else(|| path.to_owned(), |file| format!("{path}?v={}", file.hash))
}

impl File {
    fn new(path: &'static str, content_type: &'static str, content: impl Into<String>) -> Self {
        let body = Bytes::from(content.into());
        let mut hasher = DefaultHasher::new();
        hasher.write(&body);
        Self { path, content_type, hash: format!("{:016x}", hasher.finish()), body }
    }

    fn answer(&self, uri: &Uri, headers: &HeaderMap) -> Response {
        let current = uri.query().and_then(|query| query.strip_prefix("v=")) == Some(&self.hash);
        let cache = if current { "public, max-age=31536000, immutable" } else { "no-cache" };
        let known = [(header::ETAG, format!("\"{}\"", self.hash)), (header::CACHE_CONTROL, cache.to_owned())];
        if entity_tag::client_has(headers, &self.hash) {
            return (StatusCode::NOT_MODIFIED, known).into_response();
        }
        (known, [(header::CONTENT_TYPE, self.content_type)], self.body.clone()).into_response()
    }
}
