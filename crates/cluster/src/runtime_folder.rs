//! The folder of sockets and locks by which commands find running applications.
//!
//! In: names of applications. Out: paths and locks in a folder that is this
//! user's alone. Knows nothing of what is said over the sockets.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::sys::explain;

const MAX_NAME_BYTES: usize = 64;

/// No application's name begins so, and nothing is ever made there.
const NOWHERE: &str = ".invalid/name";

/// A folder that only this user can open.
#[derive(Debug, Clone)]
pub(crate) struct RuntimeFolder {
    path: PathBuf,
}

impl RuntimeFolder {
    /// The folder of this user, created with mode 0700 if it is missing.
    ///
    /// `$NARAE_RUNTIME_DIR` if it is set; otherwise `$XDG_RUNTIME_DIR/narae`
    /// if that variable names a folder of this user (under `sudo` it can be
    /// another's); otherwise `/run/narae` for root and `/tmp/narae-<uid>` for
    /// others.
    ///
    /// # Errors
    /// As [`RuntimeFolder::at`].
    pub(crate) fn open() -> io::Result<Self> {
        let user = rustix::process::geteuid().as_raw();
        let is_ours =
            |path: &Path| fs::metadata(path).is_ok_and(|found| found.is_dir() && found.uid() == user);
        Self::at(locate(|name| std::env::var_os(name), user, is_ours))
    }

    /// The folder `path`, created with mode 0700 if it is missing; its parent must exist.
    ///
    /// # Errors
    /// `PermissionDenied` if it belongs to another user or is open to others;
    /// `InvalidInput` if it is no absolute path; `NotADirectory` if it is a
    /// symbolic link or no folder.
    pub(crate) fn at(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let refuse = |kind, reason: String| {
            Err(io::Error::new(kind, format!("the runtime folder {} {reason}", path.display())))
        };
        if !path.is_absolute() {
            return refuse(io::ErrorKind::InvalidInput, "is no absolute path".to_owned());
        }
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(explain(
                    error,
                    format_args!("cannot create the runtime folder {}", path.display()),
                ));
            }
            _ => {}
        }
        let found = fs::symlink_metadata(&path).map_err(|error| {
            explain(error, format_args!("cannot look at the runtime folder {}", path.display()))
        })?;
        let user = rustix::process::geteuid().as_raw();
        if found.is_symlink() {
            return refuse(io::ErrorKind::NotADirectory, "is a symbolic link".to_owned());
        }
        if !found.is_dir() {
            return refuse(io::ErrorKind::NotADirectory, "is no folder".to_owned());
        }
        if found.uid() != user {
            let reason = format!("belongs to user {}, not to user {user}", found.uid());
            return refuse(io::ErrorKind::PermissionDenied, reason);
        }
        if found.mode() & 0o077 != 0 {
            let reason = format!("is open to others (mode {:o}): chmod 700", found.mode() & 0o7777);
            return refuse(io::ErrorKind::PermissionDenied, reason);
        }
        Ok(Self { path })
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The control socket of the application `name`: `<name>.sock`.
    ///
    /// A `name` that is not [`valid_name`] gets a path at which nothing can
    /// be. A path that is too long is refused by `Channel`, with the reason.
    pub(crate) fn control(&self, name: &str) -> PathBuf {
        self.file(name, "sock").unwrap_or_else(|_| self.path.join(NOWHERE))
    }

    /// Takes the lock of the application `name`, held as long as the
    /// descriptor or a copy of it is open; none if another process holds it.
    ///
    /// The file `<name>.lock` stays for good: a lock on a file that someone
    /// has removed would exclude nobody.
    ///
    /// # Errors
    /// `InvalidInput` for a name that is not [`valid_name`]; those of open(2).
    pub(crate) fn lock(&self, name: &str) -> io::Result<Option<OwnedFd>> {
        let path = self.file(name, "lock")?;
        let attempted = || format!("cannot lock {}", path.display());
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| explain(error, attempted()))?;
        match rustix::io::retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive))
        {
            Ok(()) => Ok(Some(file)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(explain(error, attempted())),
        }
    }

    /// All applications with a control socket, in alphabetical order, whether anyone listens or not.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = sockets(&self.path)
            .filter_map(|path| path.file_stem().and_then(|name| name.to_str()).map(str::to_owned))
            .filter(|name| valid_name(name))
            .collect();
        names.sort_unstable();
        names
    }

    /// The socket by which a new supervisor finds a `worker` of the
    /// application `name`: `<name>.d/<worker>.sock`. Creates the folder
    /// `<name>.d`; if that fails, listening there does.
    ///
    /// A `name` that is not [`valid_name`] is treated as by [`RuntimeFolder::control`].
    pub(crate) fn worker_socket(&self, name: &str, worker: u64) -> PathBuf {
        let Ok(folder) = self.file(name, "d") else { return self.path.join(NOWHERE) };
        let _ = DirBuilder::new().mode(0o700).create(&folder);
        folder.join(format!("{worker}.sock"))
    }

    /// All workers' sockets of the application `name`, whether anyone listens or not.
    pub(crate) fn worker_sockets(&self, name: &str) -> Vec<PathBuf> {
        let Ok(folder) = self.file(name, "d") else { return Vec::new() };
        let mut paths: Vec<_> = sockets(&folder).collect();
        paths.sort_unstable();
        paths
    }

    fn file(&self, name: &str, extension: &str) -> io::Result<PathBuf> {
        if !valid_name(name) {
            let text = format!(
                "{name:?} is no name of an application: 1 to {MAX_NAME_BYTES} letters, digits, \".\", \"_\" and \"-\", no \".\" first"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(self.path.join(format!("{name}.{extension}")))
    }
}

/// Whether an application may have this name: 1 to 64 of `A-Z a-z 0-9 . _ -`, and not `.` first.
pub fn valid_name(name: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(valid)
}

/// The sockets in `folder` whose names end in `.sock`; none if it cannot be read.
fn sockets(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_socket()))
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sock"))
}

