//! The folder that is attacked, and what must never leave it.
//!
//! Around `root` lie secrets, each with a text of its own, so that a leak names its place. Within are links of every
//! kind, special files, folders without permissions, and hidden files with a secret that only `Dotfiles::Allow` gives.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use tempfile::TempDir;

/// Where the secrets lie, and their texts.
pub const SECRETS: [(&str, &str); 6] = [
    ("above the root", "secret-of-above"),
    ("beside the root", "secret-of-beside"),
    ("in a folder whose name begins with that of the root", "secret-of-namesake"),
    ("in a FIFO", "secret-of-fifo"),
    ("in a file or folder without permission", "secret-of-locked"),
    // It is in `/etc/passwd` of every system, and in no file of the tree.
    ("in the system", "root:x:0:0:"),
];
/// In hidden files: may be sent where they are allowed, and nowhere else.
pub const HIDDEN: &str = "secret-of-hidden";

pub struct Tree {
    dir: TempDir,
    _fifo: File,
    _socket: UnixListener,
}

impl Tree {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [above, beside, namesake, fifo, locked, _] = SECRETS.map(|(_, text)| text);
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for name in ["secret.txt", "hello.txt", "index.html"] {
            write(name, above);
        }
        for name in ["secret.txt", "index.html", "only-outside.txt", "deep/secret.txt"] {
            write(&format!("outside/{name}"), beside);
            write(&format!("rootx/{name}"), namesake);
        }
        write("root/index.html", "<h1>home</h1>");
        write("root/hello.txt", "hello");
        write("root/docs/index.html", "<h1>docs</h1>");
        write("root/docs/page.html", "<p>page</p>");
        write("root/docs/inner/deep.txt", "deep");
        write("root/plain/a.txt", "a");
        write("root/café.txt", "café");
        write(&format!("root/{}", "a".repeat(255)), "long");
        for name in [".env", ".git/config", ".well-known/x.txt", "docs/.hidden", "...", ".page.html"] {
            write(&format!("root/{name}"), HIDDEN);
        }
        for name in ["locked/index.html", "locked/secret.txt", "names-only/secret.txt", "unreadable.txt"] {
            write(&format!("root/{name}"), locked);
        }
        write("root/enter-only/index.html", "entered");
        write("root/.published", "published");
        let tree = dir.path();
        links(tree);
        let root = tree.join("root");
        for name in ["fifo", "lonely-fifo"] {
            mknodat(CWD, root.join(name), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
        }
        // One is held open for both, so that a read finds the secret at once; the other has nobody at its end.
        let mut writer = File::options().read(true).write(true).open(root.join("fifo")).unwrap();
        writer.write_all(fifo.as_bytes()).unwrap();
        let socket = UnixListener::bind(root.join("socket")).unwrap();
        // Only a privileged process may make one. Where it is not there, it is not found either.
        let _ = mknodat(
            CWD,
            root.join("zero"),
            FileType::CharacterDevice,
            Mode::from_raw_mode(0o666),
            makedev(1, 5),
        );
        for (name, mode) in LOCKED {
            set_mode(&root.join(name), mode);
        }
        Self { dir, _fifo: writer, _socket: socket }
    }

    /// Of the folder around the root.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn root(&self) -> PathBuf {
        self.path().join("root")
    }

    /// Whoever opens it without care waits until somebody writes to it.
    pub fn lonely_fifo(&self) -> PathBuf {
        self.root().join("lonely-fifo")
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // Else nobody but root could remove them.
        for (name, _) in LOCKED {
            set_mode(&self.root().join(name), 0o700);
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// What lacks a permission, and which it has.
const LOCKED: [(&str, u32); 4] =
    [("unreadable.txt", 0o000), ("locked", 0o000), ("names-only", 0o400), ("enter-only", 0o100)];

fn links(tree: &Path) {
    let root = tree.join("root");
    for (name, target) in LINKS {
        symlink(target, root.join(name)).unwrap();
    }
    for (name, target) in [
        ("absolute.txt", "outside/secret.txt"),
        ("absolute-dir", "outside"),
        ("absolute-inside.txt", "root/hello.txt"),
    ] {
        symlink(tree.join(target), root.join(name)).unwrap();
    }
    // The system follows 40 links and no more.
    symlink("hello.txt", root.join("chain-1")).unwrap();
    for number in 2..=41 {
        symlink(format!("chain-{}", number - 1), root.join(format!("chain-{number}"))).unwrap();
    }
}

/// Name beneath the root, and target.
const LINKS: &[(&str, &str)] = &[
    // Out of the root: directly, over folders, over other links.
    ("above.txt", "../secret.txt"),
    ("above", ".."),
    ("out.txt", "../outside/secret.txt"),
    ("out.html", "../outside/index.html"),
    ("out", "../outside"),
    ("namesake.txt", "../rootx/secret.txt"),
    ("namesake", "../rootx"),
    ("through.txt", "docs/../../outside/secret.txt"),
    ("through", "docs/inner/../../../outside"),
    ("to-out.txt", "out.txt"),
    ("to-to-out.txt", "to-out.txt"),
    ("over-out.txt", "out/secret.txt"),
    ("docs/out.txt", "../../outside/secret.txt"),
    ("docs/out", "../../outside"),
    ("docs/inner/out.txt", "../../../outside/secret.txt"),
    ("back-in.txt", "../root/hello.txt"),
    ("back-in", "../root/docs"),
    ("indexed-out", "docs/out"),
    ("plain/index.html", "../../outside/index.html"),
    ("slashes.txt", "..//outside///secret.txt"),
    ("filesystem", "/"),
    ("passwd", "/etc/passwd"),
    ("working-folder", "/proc/self/cwd"),
    ("system-root", "/proc/self/root"),
    ("descriptors", "/proc/self/fd"),
    ("program", "/proc/self/exe"),
    ("null", "/dev/null"),
    ("endless", "/dev/zero"),
    ("stdin", "/dev/stdin"),
    // To nothing, and in circles.
    ("dangling.txt", "nowhere"),
    ("dangling-out.txt", "../nowhere"),
    ("loop", "loop"),
    ("loop-a", "loop-b"),
    ("loop-b", "loop-a"),
    ("loop-dir", "loop-dir/x"),
    // To what is no file.
    ("to-fifo", "fifo"),
    ("to-socket", "socket"),
    ("to-zero", "zero"),
    ("to-locked.txt", "locked/secret.txt"),
    // Within the root: these are served.
    ("inside.txt", "hello.txt"),
    ("inside-again.txt", "inside.txt"),
    ("inside", "docs"),
    ("self", "."),
    // The policy about hidden files is about names in requests.
    ("published.txt", ".published"),
    ("docs/up.txt", "../hello.txt"),
    ("docs/around.txt", "inner/../../hello.txt"),
];
