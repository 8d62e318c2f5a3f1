//! What the chosen peers and works need to be installed and built.
//!
//! In: [`Options`]. Out: programs that are missing, the Rust peers' binaries.

use std::path::Path;

use super::options::Options;
use crate::install::{Need, has_versioned, in_path};

/// What is needed and not here.
pub(super) fn missing(options: &Options) -> Vec<&'static Need<Options>> {
    NEEDS.iter().filter(|need| !(need.is_there)(options)).collect()
}

/// The binaries of `bench/peers` that stand in this run.
pub(super) fn rust_bins(options: &Options) -> Vec<&'static str> {
    RUST.iter().filter(|(peer, _)| options.has(peer)).map(|(_, bin)| *bin).collect()
}

pub(super) fn wants_npm(options: &Options) -> bool {
    ["express", "fastify", "express-session", "bun", "deno"].iter().any(|peer| options.has(peer))
}

fn wants_node(options: &Options) -> bool {
    ["node", "express", "fastify", "express-session"].iter().any(|peer| options.has(peer))
}

fn wants_stores(options: &Options) -> bool {
    options.measures("session-read") || options.measures("session-write")
}

fn there(programs: &[&str]) -> bool {
    programs.iter().all(|program| in_path(&[program]).is_some())
}

const RUST: [(&str, &str); 7] = [
    ("floor", "floor"),
    ("hyper", "hyper"),
    ("hyper-tls", "hyper-tls"),
    ("axum", "axum-serve"),
    ("actix", "actix"),
    ("tower-http", "tower-http"),
    ("tower-sessions", "tower-sessions"),
];

const NEEDS: [Need<Options>; 8] = [
    Need {
        name: "tools",
        why: "python3, wrk, h2load, curl, openssl, taskset: run and put load on the servers",
        packages: &["python3", "wrk", "nghttp2-client", "curl", "openssl", "util-linux"],
        service: None,
        is_there: |_| there(&["python3", "wrk", "h2load", "curl", "openssl", "taskset"]),
    },
    Need {
        name: "nginx",
        why: "a peer; also reloaded and started beside narae",
        packages: &["nginx-light"],
        service: Some("nginx"),
        is_there: |options| !options.has("nginx") || there(&["nginx"]),
    },
    Need {
        name: "h2o",
        why: "a peer",
        packages: &["h2o"],
        service: Some("h2o"),
        is_there: |options| !options.has("h2o") || there(&["h2o"]),
    },
    Need {
        name: "caddy",
        why: "a peer",
        packages: &["caddy"],
        // Its package has a unit for systemd and no script: where that runs, stop it by hand.
        service: None,
        is_there: |options| !options.has("caddy") || there(&["caddy"]),
    },
    Need {
        name: "node",
        why: "runs Express and Fastify, and is a peer",
        packages: &["nodejs"],
        service: None,
        is_there: |options| !wants_node(options) || there(&["node"]),
    },
    Need {
        name: "npm",
        why: "gets the peers from npm",
        packages: &["npm"],
        service: None,
        is_there: |options| !wants_npm(options) || there(&["npm"]),
    },
    Need {
        name: "redis",
        why: "keeps sessions",
        packages: &["redis-server"],
        service: Some("redis-server"),
        is_there: |options| !wants_stores(options) || there(&["redis-server"]),
    },
    Need {
        name: "postgresql",
        why: "keeps sessions",
        packages: &["postgresql"],
        service: Some("postgresql"),
        is_there: |options| {
            !wants_stores(options) || has_versioned(Path::new("/usr/lib/postgresql"), "bin/postgres")
        },
    },
];

#[cfg(test)]
mod tests {
    use super::super::options::{Options, Parsed, parse};
    use super::{RUST, rust_bins, wants_node, wants_npm, wants_stores};

    fn options(line: &str) -> Options {
        match parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()) {
            Ok(Parsed::Run(options)) => options,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn only_chosen_peers_are_built_and_installed() {
        let told = options("hello --peers axum,nginx");
        assert_eq!(rust_bins(&told), ["axum-serve"]);
        assert!(!wants_npm(&told) && !wants_node(&told) && !wants_stores(&told));
        assert!(wants_npm(&options("--peers bun")) && !wants_node(&options("--peers bun")));
        let everything = options("");
        assert!(rust_bins(&everything).len() == RUST.len() && wants_stores(&everything));
    }
}
