//! Owns what the application chose: plain values, checked where they were set.
//!
//! In: the setters of `Files`. Out: fields that everything else reads. Must not know requests.

use std::time::Duration;

use crate::{cache_policy::CachePolicy, path::Dotfiles};

#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The files that stand for their folder, the first that is there.
    pub(crate) index: Vec<String>,
    /// What is tried after a name that leads nowhere, without the dot.
    pub(crate) extensions: Vec<String>,
    /// The file that answers for paths that lead nowhere, beneath the root.
    pub(crate) single_page: Option<String>,
    /// The text of a `404`, beneath the root.
    pub(crate) not_found: Option<String>,
    pub(crate) listing: bool,
    pub(crate) redirects: bool,
    pub(crate) dotfiles: Dotfiles,
    pub(crate) cache_policy: CachePolicy,
    pub(crate) etag: bool,
    pub(crate) last_modified: bool,
    pub(crate) ranges: bool,
    pub(crate) precompressed: bool,
    pub(crate) compression: bool,
    /// How long a file in memory is sent without a look at the file.
    pub(crate) revalidate_after: Duration,
    /// Bytes of files that may stay in memory.
    pub(crate) memory: usize,
}

impl Options {
    /// Whether answers can depend on `Accept-Encoding`.
    pub(crate) fn negotiates_encoding(&self) -> bool {
        self.precompressed || self.compresses()
    }

    /// Compressed forms are made once and kept: without memory for them there are none.
    pub(crate) fn compresses(&self) -> bool {
        self.compression && self.memory > 0
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            index: vec!["index.html".into()],
            extensions: Vec::new(),
            single_page: None,
            not_found: None,
            listing: false,
            redirects: true,
            dotfiles: Dotfiles::default(),
            cache_policy: CachePolicy::default(),
            etag: true,
            last_modified: true,
            ranges: true,
            precompressed: true,
            compression: true,
            revalidate_after: Duration::from_secs(1),
            memory: 32 << 20,
        }
    }
}
