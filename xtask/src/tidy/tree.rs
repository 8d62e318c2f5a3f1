//! [`Tree`]: the files of a workspace.
//!
//! In: a folder. Out: relative paths, and the text of those files that a rule
//! reads. Leaves out what is not written by hand: build folders, installed
//! packages, the folder of the version control.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Paths relative to the workspace, with `/`, and the texts of sources and manifests.
pub(super) struct Tree {
    files: BTreeMap<String, Option<String>>,
}

impl Tree {
    /// Lists everything under `top`.
    ///
    /// # Errors
    /// If a folder or a file cannot be read; the message names it.
    pub(super) fn read(top: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        visit(top, "", &mut files)?;
        Ok(Self { files })
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The text of a `.rs` file, a `Cargo.toml` or a `Cargo.lock`.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    pub(super) fn contains(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }
}

fn visit(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Option<String>>) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
    for entry in folder.read_dir().map_err(named)? {
        let entry = entry.map_err(named)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().map_err(named)?;
        if kind.is_dir() {
            if !LEFT_OUT.contains(&name.as_str()) {
                visit(&entry.path(), &format!("{path}/"), files)?;
            }
        } else {
            let is_read = kind.is_file() && (name.ends_with(".rs") || MANIFESTS.contains(&name.as_str()));
            let text = if is_read {
                let bytes = std::fs::read(entry.path()).map_err(named)?;
                Some(String::from_utf8_lossy(&bytes).into_owned())
            } else {
                None
            };
            files.insert(path, text);
        }
    }
    Ok(())
}

const MANIFESTS: [&str; 2] = ["Cargo.toml", "Cargo.lock"];
const LEFT_OUT: [&str; 3] = [".git", "node_modules", "target"];
