//! Owns [`Files`], the public face: options, and the tower `Service` around `answer`.
//!
//! In: requests. Out: responses, at once when everything is in memory, else from a blocking thread.
//! Must not know HTTP's rules or the file system.

use std::{
    convert::Infallible,
    path::PathBuf,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{HeaderValue, Request, Response, request::Parts};

use crate::{
    answer::{WouldWait, answer},
    body::Body,
    cache_policy::CacheRule,
    error::Error,
    memory::Memory,
    offload::{Offloaded, offload},
    open_file::Pace,
    options::Options,
    path::{Dotfiles, beneath_root, is_file_name},
    refusal::Refusal,
    root::Root,
};

/// Serves the files of one folder.
///
/// Cloning is cheap: clones share the open folder. Works as `Router::fallback_service` and, because its
/// redirects are relative, under `Router::nest_service`. What it answers is in the [crate docs](crate).
#[derive(Debug, Clone)]
pub struct Files {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    root: Arc<Root>,
    options: Options,
    /// Made by the first request: what is kept depends on the options.
    memory: OnceLock<Memory>,
}

impl Shared {
    fn answer(&self, asked: &Parts, pace: Pace) -> Result<Response<Body>, WouldWait> {
        let memory =
            (self.options.memory > 0).then(|| self.memory.get_or_init(|| Memory::new(self.options.memory)));
        answer(&self.root, &self.options, memory, asked, pace)
    }
}

impl Clone for Shared {
    fn clone(&self) -> Self {
        Self { root: Arc::clone(&self.root), options: self.options.clone(), memory: OnceLock::new() }
    }
}

impl Files {
    /// Serves the folder `root`, now or as soon as it is there.
    ///
    /// A relative path is taken from the working directory of this call. When the folder cannot be opened, a
    /// warning with its absolute path is logged, every request is answered `404`, and each one looks for the
    /// folder again. The folder that was opened is kept when its path is renamed or a link to it is switched; only
    /// when it is deleted is its path opened anew.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self::serving(Root::open_or_wait(root.into()))
    }

    /// Serves the folder `root`, which must be there.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`] when the folder is missing, is not a folder or may not be entered; [`Error::System`]
    /// when the system failed otherwise. The message names the absolute path.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, Error> {
        Root::open(root.into()).map(Self::serving)
    }

    /// The file that answers for its folder, by name. Default: `index.html`.
    ///
    /// A folder without it is `404`, or [listed](Files::listing). The dotfile policy does not apply to it. A name that
    /// cannot be the name of a file (empty, `.`, `..`, or with a slash) is logged as a warning and left out.
    pub fn index(self, name: impl Into<String>) -> Self {
        self.index_files([name.into()])
    }

    /// As [`index`](Files::index), with several names: the first that is there answers.
    pub fn index_files<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        let names = names.into_iter().map(Into::into);
        self.options().index =
            names.filter(|name| can_be("the name of an index file", name, is_file_name)).collect();
        self
    }

    /// Answers `404` for every folder that is asked for with its slash, or [lists](Files::listing) it.
    pub fn no_index(mut self) -> Self {
        self.options().index.clear();
        self
    }

    /// What is tried after a name without an extension that leads nowhere, in this order and without the dot. Default:
    /// nothing.
    ///
    /// With `["html"]`, `/about` is `about.html` if there is no file or folder `about`.
    pub fn extensions<N: Into<String>>(mut self, extensions: impl IntoIterator<Item = N>) -> Self {
        let extensions =
            extensions.into_iter().map(|extension| extension.into().trim_start_matches('.').to_owned());
        self.options().extensions =
            extensions.filter(|extension| can_be("an extension", extension, is_file_name)).collect();
        self
    }

    /// The page of a single-page application, beneath the root: `index.html`. Default: none.
    ///
    /// It answers with `200` for every path that leads nowhere and whose last name has no extension, since that is a
    /// route of the page; `/assets/gone.js` stays `404`.
    pub fn single_page(mut self, page: impl Into<String>) -> Self {
        self.options().single_page = page_beneath_root(&page.into());
        self
    }

    /// The page that is sent with a `404`, beneath the root: `404.html`. Default: a line of text.
    pub fn not_found(mut self, page: impl Into<String>) -> Self {
        self.options().not_found = page_beneath_root(&page.into());
        self
    }

    /// Whether a folder without an index is answered with a list of what is in it. Default: `false`.
    ///
    /// The list is a page, or JSON in the form of nginx's `autoindex` for those who rank `application/json` higher in
    /// `Accept`. It can be ordered (`?sort=name|size|modified&order=asc|desc`), shows at most 10,000 names, and none
    /// that a request could not reach: no dotfiles unless they are allowed, no special files, no links out of the root.
    pub fn listing(mut self, list: bool) -> Self {
        self.options().listing = list;
        self
    }

    /// Whether a folder that is asked for without its slash redirects to the path with it. Default: `true`; otherwise
    /// it is `404`.
    pub fn redirect(mut self, redirect: bool) -> Self {
        self.options().redirects = redirect;
        self
    }

    /// What to do with names that begin with a dot. Default: [`Dotfiles::Ignore`].
    pub fn dotfiles(mut self, policy: Dotfiles) -> Self {
        self.options().dotfiles = policy;
        self
    }

    /// The `Cache-Control` of every `200`, `206` and `304` for which there is no [rule](Files::cache_rule)
    /// (RFC 9111 §5.2).
    ///
    /// Default: `no-cache`, so every use is checked and costs a `304`. `max-age=<seconds>` allows use without a check.
    pub fn cache_control(mut self, value: HeaderValue) -> Self {
        self.options().cache_policy.otherwise = Some(value);
        self
    }

    /// Sends no `Cache-Control` but that of rules. Caches may then guess a lifetime from `Last-Modified`, usually a
    /// tenth of the file's age (RFC 9111 §4.2.2).
    pub fn no_cache_control(mut self) -> Self {
        self.options().cache_policy.otherwise = None;
        self
    }

    /// Adds a `Cache-Control` for the files that match a pattern. The first rule that matches wins.
    pub fn cache_rule(mut self, rule: CacheRule) -> Self {
        self.options().cache_policy.rules.push(rule);
        self
    }

    /// Whether files whose name holds a hash of their content, as build tools write it, get
    /// `max-age=31536000, immutable` (RFC 8246). Default: `false`.
    ///
    /// Such a name is `app.3f2a9c1b.js` or `index-BfX2k9dQ.css`: between its first dot or dash and its extension there
    /// is a part of at least eight hexadecimal digits, with letters and digits, or of at least eight letters and digits
    /// with capital and small letters and digits. [Rules](Files::cache_rule) go before.
    pub fn immutable_names(mut self, immutable: bool) -> Self {
        self.options().cache_policy.immutable_names = immutable;
        self
    }

    /// Whether `ETag` is sent. Default: `true`.
    pub fn etag(mut self, send: bool) -> Self {
        self.options().etag = send;
        self
    }

    /// Whether `Last-Modified` is sent. Default: `true`.
    pub fn last_modified(mut self, send: bool) -> Self {
        self.options().last_modified = send;
        self
    }

    /// Whether `Range` is honoured. Default: `true`; otherwise the whole file is sent.
    pub fn ranges(mut self, honour: bool) -> Self {
        self.options().ranges = honour;
        self
    }

    /// Whether `app.js.br`, `app.js.zst` or `app.js.gz` beside `app.js` answers for it where `Accept-Encoding` allows
    /// that. Default: `true`.
    ///
    /// They are looked for beside compressible types only: text, JSON, SVG, WebAssembly, fonts that are not compressed
    /// yet. One that is more than two seconds older than its original is not used. The original must be there.
    pub fn precompressed(mut self, look: bool) -> Self {
        self.options().precompressed = look;
        self
    }

    /// Whether compressible files are compressed with Brotli, Zstandard or gzip, whichever `Accept-Encoding` prefers.
    /// Default: `true`.
    ///
    /// A file is compressed once, on a blocking thread, and the result is kept in [memory](Files::memory): its first
    /// reader waits for it. Files below 512 bytes are left alone, and those above an eighth of the memory, at most
    /// 4 MiB.
    pub fn compression(mut self, compress: bool) -> Self {
        self.options().compression = compress;
        self
    }

    /// How long a file in memory is sent before the file itself is looked at again. Default: one second, the longest
    /// time for which an old state can be sent.
    pub fn revalidate_after(mut self, age: Duration) -> Self {
        self.options().revalidate_after = age;
        self
    }

    /// How many bytes of files, plain and compressed, are kept in memory. Default: 32 MiB in each process; 0 keeps none
    /// and compresses none.
    ///
    /// Files up to 1 MiB are kept, and no more than a sixteenth of the whole for one. What slow clients still read of
    /// files that are no longer kept may come to as much again.
    pub fn memory(mut self, bytes: usize) -> Self {
        self.options().memory = bytes;
        self
    }

    fn serving(root: Root) -> Self {
        let (root, options) = (Arc::new(root), Options::default());
        Self { shared: Arc::new(Shared { root, options, memory: OnceLock::new() }) }
    }

    /// The options, to be changed: nothing that was kept under the old ones may be sent.
    fn options(&mut self) -> &mut Options {
        let shared = Arc::make_mut(&mut self.shared);
        shared.memory = OnceLock::new();
        &mut shared.options
    }
}

