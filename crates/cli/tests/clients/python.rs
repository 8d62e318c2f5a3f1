//! Python: `requests` and `httpx`, the latter over HTTP/2 too.

use crate::{Demo, outside, run, script};

#[test]
fn requests_and_httpx_do_what_they_do_with_any_server() {
    let demo = Demo::start();
    let out = run(outside("NARAE_PYTHON", "/usr/bin/python3")
        .arg(script("client.py"))
        .args([demo.http(""), demo.https("")]));
    assert!(out.ends_with("all well\n"), "{out}");
}
