//! Links, folders and files change places between inside and outside while they are asked for.
//!
//! In: a thread that renames without end, and two clients. Out: nothing, if no answer ever holds a secret, and each
//! name was found and not found, so that the places were indeed changed in between.

use std::collections::BTreeSet;
use std::fs::{self, rename};
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use narae::Files;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::sites::Target;
use super::tree::{SECRETS, Tree};
use crate::wire::{Reply, Wire};

/// What is asked for, and whether it can be found: what is only outside cannot.
const ASKED: [(&str, bool); 8] = [
    ("/link.txt", true),
    ("/folder/secret.txt", true),
    ("/folder/", true),
    ("/folder", true),
    ("/folder/only-outside.txt", false),
    ("/moved/up.txt", true),
    ("/moved/deep/up.txt", true),
    ("/linked-up.txt", true),
];
/// Of each client, at least.
const REQUESTS: usize = 3000;
/// No machine is so slow that the places are not changed in this time.
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes what changes places.
fn prepare(tree: &Path) {
    let root = tree.join("root");
    symlink("hello.txt", root.join("link.txt")).unwrap();
    // A folder, and beside it a link out to one with the same names.
    fs::create_dir(root.join("folder")).unwrap();
    for name in ["secret.txt", "index.html"] {
        fs::write(root.join("folder").join(name), "harmless").unwrap();
    }
    symlink("../outside", root.join("spare")).unwrap();
    // A folder that is moved out and in again, with links up: inside they lead to `hello.txt`, outside to secrets.
    fs::create_dir_all(root.join("moved/deep")).unwrap();
    symlink("../hello.txt", root.join("moved/up.txt")).unwrap();
    symlink("../../hello.txt", root.join("moved/deep/up.txt")).unwrap();
    symlink("moved/deep/../../hello.txt", root.join("linked-up.txt")).unwrap();
    fs::copy(tree.join("outside/secret.txt"), tree.join("outside/hello.txt")).unwrap();
}

/// Changes all places until it is told to stop.
fn swap(tree: &Path, stop: &AtomicBool) {
    let root = tree.join("root");
    let mut is_inside = true;
    while !stop.load(Ordering::Relaxed) {
        is_inside = !is_inside;
        let target = if is_inside { "hello.txt" } else { "../outside/secret.txt" };
        symlink(target, root.join("next.txt")).unwrap();
        rename(root.join("next.txt"), root.join("link.txt")).unwrap();
        renameat_with(CWD, root.join("folder"), CWD, root.join("spare"), RenameFlags::EXCHANGE).unwrap();
        let (from, to) = if is_inside { ("outside", "root") } else { ("root", "outside") };
        rename(tree.join(from).join("moved"), tree.join(to).join("moved")).unwrap();
    }
}

/// Asks for everything in turn until each was found, if it can be, and not found.
fn ask(address: SocketAddr) {
    let mut wire = Wire::plain(address);
    let mut seen: [BTreeSet<u16>; ASKED.len()] = Default::default();
    let began = Instant::now();
    let is_enough = |seen: &[BTreeSet<u16>]| {
        let is_found = |statuses: &BTreeSet<u16>| statuses.contains(&200) || statuses.contains(&301);
        let mut each = seen.iter().zip(ASKED);
        each.all(|(statuses, (_, can_be))| statuses.contains(&404) && is_found(statuses) == can_be)
    };
    let mut requests = 0;
    while requests < REQUESTS || !is_enough(&seen) {
        assert!(began.elapsed() < PATIENCE, "{requests} requests: {seen:?}");
        for ((path, _), statuses) in ASKED.iter().zip(&mut seen) {
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: narae.test\r\nAccept: application/json\r\n\r\n");
            wire.send(request.as_bytes()).unwrap();
            let reply = wire.reply(false).unwrap();
            check(path, &reply);
            statuses.insert(reply.status);
            requests += 1;
        }
    }
}

fn check(path: &str, reply: &Reply) {
    // 503: the system could not say where a link leads while so much was renamed, and the client may ask again.
    assert!(matches!(reply.status, 200 | 301 | 404 | 503), "{path}: {}", reply.status);
    let text = String::from_utf8_lossy(&reply.body);
    assert!(!text.contains("only-outside"), "{path}: a name from outside: {text}");
    for (place, secret) in SECRETS {
        assert!(!text.contains(secret), "{path}: the secret {place}");
    }
}

fn race(set_up: impl Fn(Files) -> Files) {
    let tree = Tree::new();
    prepare(tree.path());
    let target = Target::serving(&tree, set_up(Files::open(tree.root()).unwrap()));
    let (address, stop) = (target.http(), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| swap(tree.path(), &stop));
        let clients = [(); 2].map(|()| scope.spawn(move || ask(address)));
        let ended = clients.map(thread::ScopedJoinHandle::join);
        stop.store(true, Ordering::Relaxed);
        for result in ended {
            result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}

#[test]
fn no_change_of_places_gives_a_secret_away() {
    race(|files| files.memory(0));
}

#[test]
fn no_change_of_places_gives_a_secret_away_from_memory() {
    race(|files| files.revalidate_after(Duration::ZERO));
}

#[test]
fn no_change_of_places_gives_a_secret_away_in_a_listing() {
    race(|files| files.listing(true).no_index().memory(0));
}
