//! The rule about lock files: one that stands outside the workspace knows what the crates need now.
//!
//! In: every `Cargo.lock` but the workspace's own, which each build looks at. Out: findings. A build of benches or fuzz
//! targets with `--locked` would refuse such a file, long after the change that made it old.

use std::collections::BTreeMap;

use toml::de::DeTable;

use super::Finding;
use super::manifest::{Manifest, Workspace};
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let workspace = Workspace::parse(tree.text("Cargo.toml").unwrap_or_default());
    let manifests: BTreeMap<String, Manifest> = tree
        .paths()
        .filter(|path| path.starts_with("crates/") && path.ends_with("/Cargo.toml"))
        .filter_map(|path| Manifest::parse(tree.text(path)?, &workspace).ok())
        .map(|manifest| (manifest.name.clone(), manifest))
        .collect();
    let locks = tree.paths().filter(|path| path.ends_with("/Cargo.lock"));
    locks.flat_map(|path| old_entries(path, tree.text(path).unwrap_or_default(), &manifests)).collect()
}

fn old_entries(path: &str, lock: &str, manifests: &BTreeMap<String, Manifest>) -> Vec<Finding> {
    let Ok(table) = DeTable::parse(lock) else { return Vec::new() };
    let packages = table.get_ref().get("package").and_then(|packages| packages.get_ref().as_array());
    let mut findings = Vec::new();
    for package in packages.into_iter().flat_map(|packages| packages.iter()) {
        let Some(package) = package.get_ref().as_table() else { continue };
        let text = |name: &str| package.get(name).and_then(|value| value.get_ref().as_str());
        let (Some(name), None) = (text("name"), text("source")) else { continue };
        let Some(manifest) = manifests.get(name) else { continue };
        let list = package.get("dependencies").and_then(|list| list.get_ref().as_array());
        // "name", or "name version" where there are several.
        let known: Vec<&str> = list
            .into_iter()
            .flat_map(|list| list.iter())
            .filter_map(|entry| entry.get_ref().as_str()?.split(' ').next())
            .collect();
        let missing = manifest.edges.iter().filter(|edge| edge.is_required);
        let missing = missing.map(|edge| &*edge.package).filter(|package| !known.contains(package));
        let is_edge = |package: &str| manifest.edges.iter().any(|edge| edge.package == package);
        let outdated = known.iter().copied().filter(|package| !is_edge(package));
        for other in missing.chain(outdated) {
            let folder = path.trim_end_matches("/Cargo.lock");
            let advice = format!("{name} and {other}: run `cargo update --workspace` in {folder}");
            findings.push(Finding { path: path.to_owned(), line: 1, rule: "locks", advice });
        }
    }
    findings
}
