//! Owns the folder that tests serve, and the one `check` through which they touch the API.
//!
//! `outside/secret.txt` lies beside the root: no answer may ever hold its text.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri, request::Builder, uri::PathAndQuery};
use http_body_util::BodyExt;
use narae_files::{Body, Files};
use tempfile::TempDir;
use tower::ServiceExt;

pub(crate) const SECRET: &[u8] = b"the secret outside";
/// When every file made by [`Site::file`] was last changed: Sun, 06 Nov 1994 08:49:37.5 GMT.
pub(crate) const CHANGED: Duration = Duration::from_millis(784_111_777_500);

pub(crate) struct Site {
    dir: TempDir,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Site {
    /// `hello.txt`, `index.html`, `nums.txt`, `docs/index.html`, `docs/page.html` and the secret outside.
    pub(crate) fn new() -> Self {
        Self::within(tempfile::tempdir().unwrap())
    }

    pub(crate) fn within(dir: TempDir) -> Self {
        let site = Self { dir };
        fs::create_dir(site.dir.path().join("outside")).unwrap();
        fs::write(site.outside().join("secret.txt"), SECRET).unwrap();
        site.file("index.html", b"<h1>home</h1>");
        site.file("hello.txt", b"hello, world");
        site.file("nums.txt", b"0123456789");
        site.file("docs/index.html", b"<h1>docs</h1>");
        site.file("docs/page.html", b"<p>page</p>");
        site
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub(crate) fn outside(&self) -> PathBuf {
        self.dir.path().join("outside")
    }

    pub(crate) fn files(&self) -> Files {
        Files::open(self.root()).unwrap()
    }

    /// Itself, and a service whose clones share what they keep.
    pub(crate) fn files_kept(self) -> (Self, Files) {
        let files = self.files();
        (self, files)
    }

    pub(crate) fn file(&self, name: impl AsRef<Path>, content: &[u8]) -> PathBuf {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + CHANGED).unwrap();
        path
    }

    /// Makes `name` beneath the root a symbolic link with the text `target`.
    pub(crate) fn link(&self, name: &str, target: impl AsRef<Path>) {
        std::os::unix::fs::symlink(target, self.root().join(name)).unwrap();
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        check(self.files(), get(target)).await
    }

    pub(crate) async fn get_with(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        let request =
            headers.iter().fold(get(target), |request, (name, value)| request.header(*name, *value));
        check(self.files(), request).await
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub(crate) fn get(target: &str) -> Builder {
    request(Method::GET, target)
}

pub(crate) fn request(method: Method, target: &str) -> Builder {
    let target: PathAndQuery = target.parse().unwrap_or_else(|error| panic!("{target:?}: {error}"));
    Request::builder().method(method).uri(Uri::from(target))
}

/// Sends one request; holds every answer against the rules that all answers share.
pub(crate) async fn check(files: Files, request: Builder) -> Answer {
    let request = request.body(()).unwrap();
    let is_head = request.method() == Method::HEAD;
    let shown = format!("{} {}", request.method(), request.uri());
    let response = files.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let announced = http_body::Body::size_hint(&body).exact();
    let ended = http_body::Body::is_end_stream(&body);
    let body = collect(body).await.unwrap();

    assert!(!body.windows(SECRET.len()).any(|window| window == SECRET), "{shown} left the root");
    assert_eq!(ended, body.is_empty(), "{shown}");
    let length = parts.headers.get("content-length").map(|value| value.to_str().unwrap().parse().unwrap());
    if matches!(parts.status.as_u16(), 204 | 304) {
        assert_eq!((announced, length, body.len()), (None, None, 0), "{shown}");
    } else {
        assert_eq!(announced, Some(body.len() as u64), "{shown}");
        if !is_head {
            assert_eq!(length, announced, "{shown}");
        }
    }
    Answer { status: parts.status, headers: parts.headers, body }
}

pub(crate) async fn collect(body: Body) -> io::Result<Vec<u8>> {
    body.collect().await.map(|whole| Vec::from(whole.to_bytes()))
}

/// The next frame of `body`, which must be data.
pub(crate) async fn next_chunk(body: &mut Body) -> Option<io::Result<Bytes>> {
    body.frame().await.map(|frame| frame.map(|frame| frame.into_data().unwrap()))
}
