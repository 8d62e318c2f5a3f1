//! The folder that Node served, made anew: files with their times, links, and a secret beside the root.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use tempfile::TempDir;

/// A file of the tree.
#[derive(Deserialize)]
pub struct Entry {
    path: String,
    size: usize,
    mtime_ms: u64,
    sha256: String,
    content_base64: Option<String>,
    content_rule: Option<String>,
}

pub struct Tree {
    dir: TempDir,
    /// By hash.
    contents: BTreeMap<String, Vec<u8>>,
    /// The tags of `etag` 1.8, by path beneath the root.
    tags: BTreeMap<String, String>,
}

impl Tree {
    pub fn new(files: &[Entry], links: &BTreeMap<String, String>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (mut contents, mut tags) = (BTreeMap::new(), BTreeMap::new());
        for file in files {
            let path = dir.path().join(&file.path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, file.content()).unwrap();
            let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(file.mtime_ms);
            fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
            contents.insert(file.sha256.clone(), file.content());
            if let Some(beneath) = file.path.strip_prefix("root") {
                tags.insert(beneath.to_owned(), format!("{:x}-{:x}", file.size, file.mtime_ms));
            }
        }
        for (path, target) in links {
            symlink(target, dir.path().join(path)).unwrap();
        }
        Self { dir, contents, tags }
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub fn content(&self, sha256: &str) -> &[u8] {
        &self.contents[sha256]
    }

    /// Node's tag of the file that a plain path names, without quotes.
    pub fn nodes_tag(&self, path: &str) -> Option<String> {
        self.tags.get(path).cloned()
    }
}

impl Entry {
    fn content(&self) -> Vec<u8> {
        let content = match (&self.content_base64, self.content_rule.as_deref()) {
            (Some(text), None) => BASE64_STANDARD.decode(text).unwrap(),
            (None, Some("byte i = i mod 251")) => (0..251).cycle().take(self.size).collect(),
            other => panic!("{}: {other:?}", self.path),
        };
        assert_eq!(content.len(), self.size, "{}", self.path);
        content
    }
}
