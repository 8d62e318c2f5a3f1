//! What is sent in place of a file (a compressed form, an index, a page of the application) never lies outside.
//!
//! In: stand-ins that are links out of the root, or FIFOs. Out: the answer that is due where there is none.

use std::os::unix::fs::symlink;

use narae::Files;

use super::sites::Target;
use super::tree::{SECRETS, Tree};
use crate::wire::{Reply, Wire};

fn get(tree: &Tree, files: Files, path: &str) -> Reply {
    let target = Target::serving(tree, files);
    let mut wire = Wire::plain(target.http());
    let fields = "Host: narae.test\r\nAccept-Encoding: br, zstd, gzip";
    wire.send(format!("GET {path} HTTP/1.1\r\n{fields}\r\n\r\n").as_bytes()).unwrap();
    let reply = wire.reply(false).unwrap();
    let text = String::from_utf8_lossy(&reply.body);
    for (place, secret) in SECRETS {
        assert!(!text.contains(secret), "{path} has the secret {place}");
    }
    reply
}

#[test]
fn a_compressed_form_that_lies_outside_is_not_there() {
    for beside in ["../outside/secret.txt", "fifo", "lonely-fifo", "locked/secret.txt", "zero"] {
        let tree = Tree::new();
        for suffix in ["br", "zst", "gz"] {
            symlink(beside, tree.root().join(format!("hello.txt.{suffix}"))).unwrap();
        }
        let reply = get(&tree, Files::open(tree.root()).unwrap(), "/hello.txt");
        assert_eq!((reply.status, &*reply.body), (200, &b"hello"[..]), "{beside}");
        assert_eq!(reply.field("content-encoding"), None, "{beside}");
    }
}

#[test]
fn an_index_or_page_that_lies_outside_is_not_there() {
    let tree = Tree::new();
    for page in ["out.html", "../secret.txt", "fifo", "lonely-fifo", "locked/index.html", "zero", "loop"] {
        let files = || Files::open(tree.root()).unwrap();
        for (files, path) in [
            (files().index(page), "/"),
            (files().index_files([page, "none.html"]), "/"),
            (files().single_page(page), "/route"),
            (files().not_found(page), "/none.txt"),
        ] {
            let reply = get(&tree, files, path);
            assert_eq!((reply.status, &*reply.body), (404, &b"404 Not Found\n"[..]), "{page} for {path}");
        }
    }
}