fn page_beneath_root(page: &str) -> Option<String> {
    let path = beneath_root(page);
    can_be("the path of a page beneath the folder", page, |_| path.is_some()).then_some(path?.to_owned())
}

/// Warns if `text` cannot be `what`.
fn can_be(what: &str, text: &str, is_one: impl Fn(&str) -> bool) -> bool {
    let is_one = is_one(text);
    if !is_one {
        tracing::warn!("static files: {text:?} cannot be {what}; it has no effect");
    }
    is_one
}

/// Always ready. The body of the request is dropped unread.
impl<B: Send + 'static> tower::Service<Request<B>> for Files {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let (asked, _) = request.into_parts();
        let state = match self.shared.answer(&asked, Pace::NoWait) {
            Ok(response) => State::Ready(Some(response)),
            Err(WouldWait) => {
                let shared = Arc::clone(&self.shared);
                State::Waiting(offload(move || shared.answer(&asked, Pace::MayWait)))
            }
        };
        ResponseFuture { state }
    }
}

/// The answer of [`Files`]: complete from the start, or on its way from a blocking thread.
///
/// # Panics
///
/// When polled again after it was ready.
///
/// # Cancel safety
///
/// May be dropped at any time. An open or a read that already waits for the disk is finished by its thread, and
/// its result is thrown away.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture {
    state: State,
}

