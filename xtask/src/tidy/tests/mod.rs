//! Every rule against a tree that breaks it, and the real tree against all.

mod packages;
mod sources;

use std::fs;
use std::path::Path;

use super::check;
use super::tree::Tree;

/// A small workspace in which everything is as it should be.
const GOOD: [(&str, &str); 7] = [
    ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\nexclude = [\"bench/peers\"]\n"),
    ("crates/cookie/Cargo.toml", "[package]\nname = \"narae-cookie\"\n[lints]\nworkspace = true\n"),
    ("crates/cookie/src/lib.rs", "//! Cookies.\n#![forbid(unsafe_code)]\n"),
    (
        "crates/server/Cargo.toml",
        "[package]\nname = \"narae-server\"\n[dependencies]\nnarae-cookie.workspace = true\nhyper = \"1\"\n\
         [lints]\nworkspace = true\n",
    ),
    ("crates/server/src/lib.rs", "//! Serves.\n#![forbid(unsafe_code)]\n"),
    (
        "examples/Cargo.toml",
        "[package]\nname = \"narae-examples\"\n[dependencies]\nnarae = \"0\"\n[lints]\nworkspace = true\n",
    ),
    ("bench/peers/Cargo.toml", "[package]\nname = \"peers\"\n"),
];

/// Writes the good tree, then `files` over it, and compares the findings:
/// `path:line: rule` each, and a part of the advice after a blank.
fn check_tree(files: &[(&str, &str)], expected: &[&str]) {
    let top = tempfile::tempdir().unwrap();
    for (path, text) in GOOD.iter().chain(files) {
        let path = top.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let findings: Vec<String> =
        check(&Tree::read(top.path()).unwrap()).iter().map(ToString::to_string).collect();
    let agree = |(found, expected): (&String, &&str)| {
        let (place, advice) = expected.split_once(" | ").unwrap_or((expected, ""));
        found.starts_with(&format!("{place}: ")) && found.contains(advice)
    };
    assert!(
        findings.len() == expected.len() && findings.iter().zip(expected).all(agree),
        "expected {expected:#?}\nfound {findings:#?}"
    );
}

#[test]
fn a_good_tree_has_no_findings() {
    check_tree(&[], &[]);
}

#[test]
fn this_workspace_has_no_findings() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let findings: Vec<String> = check(&Tree::read(top).unwrap()).iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn a_finding_fails_and_counts() {
    let top = tempfile::tempdir().unwrap();
    assert_eq!(super::run(top.path()), Ok(()));
    fs::create_dir_all(top.path().join("docs/misc")).unwrap();
    fs::write(top.path().join("docs/misc/page.md"), "").unwrap();
    assert_eq!(super::run(top.path()), Err("tidy: 1 findings".to_owned()));
    assert!(super::run(&top.path().join("nowhere")).unwrap_err().contains("nowhere"));
}

#[test]
fn what_is_not_written_by_hand_is_left_out() {
    check_tree(
        &[
            ("crates/server/target/x.rs", "no header"),
            ("crates/server/tests/js/node_modules/a/utils.js", ""),
            (".git/misc", ""),
        ],
        &[],
    );
}
