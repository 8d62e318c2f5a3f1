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

/// The navigation: path, label, and the script of that page. A page that is
/// added to the site is added here.
const NAVIGATION: [(&str, &str, &str); 3] = [
    ("/", "Users", "/users.js"),
    ("/connection", "Connection", "/connection.js"),
    ("/about", "About", "/about.js"),
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
        File::new("/users.js", javascript, include_str!("site/users.js")),
        File::new("/user_form.js", javascript, include_str!("site/user_form.js")),
        File::new("/wire.js", javascript, include_str!("site/wire.js")),
        File::new("/about.js", javascript, include_str!("site/about.js")),
        File::new("/connection.js", javascript, include_str!("site/connection.js")),
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
    let script = NAVIGATION.iter().find(|(entry, ..)| *entry == path).map(|(.., script)| *script);
    let script = script.map(|script| {
        fill(
            "<script type=\"module\" src=\"{{address}}\"></script>",
            &[("address", Value::Text(&address(script)))],
        )
    });
    fill(
        include_str!("site/layout.html"),
        &[
            ("title", Value::Text(title)),
            ("style", Value::Text(&address("/style.css"))),
            ("logo", Value::Text(&address("/logo.svg"))),
            ("script", Value::Html(script.as_deref().unwrap_or_default())),
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
    let entry = |(target, label, _): (&str, &str, &str)| {
        let current = if target == path { " aria-current=\"page\"" } else { "" };
        let values = [
            ("target", Value::Text(target)),
            ("current", Value::Html(current)),
            ("label", Value::Text(label)),
        ];
        fill("<li><a href=\"{{target}}\"{{current}}>{{label}}</a></li>", &values)
    };
    NAVIGATION.into_iter().map(entry).collect()
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
