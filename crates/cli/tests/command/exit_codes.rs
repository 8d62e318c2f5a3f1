//! `--help`, and an exit code and a text for everything that can be wrong at the start.

use std::net::TcpListener;
use std::process::Output;

use crate::narae::narae;

fn run(arguments: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    narae(home.path()).args(arguments).output().unwrap()
}

#[track_caller]
fn check(arguments: &[&str], code: i32, wants: &[&str]) {
    let output = run(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    for want in wants {
        assert!(said.contains(want), "{arguments:?} did not say {want:?} but: {said}");
    }
}

#[test]
fn help_teaches() {
    let output = run(&["--help"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for want in ["serve", "demo", "hash-password", "completions", "narae.toml", "Exit codes", "Examples"] {
        assert!(text.contains(want), "{want} is not in:\n{text}");
    }
    let output = run(&["help", "serve"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for want in ["--http", "--https", "--cert", "--key", "--workers", "--log", "127.0.0.1:8080"] {
        assert!(text.contains(want), "{want} is not in:\n{text}");
    }
}

#[test]
fn completions_are_written_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell]);
        assert!(output.status.success());
        assert!(String::from_utf8(output.stdout).unwrap().contains("narae"), "{shell}");
    }
}

#[test]
fn a_command_line_that_makes_no_sense_is_2() {
    check(&["surve"], 2, &["surve", "serve"]);
    check(&["serve", "--http", "nonsense"], 2, &["nonsense"]);
    check(&["serve", "--workers", "9999"], 2, &["workers"]);
    check(&["serve", "--threads", "0"], 2, &["threads"]);
    check(&["status", "nobody"], 7, &["nobody"]);
    check(&["serve", "--cert", "only.pem"], 2, &["--key"]);
}

#[test]
fn a_port_in_use_is_3_and_says_how_to_find_its_owner() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let port = taken.local_addr().unwrap().port().to_string();
    check(&["serve", "--http", &address], 3, &[&address, "in use", "ss -ltnp", &port]);
}

#[test]
fn an_address_of_another_machine_is_4() {
    check(&["serve", "--http", "192.0.2.1:8080"], 4, &["192.0.2.1:8080"]);
}

#[test]
fn a_certificate_that_cannot_be_used_is_5() {
    check(
        &["serve", "--https", "127.0.0.1:0", "--cert", "/nowhere/cert.pem", "--key", "/nowhere/key.pem"],
        5,
        &["/nowhere/cert.pem"],
    );
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let output = run(&["serve", "/nowhere/public"]);
    assert_ne!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere/public"));
}

#[test]
fn a_database_that_cannot_be_opened_is_6() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    let file = file.to_str().unwrap();
    check(&["demo", "--http", "127.0.0.1:0", "--data", file], 6, &[file]);
}

#[test]
fn a_mistake_in_the_settings_file_is_2_and_named_with_its_line() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("narae.toml"), "http = \"127.0.0.1:0\"\nworkrs = 2\n").unwrap();
    let output = narae(home.path()).arg("serve").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("narae.toml:2") && said.contains("workrs"), "{said}");
}