fn locate(
    variable: impl Fn(&str) -> Option<OsString>,
    user: u32,
    is_ours: impl Fn(&Path) -> bool,
) -> PathBuf {
    let path = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = path("NARAE_RUNTIME_DIR") {
        return path;
    }
    match path("XDG_RUNTIME_DIR") {
        Some(path) if path.is_absolute() && is_ours(&path) => path.join("narae"),
        _ if user == 0 => PathBuf::from("/run/narae"),
        _ => PathBuf::from(format!("/tmp/narae-{user}")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::channel::Channel;

    fn folder() -> (tempfile::TempDir, RuntimeFolder) {
        let parent = tempfile::tempdir().unwrap();
        let folder = RuntimeFolder::at(parent.path().join("narae")).unwrap();
        (parent, folder)
    }

    mod place {
        use super::*;

        fn check(variables: &[(&str, &str)], user: u32, expected: &str) {
            let variable = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
            };
            assert_eq!(locate(variable, user, |path| path != Path::new("/theirs")), Path::new(expected));
        }

        #[test]
        fn is_the_first_that_is_usable() {
            let (own, xdg) = (("NARAE_RUNTIME_DIR", "/own"), ("XDG_RUNTIME_DIR", "/run/user/7"));
            check(&[own, xdg], 7, "/own");
            check(&[xdg], 7, "/run/user/7/narae");
            check(&[xdg], 0, "/run/user/7/narae");
            check(&[], 0, "/run/narae");
            check(&[], 7, "/tmp/narae-7");
            for unusable in ["", "relative", "/theirs"] {
                check(&[("NARAE_RUNTIME_DIR", ""), ("XDG_RUNTIME_DIR", unusable)], 7, "/tmp/narae-7");
            }
        }

        #[test]
        fn is_created_for_this_user_only_and_found_again() {
            let (parent, folder) = folder();
            assert_eq!(fs::metadata(folder.path()).unwrap().mode() & 0o7777, 0o700);
            assert_eq!(RuntimeFolder::at(parent.path().join("narae")).unwrap().path(), folder.path());
        }

        #[test]
        fn that_is_not_ours_alone_is_refused_with_the_reason() {
            let parent = tempfile::tempdir().unwrap();
            let path = |name: &str| parent.path().join(name);
            let open = |name: &str, mode| {
                fs::create_dir(path(name)).unwrap();
                fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
            };
            open("group", 0o710);
            open("all", 0o701);
            open("fine", 0o700);
            symlink(path("fine"), path("link")).unwrap();
            symlink(path("nowhere"), path("dangling")).unwrap();
            fs::write(path("file"), "").unwrap();
            for (path, kind, reason) in [
                (path("group"), io::ErrorKind::PermissionDenied, "mode 710"),
                (path("all"), io::ErrorKind::PermissionDenied, "mode 701"),
                (path("link"), io::ErrorKind::NotADirectory, "symbolic link"),
                (path("dangling"), io::ErrorKind::NotADirectory, "symbolic link"),
                (path("file"), io::ErrorKind::NotADirectory, "no folder"),
                (path("no/parent"), io::ErrorKind::NotFound, "cannot create"),
                ("relative".into(), io::ErrorKind::InvalidInput, "absolute"),
            ] {
                let error = RuntimeFolder::at(path).unwrap_err();
                assert_eq!(error.kind(), kind, "{error}");
                assert!(error.to_string().contains(reason), "{error}");
            }
            RuntimeFolder::at(path("fine")).unwrap();
        }

        #[test]
        fn of_another_user_is_refused() {
            let parent = tempfile::tempdir().unwrap();
            // As root, a folder that we give away; otherwise one that root has anyway.
            let path = if rustix::process::geteuid().is_root() {
                std::os::unix::fs::chown(parent.path(), Some(12_345), None).unwrap();
                parent.path()
            } else {
                Path::new("/")
            };
            let error = RuntimeFolder::at(path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            assert!(error.to_string().contains("belongs to user"), "{error}");
        }
    }

    mod names {
        use super::*;

        #[test]
        fn are_short_and_plain() {
            let longest = "x".repeat(64);
            for name in ["a", "A-b_c.9", "-", "_", "a..b", &longest] {
                assert!(valid_name(name), "{name}");
            }
            let too_long = "x".repeat(65);
            for name in ["", ".", "..", ".a", "a/b", "../a", "a b", "a\0", "a\n", "나래", &too_long] {
                assert!(!valid_name(name), "{name}");
            }
        }

        #[test]
        fn that_are_invalid_get_no_path() {
            let (_parent, folder) = folder();
            for path in [folder.control("../a"), folder.worker_socket("a/b", 1)] {
                assert_eq!(path, folder.path().join(NOWHERE));
                Channel::listen(&path).unwrap_err();
            }
            for error in [folder.lock("").unwrap_err(), folder.lock("../a").unwrap_err()] {
                assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
                assert!(error.to_string().contains("no name of an application"), "{error}");
            }
            assert!(folder.worker_sockets("..").is_empty());
        }

        #[test]
        fn too_long_for_this_folder_are_refused() {
            let parent = tempfile::tempdir().unwrap();
            let folder = RuntimeFolder::at(parent.path().join("x".repeat(60))).unwrap();
            for path in [folder.control(&"n".repeat(60)), folder.worker_socket(&"n".repeat(60), 1)] {
                let error = Channel::listen(&path).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
                assert!(error.to_string().contains("107 is the limit"), "{error}");
            }
        }

        #[test]
        fn with_a_socket_are_listed_in_order() {
            let (_parent, folder) = folder();
            assert!(folder.names().is_empty());
            let _sockets: Vec<_> =
                ["web.v2", "api"].map(|name| UnixListener::bind(folder.control(name)).unwrap()).into();
            fs::write(folder.control("no-socket"), "").unwrap();
            folder.lock("locked").unwrap();
            UnixListener::bind(folder.path().join("other")).unwrap();
            assert_eq!(folder.names(), ["api", "web.v2"]);
        }
    }

    #[test]
    fn workers_sockets_are_listed_by_application() {
        let (_parent, folder) = folder();
        assert!(folder.worker_sockets("a").is_empty());
        let path = folder.worker_socket("a", 17);
        let _socket = UnixListener::bind(&path).unwrap();
        assert_eq!(path, folder.path().join("a.d/17.sock"));
        assert_eq!(folder.worker_sockets("a"), [path]);
        folder.worker_socket("b", 1);
        assert!(folder.worker_sockets("b").is_empty());
        assert!(folder.names().is_empty());
    }

    #[test]
    fn a_lock_is_held_by_one_until_its_last_copy_is_closed() {
        let (_parent, folder) = folder();
        let lock = folder.lock("a").unwrap().unwrap();
        assert!(folder.lock("a").unwrap().is_none());
        assert!(folder.lock("b").unwrap().is_some());
        let copy = lock.try_clone().unwrap();
        drop(lock);
        assert!(folder.lock("a").unwrap().is_none());
        drop(copy);
        assert!(folder.lock("a").unwrap().is_some());
        symlink("/nowhere", folder.path().join("c.lock")).unwrap();
        folder.lock("c").unwrap_err();
    }
}
