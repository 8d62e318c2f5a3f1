//! The servers that are attacked: one for each way to set up `Files`, over HTTP and HTTPS.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use narae::prelude::*;
use narae::{App, Dotfiles, Log};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use tempfile::TempDir;

use super::tree::Tree;
use crate::site::Site;

/// The ways to set up `Files`, in the order of the statuses in `targets.txt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    Default,
    Dotfiles,
    Listing,
    Extensions,
    SinglePage,
}

pub const SETUPS: [Setup; 5] =
    [Setup::Default, Setup::Dotfiles, Setup::Listing, Setup::Extensions, Setup::SinglePage];

impl Setup {
    pub fn files(self, root: &Path) -> Files {
        let files = Files::open(root).unwrap();
        match self {
            Self::Default => files,
            Self::Dotfiles => files.dotfiles(Dotfiles::Allow),
            Self::Listing => files.listing(true),
            Self::Extensions => files.extensions(["html", "txt"]),
            Self::SinglePage => files.single_page("index.html"),
        }
    }
}

/// A running server, over both.
pub struct Target {
    site: Site,
    fifo: PathBuf,
    _keys: TempDir,
}

impl Target {
    pub fn new(tree: &Tree, setup: Setup) -> Self {
        Self::serving(tree, setup.files(&tree.root()))
    }

    pub fn serving(tree: &Tree, files: Files) -> Self {
        let keys = tempfile::tempdir().unwrap();
        let app = narae::app(Router::new().fallback_service(files))
            .http("127.0.0.1:0")
            .https("127.0.0.1:0", Tls::development_in(keys.path()))
            .workers(1)
            .access_log(Log::off());
        Self { site: start_as_nobody_special(app), fifo: tree.lonely_fifo(), _keys: keys }
    }

    pub fn http(&self) -> SocketAddr {
        self.site.running().addresses()[0]
    }

    pub fn https(&self) -> SocketAddr {
        self.site.running().addresses()[1]
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // A server that waits for a writer would never stop, and the test would not tell.
        let _ = File::options().read(true).write(true).open(&self.fifo);
    }
}

/// Starts `app` on threads that obey permissions even if the tests run as root: threads take over what the one that
/// made them may do.
fn start_as_nobody_special(app: App) -> Site {
    let start = move || {
        let mut sets = capabilities(None).unwrap();
        sets.effective.remove(CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH);
        set_capabilities(None, sets).unwrap();
        Site::start(app)
    };
    std::thread::spawn(start).join().unwrap()
}
