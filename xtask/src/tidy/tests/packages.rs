//! The rules about packages, broken one by one.

use super::check_tree;

/// The manifest of a crate with one more table.
fn manifest(name: &str, table: &str) -> String {
    format!("[package]\nname = \"{name}\"\n[lints]\nworkspace = true\n{table}\n")
}

#[test]
fn a_neighbour_is_refused_in_every_table_and_under_every_name() {
    for table in [
        "[dependencies]\nnarae-files = \"0\"",
        "[dependencies]\nnarae-files.workspace = true",
        "[build-dependencies]\nnarae-files = { path = \"../files\" }",
        "[dev-dependencies]\nnarae-files = \"0\"",
        "[target.'cfg(unix)'.dependencies]\nnarae-files = \"0\"",
        "[dependencies]\nother = { package = \"narae-files\", version = \"0\" }",
        "[dependencies.narae-files]\nversion = \"0\"",
        "[dependencies]\nfiles.workspace = true",
    ] {
        let line = if table.contains("[dependencies.") { 5 } else { 6 };
        check_tree(
            &[
                (
                    "Cargo.toml",
                    "[workspace.dependencies]\nfiles = { package = \"narae-files\", version = \"0\" }\n",
                ),
                ("bench/peers/Cargo.toml", "[package]\nname = \"peers\"\n[lints]\nworkspace = true\n"),
                ("crates/server/Cargo.toml", &manifest("narae-server", table)),
            ],
            &[&format!("crates/server/Cargo.toml:{line}: floors | narae-files is a neighbour")],
        );
    }
}

#[test]
fn a_higher_floor_is_refused_and_a_lower_one_is_not() {
    for (package, floor) in [("narae", 1), ("narae-cli", 1), ("narae-unknown", 1), ("narae-examples", 1)] {
        let table = format!("[dependencies]\nserde = \"1\"\n{package} = \"0\"");
        let advice = if package == "narae-examples" {
            "no crate may need".to_owned()
        } else {
            format!("not on a lower floor (this is floor {floor})")
        };
        check_tree(
            &[("crates/server/Cargo.toml", &manifest("narae-server", &table))],
            &[&format!("crates/server/Cargo.toml:7: floors | {advice}")],
        );
    }
    check_tree(
        &[
            (
                "crates/narae/Cargo.toml",
                &manifest("narae", "[dependencies]\nnarae-server = \"0\"\nnarae-cookie = \"0\""),
            ),
            ("crates/narae/src/lib.rs", "//! n\n#![forbid(unsafe_code)]\n"),
            (
                "crates/cli/Cargo.toml",
                &manifest("narae-cli", "[dependencies]\nnarae = \"0\"\nnarae-files = \"0\"")
                    .replace("[lints]", "default-run = \"narae\"\n[lints]"),
            ),
            ("crates/cli/src/main.rs", "//! c\n#![forbid(unsafe_code)]\nfn main() {}\n"),
        ],
        &[],
    );
}

#[test]
fn a_package_is_known_by_its_name_wherever_it_lies() {
    check_tree(
        &[
            ("crates/files/Cargo.toml", &manifest("static-files", "")),
            ("crates/server/Cargo.toml", &manifest("narae-server", "[dependencies]\nstatic-files = \"0\"")),
        ],
        &["crates/server/Cargo.toml:6: floors | static-files is a neighbour"],
    );
}

#[test]
fn examples_and_benches_use_narae_alone_and_xtask_nothing() {
    let table = "[dependencies]\ntokio = \"1\"\nnarae = \"0\"\nnarae-server = \"0\"";
    check_tree(
        &[
            ("bench/own/Cargo.toml", &manifest("bench-own", table)),
            ("examples/Cargo.toml", &manifest("narae-examples", table)),
            ("xtask/Cargo.toml", &manifest("xtask", table)),
        ],
        &[
            "bench/own/Cargo.toml:8: floors | benches use narae alone",
            "examples/Cargo.toml:8: floors | examples use narae alone",
            "xtask/Cargo.toml:7: floors | do without narae",
            "xtask/Cargo.toml:8: floors | do without narae-server",
        ],
    );
}

#[test]
fn a_crate_without_a_floor_is_refused() {
    check_tree(
        &[
            ("crates/attic/Cargo.toml", &manifest("narae-attic", "")),
            ("crates/attic/src/lib.rs", "//! a\n#![forbid(unsafe_code)]\n"),
        ],
        &["crates/attic:1: floors | give this crate a floor"],
    );
}

#[test]
fn a_manifest_that_cannot_be_read_is_reported_with_its_line() {
    check_tree(
        &[("crates/server/Cargo.toml", "[package]\nname = narae\n")],
        &["crates/server/Cargo.toml:2: manifest"],
    );
}

#[test]
fn lints_come_from_the_workspace() {
    for table in ["", "[lints]\nworkspace = false", "[lints.rust]\nunsafe_code = \"allow\""] {
        check_tree(
            &[("crates/server/Cargo.toml", &format!("[package]\nname = \"narae-server\"\n{table}\n"))],
            &["crates/server/Cargo.toml:1: lints"],
        );
    }
}