#[derive(Debug)]
enum State {
    Ready(Option<Response<Body>>),
    Waiting(Offloaded<Result<Response<Body>, WouldWait>>),
}

impl Future for ResponseFuture {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let state = &mut self.get_mut().state;
        if let State::Waiting(work) = state {
            let answered = ready!(work.poll_result(cx)).and_then(Result::ok);
            // Nothing comes back only when the runtime shuts down, or the work panicked.
            let response = answered.unwrap_or_else(|| Refusal::TryLater.into_response(false));
            *state = State::Ready(Some(response));
        }
        match state {
            State::Ready(response) => {
                Poll::Ready(Ok(response.take().expect("a future must not be polled after it was ready")))
            }
            State::Waiting(_) => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    //! The lookups that this kernel would not choose by itself: each must be as safe as the first.

    use std::{fs, os::unix::fs::symlink, path::Path};

    use tower::ServiceExt;

    use super::*;
    use crate::folder::{Folder, Lookup};

    const LOOKUPS: [Lookup; 3] = [Lookup::Cached, Lookup::Beneath, Lookup::Walk];
    const SECRET: &[u8] = b"the secret outside";

    fn site() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("docs/inner")).unwrap();
        fs::create_dir_all(root.join(".git")).unwrap();
        fs::create_dir_all(dir.path().join("outside")).unwrap();
        let secret = dir.path().join("outside/secret.txt");
        fs::write(&secret, SECRET).unwrap();
        fs::write(root.join(".git/config"), SECRET).unwrap();
        fs::write(root.join("hello.txt"), b"hello").unwrap();
        fs::write(root.join("docs/index.html"), b"docs").unwrap();
        fs::write(root.join("docs/inner/deep.txt"), vec![b'd'; 200_000]).unwrap();
        symlink("hello.txt", root.join("link.txt")).unwrap();
        symlink("docs", root.join("dirlink")).unwrap();
        symlink("../outside/secret.txt", root.join("out.txt")).unwrap();
        symlink("../outside", root.join("outdir")).unwrap();
        symlink(&secret, root.join("absolute.txt")).unwrap();
        symlink(dir.path().join("outside"), root.join("absolute-dir")).unwrap();
        symlink("../root/hello.txt", root.join("back-in.txt")).unwrap();
        symlink("/", root.join("filesystem")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        dir
    }

