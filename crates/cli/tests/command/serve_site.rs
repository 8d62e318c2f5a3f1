//! `narae serve`: everything that can be chosen for a site, on the command line and in `narae.toml`.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::narae;
use crate::program::{Program, ask};

/// Older than a second, so that tags are strong.
fn write(folder: &Path, name: &str, content: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)).unwrap();
}

fn site() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "site/index.html", "<h1>home</h1>");
    write(folder.path(), "site/about.html", "about");
    write(folder.path(), "site/404.html", "nothing here");
    write(folder.path(), "site/assets/app.3f2a9c1b.js", &"let x = 1;\n".repeat(200));
    write(folder.path(), "site/files/a.txt", "a");
    folder
}

fn start(folder: &Path, arguments: &[&str]) -> (Program, SocketAddr) {
    let all = [&["serve", "site", "--http", "127.0.0.1:0"][..], arguments].concat();
    let mut program = narae::start(folder, &all);
    let address = program.address("http://");
    (program, address)
}

/// One answer to a GET with these fields.
fn get(address: SocketAddr, path: &str, fields: &str) -> String {
    ask(address, &format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n{fields}\r\n"))
}

#[track_caller]
fn check(answer: &str, status: u16, wants: &[&str]) {
    assert_eq!(answer.split(' ').nth(1), Some(&*status.to_string()), "{answer}");
    let lower = answer.to_ascii_lowercase();
    for want in wants {
        assert!(lower.contains(&want.to_ascii_lowercase()), "{want:?} is not in {answer}");
    }
}

#[test]
fn a_single_page_answers_for_its_routes() {
    let folder = site();
    let (_program, address) = start(folder.path(), &["--spa"]);
    check(&get(address, "/users/7", ""), 200, &["<h1>home</h1>", "text/html"]);
    check(&get(address, "/gone.js", ""), 404, &[]);
    let (_program, address) = start(folder.path(), &["--name", "other", "--spa=about.html"]);
    check(&get(address, "/users/7", ""), 200, &["about"]);
}

#[test]
fn folders_can_be_listed() {
    let folder = site();
    let (_program, address) = start(folder.path(), &["--listing"]);
    check(&get(address, "/files/", ""), 200, &["href=\"./a.txt\"", "text/html"]);
    check(&get(address, "/files/", "Accept: application/json\r\n"), 200, &["\"name\":\"a.txt\""]);
    check(&get(address, "/", ""), 200, &["<h1>home</h1>"]);
}

#[test]
fn pages_stand_in_for_what_is_not_there() {
    let folder = site();
    let (_program, address) = start(folder.path(), &["--extensions", "html", "--not-found", "404.html"]);
    check(&get(address, "/about", ""), 200, &["about"]);
    check(&get(address, "/gone", ""), 404, &["nothing here"]);
}

#[test]
fn caching_goes_by_pattern_by_name_and_by_the_rest() {
    let folder = site();
    let arguments = ["--cache", "*.html: no-store", "--cache", "max-age=60", "--immutable"];
    let (_program, address) = start(folder.path(), &arguments);
    check(&get(address, "/", ""), 200, &["cache-control: no-store"]);
    check(&get(address, "/files/a.txt", ""), 200, &["cache-control: max-age=60"]);
    check(&get(address, "/assets/app.3f2a9c1b.js", ""), 200, &["max-age=31536000, immutable"]);
}

#[test]
fn text_is_compressed_unless_that_is_off() {
    let folder = site();
    let accept = "Accept-Encoding: gzip, br\r\n";
    for (arguments, wants) in [
        (&[][..], &["content-encoding: br", "vary: accept-encoding"][..]),
        (&["--compress"][..], &["content-encoding: br"][..]),
        (&["--compress=off"][..], &["content-length: 2200"][..]),
        (&["--compress=siblings"][..], &["content-length: 2200", "vary: accept-encoding"][..]),
        (&["--memory", "0"][..], &["content-length: 2200"][..]),
    ] {
        let (_program, address) = start(folder.path(), arguments);
        check(&get(address, "/assets/app.3f2a9c1b.js", accept), 200, wants);
    }
}

#[test]
fn fields_are_on_every_answer() {
    let folder = site();
    let fields =
        ["X-Frame-Options: DENY", "Link: </a>", "Link: </b>", "Vary: Cookie", "X-Content-Type-Options: x"];
    let arguments: Vec<&str> = fields.iter().flat_map(|field| ["--header", field]).collect();
    let (_program, address) = start(folder.path(), &arguments);
    let answer = get(address, "/", "");
    check(
        &answer,
        200,
        &["x-frame-options: deny", "link: </a>", "link: </b>", "vary: cookie", "vary: accept-encoding"],
    );
    assert!(!answer.contains("nosniff"), "{answer}");
    check(&get(address, "/gone", ""), 404, &["x-frame-options: deny"]);
}

#[test]
fn pages_of_other_origins_may_read_what_they_are_allowed_to() {
    let folder = site();
    let (_program, address) = start(folder.path(), &["--cors"]);
    check(&get(address, "/", "Origin: https://any.example\r\n"), 200, &["access-control-allow-origin: *"]);
    let (_program, address) = start(folder.path(), &["--name", "named", "--cors=https://app.example"]);
    let allowed = "access-control-allow-origin: https://app.example";
    check(&get(address, "/", "Origin: https://app.example\r\n"), 200, &[allowed, "vary: origin"]);
    let other = get(address, "/", "Origin: https://other.example\r\n");
    assert!(!other.contains("access-control-allow-origin"), "{other}");
    let preflight = "OPTIONS / HTTP/1.0\r\nHost: localhost\r\nOrigin: https://app.example\r\n\
                     Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: range\r\n\r\n";
    check(&ask(address, preflight), 200, &[allowed, "access-control-allow-headers: authorization,", "range"]);
}

/// `secret`, hashed with bcrypt at its lowest cost.
fn hash() -> String {
    narae_hash("secret")
}

fn narae_hash(password: &str) -> String {
    use std::io::Write;
    let home = tempfile::tempdir().unwrap();
    let mut command = narae::narae(home.path());
    command.args(["hash-password", "--cost", "4"]).stdin(std::process::Stdio::piped());
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

// alice:secret, alice:wrong, bob:secret
const RIGHT: &str = "Authorization: Basic YWxpY2U6c2VjcmV0\r\n";
const WRONG: &str = "Authorization: Basic YWxpY2U6d3Jvbmc=\r\n";
const NOBODY: &str = "Authorization: Basic Ym9iOnNlY3JldA==\r\n";

#[test]
fn a_password_is_asked_for_and_other_origins_may_ask_before() {
    let folder = site();
    let user = format!("alice:{}", hash());
    let arguments = ["--auth", &user, "--cors=https://app.example", "--header", "X-Robots-Tag: none"];
    let (_program, address) = start(folder.path(), &arguments);
    for fields in ["", WRONG, NOBODY] {
        check(&get(address, "/", fields), 401, &["www-authenticate: basic realm=", "x-robots-tag: none"]);
    }
    check(&get(address, "/gone", ""), 401, &[]);
    check(&get(address, "/", RIGHT), 200, &["<h1>home</h1>"]);
    check(&get(address, "/", RIGHT), 200, &["<h1>home</h1>"]);
    let preflight = "OPTIONS / HTTP/1.0\r\nHost: localhost\r\nOrigin: https://app.example\r\n\
                     Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: authorization\r\n\r\n";
    check(&ask(address, preflight), 200, &["access-control-allow-credentials: true"]);
}

#[test]
fn the_same_stands_in_the_settings_file_and_flags_win_over_it() {
    let folder = site();
    let settings = format!(
        "http = \"127.0.0.1:0\"\n[serve]\nfolder = \"site\"\nspa = true\nlisting = true\nindex = [\"none.html\"]\n\
         not_found = \"404.html\"\nextensions = [\"html\"]\ndotfiles = \"deny\"\n\
         cache = [\"*.txt: max-age=1\", \"max-age=2\"]\nimmutable = true\ncompress = \"off\"\nmemory = \"1MiB\"\n\
         headers = [\"X-A: 1\"]\ncors = [\"*\"]\nauth = [\"alice:{}\"]\n",
        hash()
    );
    std::fs::create_dir(folder.path().join("conf")).unwrap();
    std::fs::write(folder.path().join("narae.toml"), settings).unwrap();
    let mut program = narae::start(folder.path(), &["serve"]);
    let address = program.address("http://");
    let with = |fields: &str| format!("{RIGHT}{fields}");
    check(&get(address, "/", ""), 401, &["x-a: 1", "access-control-allow-origin: *"]);
    check(&get(address, "/", RIGHT), 200, &["href=\"./about.html\""]);
    check(&get(address, "/about", RIGHT), 200, &["cache-control: max-age=2"]);
    check(&get(address, "/files/a.txt", RIGHT), 200, &["cache-control: max-age=1"]);
    check(&get(address, "/.env", RIGHT), 403, &[]);
    check(&get(address, "/some/route", RIGHT), 200, &["<h1>home</h1>"]);
    check(&get(address, "/gone.js", RIGHT), 404, &["nothing here"]);
    let accepted = with("Accept-Encoding: br\r\n");
    check(&get(address, "/assets/app.3f2a9c1b.js", &accepted), 200, &["immutable", "content-length: 2200"]);
    let arguments =
        ["serve", "--name", "flags", "--cache", "no-store", "--header", "X-B: 2", "--compress=on"];
    let mut program = narae::start(folder.path(), &arguments);
    let address = program.address("http://");
    let answer = get(address, "/files/a.txt", RIGHT);
    check(&answer, 200, &["cache-control: no-store", "x-b: 2"]);
    assert!(!answer.contains("x-a"), "{answer}");
    check(&get(address, "/assets/app.3f2a9c1b.js", &accepted), 200, &["content-encoding: br"]);
}

#[test]
fn a_reload_takes_up_what_the_file_says_now() {
    let folder = site();
    let path = folder.path().join("narae.toml");
    let settings = |value: &str| {
        format!("http = \"127.0.0.1:0\"\n[serve]\nfolder = \"site\"\nheaders = [\"X-V: {value}\"]\n")
    };
    std::fs::write(&path, settings("old")).unwrap();
    let mut program = narae::start(folder.path(), &["serve", "--workers", "1"]);
    let address = program.address("http://");
    check(&get(address, "/", ""), 200, &["x-v: old"]);
    std::fs::write(&path, settings("new")).unwrap();
    let output = narae::narae(folder.path()).args(["reload", "serve"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    check(&get(address, "/", ""), 200, &["x-v: new"]);
}

#[test]
fn a_mistake_names_its_place_and_what_is_allowed() {
    let refused = |settings: &str, arguments: &[&str], wants: &[&str]| {
        let folder = site();
        std::fs::write(folder.path().join("narae.toml"), settings).unwrap();
        let arguments = [&["serve", "site", "--http", "127.0.0.1:0"][..], arguments].concat();
        let output = narae::narae(folder.path()).args(&arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?} {settings}: {said}");
        for want in wants {
            assert!(said.contains(want), "{arguments:?} {settings}: {want:?} is not in {said}");
        }
    };
    refused("", &["--cache", "*.html"], &["--cache", "*.html: no-cache"]);
    refused("", &["--header", "oops"], &["--header", "Name: value"]);
    refused("", &["--header", "Content-Length: 1"], &["the server's"]);
    refused("", &["--cors=app.example"], &["--cors", "https://app.example"]);
    refused("", &["--auth", "alice:secret"], &["--auth", "narae hash-password"]);
    refused("", &["--compress=zip"], &["zip", "siblings"]);
    refused("", &["--memory", "many"], &["--memory", "2MiB"]);
    refused("", &["--spa=none.html"], &["spa", "none.html"]);
    refused("", &["--not-found", "none.html"], &["not-found", "none.html"]);
    refused("[serve]\nspa = 7\n", &[], &["narae.toml:2:7", "serve.spa", "name of a page"]);
    refused("[serve]\nlistings = true\n", &[], &["narae.toml:2:1", "listing"]);
    refused("[serve]\nheaders = [\"oops\"]\n", &[], &["narae.toml:2:11", "Name: value"]);
    refused("[serve]\nauth = [\"alice:secret\"]\n", &[], &["narae.toml:2:8", "narae hash-password"]);
    let twice = format!("[serve]\nauth = [\"a:{0}\", \"a:{0}\"]\n", hash());
    refused(&twice, &[], &["auth", "twice"]);
}

#[test]
fn a_folder_with_a_hundred_thousand_files_is_served_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for part in 0..100 {
        let part = folder.path().join(format!("site/{part:02}"));
        std::fs::create_dir_all(&part).unwrap();
        for number in 0..1000 {
            std::fs::File::create(part.join(format!("{number:03}.txt"))).unwrap();
        }
    }
    std::fs::write(folder.path().join("site/99/999.txt"), "the last").unwrap();
    let (_program, address) = start(folder.path(), &["--workers", "1"]);
    check(&get(address, "/99/999.txt", ""), 200, &["the last"]);
}
