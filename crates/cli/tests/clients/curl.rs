//! curl: every protocol and the corners of the command line.

use std::fs::File;
use std::process::Command;

use crate::{Demo, narae, run};

/// The four ways to the same site.
const WAYS: [(&str, bool, &str); 4] = [
    ("--http1.1", false, "1.1"),
    ("--http2-prior-knowledge", false, "2"),
    ("--http1.1", true, "1.1"),
    ("--http2", true, "2"),
];

fn curl(arguments: &[&str]) -> String {
    run(Command::new("curl")
        .args(["--silent", "--show-error", "--insecure", "--max-time", "60"])
        .args(arguments))
}

fn in_every_way(path: &str, arguments: &[&str], check: impl Fn(&str, String)) {
    let demo = Demo::start();
    for (flag, secure, version) in WAYS {
        let url = if secure { demo.https(path) } else { demo.http(path) };
        let mut all = vec![flag, "--write-out", "\n%{http_version} %{http_code}"];
        all.extend(arguments);
        all.push(&url);
        check(version, curl(&all));
    }
}

#[test]
fn a_page_comes_over_every_protocol() {
    in_every_way("/", &[], |version, out| {
        assert!(out.contains("</html>") && out.ends_with(&format!("\n{version} 200")), "{out}");
    });
}

#[test]
fn head_has_the_fields_and_no_body() {
    in_every_way("/about", &["--head"], |version, out| {
        assert!(out.to_lowercase().contains("content-length: "), "{out}");
        assert!(!out.contains("<html"), "{out}");
        assert!(out.ends_with(&format!("\n{version} 200")), "{out}");
    });
}

#[test]
fn options_names_the_methods() {
    in_every_way("/api/users", &["--request", "OPTIONS", "--include"], |version, out| {
        let allow = out.lines().find(|line| line.to_lowercase().starts_with("allow:")).unwrap();
        for method in ["GET", "HEAD", "POST", "OPTIONS"] {
            assert!(allow.contains(method), "{allow}");
        }
        assert!(out.ends_with(&format!("\n{version} 204")), "{out}");
    });
}

#[test]
fn a_user_is_created_replaced_patched_and_deleted() {
    let demo = Demo::start();
    for (flag, secure, _) in WAYS {
        let url = |path: &str| if secure { demo.https(path) } else { demo.http(path) };
        let created = curl(&[flag, "--json", r#"{"name":"Ada"}"#, &url("/api/users")]);
        let user: serde_json::Value = serde_json::from_str(&created).unwrap();
        let one = url(&format!("/api/users/{}", user["id"]));
        let replaced = curl(&[flag, "-X", "PUT", "--json", r#"{"name":"Ada L.","role":"pilot"}"#, &one]);
        assert!(replaced.contains("Ada L."), "{replaced}");
        let patched = curl(&[flag, "-X", "PATCH", "--json", r#"{"starred":true}"#, &one]);
        assert!(patched.contains("Ada L.") && patched.contains("true"), "{patched}");
        let code = ["--output", "/dev/null", "--write-out", "%{http_code}"];
        let deleted = curl(&[&[flag, "-X", "DELETE", &one], code.as_slice()].concat());
        assert_eq!(deleted, "204");
        assert_eq!(curl(&[&[flag, one.as_str()], code.as_slice()].concat()), "404");
    }
}

#[test]
fn an_upload_that_is_too_large_is_answered_413() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    File::create(&path).unwrap().set_len(50_000_000).unwrap();
    let upload = format!("@{}", path.display());
    for expect in ["Expect:", "Expect: 100-continue"] {
        let arguments =
            ["--header", expect, "--header", "Content-Type: application/json", "--data-binary", &upload];
        in_every_way("/api/users", &arguments, |version, out| {
            assert!(out.ends_with(&format!("\n{version} 413")), "{expect} {out}");
        });
    }
}

#[test]
fn a_download_of_two_gibibytes_is_whole_and_can_be_resumed() {
    const SIZE: u64 = 2 * 1024 * 1024 * 1024 + 7;
    let folder = tempfile::tempdir().unwrap();
    // Sparse: its size is real, its bytes are zeros that take no space.
    File::create(folder.path().join("big.bin")).unwrap().set_len(SIZE).unwrap();
    let mut program = narae::start(
        folder.path(),
        &["serve", ".", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--log", "off"],
    );
    let plain = format!("http://{}/big.bin", program.address("http://"));
    let tls = format!("https://localhost:{}/big.bin", program.address("https://").port());
    let size = ["--output", "/dev/null", "--write-out", "%{size_download} %{http_code}"];
    assert_eq!(curl(&[&[plain.as_str()], size.as_slice()].concat()), format!("{SIZE} 200"));
    let from = SIZE - 1000;
    let resumed = ["--continue-at", &from.to_string(), &tls];
    assert_eq!(curl(&[resumed.as_slice(), size.as_slice()].concat()), "1000 206");
    let range = ["--range", "2147483647-2147483650", &plain];
    assert_eq!(curl(&[range.as_slice(), size.as_slice()].concat()), "4 206");
}

#[test]
fn no_path_leads_out_of_the_folder() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("public");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(home.path().join("secret"), "secret").unwrap();
    std::fs::write(folder.join("index.html"), "home").unwrap();
    std::os::unix::fs::symlink(home.path().join("secret"), folder.join("link")).unwrap();
    let mut program = narae::start(home.path(), &["serve", "public", "--http", "127.0.0.1:0"]);
    let address = program.address("http://");
    for path in [
        "/../secret",
        "/..%2fsecret",
        "/%2e%2e/secret",
        "/a/../../secret",
        "/..\\secret",
        "/%2e%2e%5csecret",
        "//secret",
        "/./../secret",
        "/link",
        "/public/../../secret",
        "/..%00/secret",
        "/..;/secret",
        "/%252e%252e/secret",
        "/..%c0%afsecret",
    ] {
        let out = curl(&["--path-as-is", "--write-out", "%{http_code}", &format!("http://{address}{path}")]);
        assert!(!out.contains("secret") || out.ends_with("404") || out.ends_with("400"), "{path}: {out}");
        assert!(out.ends_with("404") || out.ends_with("400"), "{path}: {out}");
    }
}

/// http and https have a session each, since the cookie of https is one that plain http cannot plant.
#[test]
fn a_session_goes_on_from_one_version_of_http_to_the_other() {
    let demo = Demo::start();
    let folder = tempfile::tempdir().unwrap();
    let jar = folder.path().join("jar").display().to_string();
    let mut counts = Vec::new();
    for (flag, secure, _) in WAYS {
        let path = "/api/account/visits";
        let url = if secure { demo.https(path) } else { demo.http(path) };
        let post = ["--json", "{}", "--cookie", &jar, "--cookie-jar", &jar];
        let answer = curl(&[&[flag][..], &post, &[&url]].concat());
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        counts.push(answer["visits"].as_u64().unwrap_or_else(|| panic!("{answer}")));
    }
    assert_eq!(counts, [1, 2, 1, 2]);
    let jar = std::fs::read_to_string(jar).unwrap();
    assert!(jar.contains("\tsid\t") && jar.contains("\t__Host-sid\t"), "{jar}");
    assert!(
        jar.lines().filter(|line| line.contains("sid")).all(|line| line.starts_with("#HttpOnly_")),
        "{jar}"
    );
}
