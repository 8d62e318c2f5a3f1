//! Node: `fetch` and `node:http2`, as an application in Node would call this server.

use crate::{Demo, outside, run, script};

#[test]
fn fetch_and_http2_do_what_they_do_with_any_server() {
    let demo = Demo::start();
    let out = run(outside("NARAE_NODE", "node")
        .arg(script("js/client.mjs"))
        .args([demo.http(""), demo.https("")])
        // The development certificate is nobody's but this test's.
        .env("NODE_TLS_REJECT_UNAUTHORIZED", "0")
        .env("NODE_NO_WARNINGS", "1"));
    assert!(out.ends_with("all well\n"), "{out}");
}
