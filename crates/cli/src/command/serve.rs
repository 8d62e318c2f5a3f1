//! `narae serve`: a folder as a site.

use std::path::PathBuf;

use clap::Args;
use narae::prelude::*;

use super::listen_defaults;

/// Serve a folder of files
///
/// GET and HEAD, index.html for folders, ranges, conditional requests. Hidden files (names that begin with
/// a dot) are not served, and no link or path leads out of the folder.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The folder to serve
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Serve hidden files too: names that begin with a dot
    #[arg(long)]
    dotfiles: bool,
    #[command(flatten)]
    flags: narae::Flags,
}

impl Serve {
    pub(super) fn run(self) -> narae::Result {
        let mut files = Files::open(&self.folder)?;
        if self.dotfiles {
            files = files.dotfiles(narae::Dotfiles::Allow);
        }
        let serving = format!("the folder {}", self.folder.display());
        let app = narae::app(move || Router::new().fallback_service(files)).name("serve").serving(serving);
        listen_defaults(app, &self.flags).flags(self.flags).run()
    }
}
