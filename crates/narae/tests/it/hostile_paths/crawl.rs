//! Follows every link of every listing: what is shown can be reached, and nothing else is.
//!
//! In: the tree of `tree.rs` with all its links. Out: the names that were listed, and what their requests gave.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use narae::{Dotfiles, Files};
use serde_json::Value;

use super::sites::Target;
use super::tree::{SECRETS, Tree};
use crate::wire::{Reply, Wire};

/// So many folders deep: `self` is a link to the folder that it is in.
const DEEPEST: usize = 4;

/// The names in each folder that was reached, by path.
type Listed = BTreeMap<String, BTreeSet<String>>;

/// Asks for every name that is listed, in JSON and in HTML, from the root on.
fn crawl(tree: &Tree, files: Files) -> Listed {
    let target = Target::serving(tree, files.listing(true).no_index());
    let mut wire = Wire::plain(target.http());
    let (mut listed, mut left) = (Listed::new(), VecDeque::from([String::from("/")]));
    while let Some(folder) = left.pop_front() {
        let names = list(&mut wire, &folder);
        let page = get(&mut wire, &folder, "text/html");
        let page = String::from_utf8_lossy(&page.body).into_owned();
        assert_eq!(page.matches("<tr class=").count(), names.len() + usize::from(folder != "/"), "{folder}");
        for name in &names {
            let path = format!("{folder}{}", name.replace('é', "%C3%A9"));
            match get(&mut wire, &path, "*/*").status {
                200 => {}
                301 if folder.matches('/').count() <= DEEPEST => left.push_back(path + "/"),
                301 => {}
                status => panic!("{path} is listed, and answered with {status}"),
            }
        }
        listed.insert(folder, names);
    }
    listed
}

fn list(wire: &mut Wire, folder: &str) -> BTreeSet<String> {
    let reply = get(wire, folder, "application/json");
    assert_eq!(reply.status, 200, "{folder}");
    let entries: Vec<Value> = serde_json::from_slice(&reply.body).unwrap();
    entries.iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
}

fn get(wire: &mut Wire, path: &str, accept: &str) -> Reply {
    wire.send(format!("GET {path} HTTP/1.1\r\nHost: narae.test\r\nAccept: {accept}\r\n\r\n").as_bytes())
        .unwrap();
    let reply = wire.reply(false).unwrap();
    let body = String::from_utf8_lossy(&reply.body);
    for (place, secret) in SECRETS {
        assert!(!body.contains(secret), "{path} has the secret {place}");
    }
    reply
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_listing_shows_what_a_request_can_reach_and_nothing_else() {
    let tree = Tree::new();
    let listed = crawl(&tree, Files::open(tree.root()).unwrap());
    let long = "a".repeat(255);
    let chain = |longest| (1..=longest).map(|number| format!("chain-{number}"));
    let mut root = names(&["café.txt", "docs", "hello.txt", "index.html", "plain"]);
    root.extend(names(&["inside", "inside-again.txt", "inside.txt", "published.txt", "self", &long]));
    root.extend(chain(38));
    // `self` is a link too, and the system follows 40.
    assert_eq!(listed["/self/self/"], root);
    root.extend(chain(40));
    assert_eq!(listed["/"], root);
    assert_eq!(listed["/docs/"], names(&["around.txt", "index.html", "inner", "page.html", "up.txt"]));
    assert_eq!(listed["/docs/inner/"], names(&["deep.txt"]));
    assert_eq!(listed["/plain/"], names(&["a.txt"]));
    assert_eq!(listed["/inside/"], listed["/docs/"]);
}

#[test]
fn a_listing_with_hidden_files_shows_these_and_nothing_from_outside() {
    let tree = Tree::new();
    let files = Files::open(tree.root()).unwrap();
    let plain = crawl(&tree, files.clone());
    let all = crawl(&tree, files.dotfiles(Dotfiles::Allow));
    for (folder, names) in &all {
        let is_hidden = folder.contains("/.");
        let known = plain.get(folder).cloned().unwrap_or_default();
        assert!(
            is_hidden || names.difference(&known).all(|name| name.starts_with('.')),
            "{folder} {names:?}"
        );
    }
    assert_eq!(all["/.git/"], names(&["config"]));
}
