//! Owns [`Files`], the public face: options, and the tower `Service` around `answer`.
//!
//! In: requests. Out: responses, at once when everything is in memory, else from a blocking thread.
//! Must not know HTTP's rules or the file system.

use std::{
    convert::Infallible,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{HeaderValue, Request, Response};

use crate::{
    answer::{Options, WouldWait, answer},
    body::Body,
    error::Error,
    offload::{Offloaded, offload},
    open_file::Pace,
    path::{Dotfiles, is_file_name},
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

#[derive(Debug, Clone)]
struct Shared {
    root: Arc<Root>,
    options: Options,
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
    /// A folder without it is `404`. The dotfile policy does not apply to it. A name that cannot be the name of
    /// a file (empty, `.`, `..`, or with a slash) is logged as a warning and turns the index off.
    pub fn index(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        if !is_file_name(&name) {
            tracing::warn!("static files: {name:?} cannot be the name of an index file; folders get 404");
            return self.no_index();
        }
        self.options().index = Some(name);
        self
    }

    /// Answers `404` for every folder that is asked for with its slash.
    pub fn no_index(mut self) -> Self {
        self.options().index = None;
        self
    }

    /// What to do with names that begin with a dot. Default: [`Dotfiles::Ignore`].
    pub fn dotfiles(mut self, policy: Dotfiles) -> Self {
        self.options().dotfiles = policy;
        self
    }

    /// The `Cache-Control` of every `200`, `206` and `304` (RFC 9111 §5.2).
    ///
    /// Default: none, so caches may guess a lifetime from `Last-Modified` (RFC 9111 §4.2.2). Use
    /// `no-cache` to have every use checked, or `max-age=<seconds>` for a fixed lifetime.
    pub fn cache_control(mut self, value: HeaderValue) -> Self {
        self.options().cache_control = Some(value);
        self
    }

    fn serving(root: Root) -> Self {
        let options =
            Options { index: Some("index.html".into()), dotfiles: Dotfiles::default(), cache_control: None };
        Self { shared: Arc::new(Shared { root: Arc::new(root), options }) }
    }

    fn options(&mut self) -> &mut Options {
        &mut Arc::make_mut(&mut self.shared).options
    }
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
        let state = match answer(&self.shared.root, &self.shared.options, &asked, Pace::NoWait) {
            Ok(response) => State::Ready(Some(response)),
            Err(WouldWait) => {
                let shared = Arc::clone(&self.shared);
                State::Waiting(offload(move || answer(&shared.root, &shared.options, &asked, Pace::MayWait)))
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
            // Nothing comes back only when the runtime shuts down.
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
            for path in ["..", "../outside/secret.txt", "docs/../../outside/secret.txt", "/etc/passwd", ""] {
                let opened = folder.open_beneath(path.as_bytes(), Pace::MayWait);
                assert!(opened.is_err(), "{path} by {lookup:?}");
            }
        }
    }
}
