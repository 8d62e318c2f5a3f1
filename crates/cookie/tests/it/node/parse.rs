//! `cookie_parse.json`: what a `Cookie` header means (cookie 0.7.2).

use std::collections::BTreeMap;

use narae_cookie::{Cookies, find};
use serde_json::Value;

use super::{Outcome, check};

const TEXT: &str = include_str!("../vectors/cookie_parse.json");

/// Both ways of reading the lines have to agree with Node.
fn ask(lines: &[Vec<u8>], expected: &Value) -> Outcome {
    let expected: BTreeMap<String, String> = serde_json::from_value(expected.clone()).unwrap();
    let lines = || lines.iter().map(Vec::as_slice);
    let all = Cookies::parse(lines());
    let read: BTreeMap<String, String> =
        all.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert_eq!(read.len(), all.len(), "a name twice: {all:?}");
    for (name, value) in &expected {
        assert_eq!(find(lines(), name).as_deref(), Some(value.as_str()), "{name:?}");
        assert_eq!(all.get(name), Some(value.as_str()), "{name:?}");
    }
    for absent in ["__proto__", "not sent", "", "a", "foo "] {
        assert_eq!(find(lines(), absent).as_deref(), expected.get(absent).map(String::as_str), "{absent:?}");
    }
    Outcome::of(&read, &expected)
}

#[test]
fn reads_every_header_as_node_does() {
    check("cookie_parse", TEXT, "cases", |case| {
        let header = case["header"].as_str().unwrap();
        let bytes = header.chars().map(|c| u8::try_from(c).unwrap()).collect();
        ask(&[bytes], &case["v0_7_2"])
    });
}

#[test]
fn reads_every_request_on_the_wire_as_node_does() {
    check("cookie_parse", TEXT, "wire_cases", |case| {
        let lines = case["cookie_header_lines_hex"].as_array().unwrap();
        let lines: Vec<Vec<u8>> =
            lines.iter().map(|hex| super::signed::bytes(hex.as_str().unwrap())).collect();
        match &case["observed"] {
            // The server refuses control characters in fields; cookies are not asked, and do not panic.
            Value::Null => {
                let _ = Cookies::parse(lines.iter().map(Vec::as_slice));
                assert_eq!(case["status"], 400);
                Outcome::Same
            }
            observed => ask(&lines, &observed["cookies"]),
        }
    });
}