#[test]
fn every_root_forbids_unsafe_code() {
    let two_more = "[lib]\npath = \"lib.rs\"\n[[bin]]\nname = \"b\"\npath = \"b.rs\"";
    let bad = "//! About #![forbid(unsafe_code)].\n// #![forbid(unsafe_code)]\n";
    check_tree(
        &[
            ("crates/server/Cargo.toml", &manifest("narae-server", two_more)),
            ("crates/server/b.rs", bad),
            ("crates/server/lib.rs", bad),
            ("crates/server/src/bin/c.rs", bad),
            ("crates/server/src/main.rs", bad),
            ("crates/server/src/module.rs", bad),
        ],
        &[
            "crates/server/b.rs:1: unsafe",
            "crates/server/lib.rs:1: unsafe",
            "crates/server/src/bin/c.rs:1: unsafe",
            "crates/server/src/main.rs:1: unsafe",
        ],
    );
}

#[test]
fn crates_that_need_unsafe_may_have_it_in_one_place() {
    let allows = "//! c\n#![allow(unsafe_code)]\n";
    check_tree(
        &[
            ("crates/cluster/Cargo.toml", &manifest("narae-cluster", "")),
            ("crates/cluster/src/lib.rs", "//! c\n#![deny(unsafe_code)]\n"),
            ("crates/cluster/src/sys/mod.rs", allows),
            ("crates/session/Cargo.toml", &manifest("narae-session", "")),
            ("crates/session/src/lib.rs", "//! s\n#![deny(unsafe_code)]\n"),
            ("crates/session/src/store/embedded/environment.rs", allows),
        ],
        &[],
    );
}

#[test]
fn elsewhere_in_such_a_crate_unsafe_is_refused() {
    let allows = "//! c\n\n#![allow(unsafe_code, reason = \"none\")]\n";
    check_tree(
        &[
            ("crates/cluster/Cargo.toml", &manifest("narae-cluster", "")),
            ("crates/cluster/src/lib.rs", "//! c\n"),
            ("crates/cluster/src/plan.rs", allows),
            ("crates/session/Cargo.toml", &manifest("narae-session", "")),
            ("crates/session/src/lib.rs", "//! s\n#![deny(unsafe_code)]\n"),
            ("crates/session/src/store/embedded/tables.rs", allows),
            ("crates/session/tests/it/main.rs", allows),
        ],
        &[
            "crates/cluster/src/lib.rs:1: unsafe | #![deny(unsafe_code)]",
            "crates/cluster/src/plan.rs:3: unsafe | src/sys/",
            "crates/session/src/store/embedded/tables.rs:3: unsafe | environment.rs",
            "crates/session/tests/it/main.rs:3: unsafe",
        ],
    );
}

#[test]
fn a_lock_file_that_is_older_than_the_crates_is_found() {
    let lock = |dependencies: &str| {
        format!(
            "[[package]]\nname = \"narae-server\"\nversion = \"0.1.0\"\ndependencies = [{dependencies}]\n"
        )
    };
    let crates = "[dependencies]\nhyper = \"1\"\nurl = { version = \"2\", optional = true }\n\
                  [target.'cfg(windows)'.dependencies]\nwinapi = \"0\"\n[dev-dependencies]\nrcgen = \"0\"";
    let crates = manifest("narae-server", crates);
    for (dependencies, other) in [
        ("\"hyper 1.2.3\"", None),
        ("\"hyper\", \"url\", \"winapi\"", None),
        ("\"url\"", Some("hyper")),
        ("\"hyper\", \"h2\"", Some("h2")),
    ] {
        let advice = other.map(|other| {
            format!(
                "bench/peers/Cargo.lock:1: locks | narae-server and {other}: run `cargo update --workspace`"
            )
        });
        check_tree(
            &[("crates/server/Cargo.toml", &crates), ("bench/peers/Cargo.lock", &lock(dependencies))],
            advice.as_deref().as_slice(),
        );
    }
}

#[test]
fn one_program_alone_is_the_one_that_cargo_run_means() {
    let with =
        |name: &str, line: &str| format!("[package]\nname = \"{name}\"\n{line}[lints]\nworkspace = true\n");
    let main = ("crates/cli/src/main.rs", "//! c\n#![forbid(unsafe_code)]\n");
    let advice = |path: &str| format!("{path}:1: default-run | for crates/cli alone");
    let cli = "crates/cli/Cargo.toml";
    check_tree(&[(cli, &with("narae-cli", "default-run = \"narae\"\n")), main], &[]);
    check_tree(&[(cli, &with("narae-cli", "")), main], &[&advice(cli)]);
    let load = "bench/load/Cargo.toml";
    check_tree(&[(load, &with("narae-load", "default-run = \"narae-load\"\n"))], &[&advice(load)]);
}
