//! `cargo xtask tidy`: the workspace's rules that no compiler checks.
//!
//! In: the path of a workspace. Out: findings, each with its place and what to
//! do. Reads files, changes nothing. `tree` lists and reads, `floors` judges
//! manifests, `locks` lock files, `files` names and sources.

mod files;
mod floors;
mod locks;
mod manifest;
mod source;
#[cfg(test)]
mod tests;
mod tree;

use std::fmt;
use std::path::Path;

use tree::Tree;

/// Something that a rule does not allow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String, // relative to the workspace, with `/`
    line: usize,  // 1 is the first
    rule: &'static str,
    /// What to do about it.
    advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.advice)
    }
}

/// Prints every finding about the workspace at `top`.
///
/// # Errors
/// The number of findings, or what could not be read.
pub(crate) fn run(top: &Path) -> Result<(), String> {
    let tree = Tree::read(top).map_err(|error| format!("tidy: {error}"))?;
    let findings = check(&tree);
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("tidy: {} files, nothing to complain about", tree.paths().count());
        Ok(())
    } else {
        Err(format!("tidy: {} findings", findings.len()))
    }
}

/// Applies every rule to `tree`; the findings are in the order of the files.
fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = floors::check(tree);
    findings.extend(locks::check(tree));
    findings.extend(files::check(tree));
    findings.sort();
    findings
}