    async fn ask(dir: &Path, lookup: Lookup, target: &str) -> (u16, Vec<u8>) {
        use http_body_util::BodyExt;
        let path = dir.join("root");
        let folder = Folder::open_with(&path, lookup).unwrap();
        let files = Files::serving(Root::with_folder(path, folder));
        let target: http::uri::PathAndQuery = target.parse().unwrap();
        let request = Request::get(http::Uri::from(target)).body(()).unwrap();
        let (parts, body) = files.oneshot(request).await.unwrap().into_parts();
        (parts.status.as_u16(), body.collect().await.unwrap().to_bytes().to_vec())
    }

    #[tokio::test]
    async fn every_lookup_serves_files_folders_and_indexes() {
        let dir = site();
        for lookup in LOOKUPS {
            let check = async |target: &str, status: u16, body: &[u8]| {
                let answer = ask(dir.path(), lookup, target).await;
                assert!(answer == (status, body.to_vec()), "{target} by {lookup:?}: {}", answer.0);
            };
            check("/hello.txt", 200, b"hello").await;
            check("/docs/", 200, b"docs").await;
            check("/docs", 301, b"").await;
            check("/docs/inner", 301, b"").await;
            check("/docs/inner/deep.txt", 200, &[b'd'; 200_000]).await;
            check("/docs/inner/none.txt", 404, b"404 Not Found\n").await;
            check("/hello.txt/x", 404, b"404 Not Found\n").await;
        }
    }

    #[tokio::test]
    async fn only_the_walk_refuses_links_beneath_the_root() {
        let dir = site();
        for lookup in LOOKUPS {
            let status = if lookup == Lookup::Walk { 404 } else { 200 };
            for target in ["/link.txt", "/dirlink/", "/dirlink/inner/deep.txt"] {
                assert_eq!(ask(dir.path(), lookup, target).await.0, status, "{target} by {lookup:?}");
            }
        }
    }

    #[tokio::test]
    async fn no_lookup_leaves_the_root() {
        let dir = site();
        for lookup in LOOKUPS {
            for target in include_str!("../tests/it/hostile_paths.txt").lines() {
                let (status, body) = ask(dir.path(), lookup, target).await;
                assert!(matches!(status, 400 | 404), "{target} by {lookup:?}: {status}");
                assert!(!body.windows(SECRET.len()).any(|window| window == SECRET), "{target} by {lookup:?}");
            }
        }
    }

    #[test]
    fn no_lookup_trusts_the_path_it_is_given() {
        let dir = site();
        for lookup in LOOKUPS {
            let folder = Folder::open_with(&dir.path().join("root"), lookup).unwrap();
            for path in ["..", "../outside/secret.txt", "docs/../../outside/secret.txt", "/etc/passwd"] {
                let opened = folder.open_beneath(path.as_bytes(), Pace::MayWait);
                assert!(opened.is_err(), "{path} by {lookup:?}");
            }
        }
    }
}
