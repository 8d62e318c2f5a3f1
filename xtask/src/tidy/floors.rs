//! The rules about packages: floors, roots, lints.
//!
//! In: every manifest of the tree. Out: findings. Owns the floor plan: a crate
//! imports only from a lower floor, never from a neighbour; `examples` and
//! `bench` know `narae` alone, and `xtask` none of them.

use std::collections::BTreeMap;

use super::Finding;
use super::manifest::{Manifest, Workspace};
use super::source::Source;
use super::tree::Tree;

/// The folders under `crates/`, from the ground up.
const FLOORS: [&[&str]; 4] =
    [&["cluster", "cookie"], &["server", "files", "session", "layers"], &["narae"], &["cli"]];

/// Crates that need `unsafe`, and where in each it may be: one folder or one file.
const MAY_BE_UNSAFE: [(&str, &str); 2] =
    [("cluster", "src/sys/"), ("session", "src/store/embedded/environment.rs")];

/// Where a package stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place<'a> {
    Crate(&'a str),
    Examples,
    Bench,
    Xtask,
}

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = unplanned_folders(tree);
    let workspace = Workspace::parse(tree.text("Cargo.toml").unwrap_or_default());
    let mut packages = Vec::new();
    for path in tree.paths() {
        let (Some(place), Some(text)) = (place_of(path), tree.text(path)) else { continue };
        match Manifest::parse(text, &workspace) {
            Ok(manifest) => packages.push((path, place, manifest)),
            Err((line, message)) => findings.push(finding(path, line, "manifest", message)),
        }
    }
    let names: BTreeMap<&str, Place<'_>> =
        packages.iter().map(|(_, place, manifest)| (manifest.name.as_str(), *place)).collect();
    for (path, place, manifest) in &packages {
        for edge in &manifest.edges {
            if let Some(advice) = forbidden(*place, &edge.package, &names) {
                findings.push(finding(path, edge.line, "floors", advice));
            }
        }
        let folder = path.trim_end_matches("Cargo.toml");
        let excluded =
            |out: &String| folder.trim_end_matches('/') == out || folder.starts_with(&format!("{out}/"));
        if !manifest.inherits_lints && !workspace.excluded.iter().any(excluded) {
            let advice = "add \"[lints]\" with \"workspace = true\"".to_owned();
            findings.push(finding(path, 1, "lints", advice));
        }
        findings.extend(roots_that_allow_unsafe(tree, folder, *place, manifest));
        // Two of them, or none, and `cargo run -- demo` does not know which program is meant.
        let default_run = (*place == Place::Crate("cli")).then_some("narae");
        if manifest.default_run.as_deref() != default_run {
            let advice = "`default-run` is for crates/cli alone, where it is \"narae\"".to_owned();
            findings.push(finding(path, 1, "default-run", advice));
        }
    }
    findings
}

fn place_of(path: &str) -> Option<Place<'_>> {
    let folders: Vec<&str> = path.strip_suffix("/Cargo.toml")?.split('/').collect();
    match folders.as_slice() {
        ["crates", name] => Some(Place::Crate(name)),
        ["examples", ..] => Some(Place::Examples),
        ["bench", ..] => Some(Place::Bench),
        ["xtask"] => Some(Place::Xtask),
        _ => None,
    }
}

/// Folders under `crates/` that stand on no floor; each is reported once.
fn unplanned_folders(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for path in tree.paths() {
        let Some((folder, _)) = path.strip_prefix("crates/").and_then(|rest| rest.split_once('/')) else {
            continue;
        };
        let folder_path = format!("crates/{folder}");
        if floor_of(folder).is_none() && findings.iter().all(|found| found.path != folder_path) {
            let advice = "give this crate a floor in xtask/src/tidy/floors.rs".to_owned();
            findings.push(finding(&folder_path, 1, "floors", advice));
        }
    }
    findings
}

fn floor_of(folder: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&folder))
}

/// What to do about the edge from `place` to `package`; `None` if it may be.
fn forbidden(place: Place<'_>, package: &str, names: &BTreeMap<&str, Place<'_>>) -> Option<String> {
    let target = match names.get(package) {
        Some(target) => *target,
        None if package == "narae" => Place::Crate("narae"),
        None => Place::Crate(package.strip_prefix("narae-")?),
    };
    match (place, target) {
        (Place::Crate(from), Place::Crate(to)) => {
            let (from, to) = (floor_of(from)?, floor_of(to).unwrap_or(usize::MAX));
            let advice = match to {
                to if to < from => return None,
                to if to == from => "move what both need to a lower floor",
                usize::MAX => "give it a floor first",
                _ => "turn the edge around",
            };
            let where_it_is = if to == from { "a neighbour" } else { "not on a lower floor" };
            Some(format!("{package} is {where_it_is} (this is floor {from}): {advice}"))
        }
        (Place::Examples | Place::Bench, Place::Crate("narae")) => None,
        (Place::Examples, _) => Some(format!("examples use narae alone: reach {package} through narae")),
        (Place::Bench, _) => Some(format!("benches use narae alone: reach {package} through narae")),
        (Place::Xtask, _) => Some(format!("xtask must build without the workspace: do without {package}")),
        // The load client is a tool for tests, and knows no crate of ours.
        (Place::Crate("cli"), Place::Bench) if package == "narae-load" => None,
        (Place::Crate(_), _) => Some(format!("no crate may need {package}: move what it needs into a crate")),
    }
}

/// Crate roots without `#![forbid(unsafe_code)]`. In a crate that needs `unsafe`: roots that do not at least
/// deny it, and files that allow it anywhere but in the crate's one place.
fn roots_that_allow_unsafe(tree: &Tree, folder: &str, place: Place<'_>, manifest: &Manifest) -> Vec<Finding> {
    let exception = MAY_BE_UNSAFE.iter().find(|(name, _)| place == Place::Crate(name));
    let mut findings = Vec::new();
    if let Some((_, allowed)) = exception {
        let allowed = format!("{folder}{allowed}");
        let elsewhere = |path: &&str| path.starts_with(folder) && !path.starts_with(&allowed);
        for path in tree.paths().filter(|path| path.ends_with(".rs")).filter(elsewhere) {
            let source = Source::parse(tree.text(path).unwrap_or_default());
            if let Some(line) = source.code().position(|line| line.contains("allow(unsafe_code")) {
                let advice = format!("move what is unsafe to {allowed}");
                findings.push(finding(path, line + 1, "unsafe", advice));
            }
        }
    }
    let level = if exception.is_some() { "deny" } else { "forbid" };
    let attribute = format!("#![{level}(unsafe_code)]");
    let usual = ["src/lib.rs", "src/main.rs"].map(str::to_owned);
    let mut roots: Vec<String> =
        manifest.roots.iter().chain(&usual).map(|root| format!("{folder}{root}")).collect();
    let more_bins = format!("{folder}src/bin/");
    roots.extend(tree.paths().filter(|path| path.starts_with(&more_bins)).map(str::to_owned));
    roots.sort();
    roots.dedup();
    let has_it = |text: &str| Source::parse(text).code().any(|line| line.trim() == attribute);
    let lacking = roots.iter().filter(|root| tree.contains(root) && !tree.text(root).is_some_and(has_it));
    findings.extend(lacking.map(|root| {
        let advice = format!("add \"{attribute}\" below the header");
        finding(root, 1, "unsafe", advice)
    }));
    findings
}

fn finding(path: &str, line: usize, rule: &'static str, advice: String) -> Finding {
    Finding { path: path.to_owned(), line, rule, advice }
}
