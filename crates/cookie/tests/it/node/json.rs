//! `json_cookies.json`: cookies that hold JSON (cookie-parser 1.4.7).

use narae_cookie::json;
use serde_json::Value;

use super::{Outcome, check};

/// A value as JavaScript sees it: it has one kind of number.
pub(super) fn as_javascript(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::from(number.as_f64().unwrap()),
        Value::Array(list) => list.iter().map(as_javascript).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), as_javascript(value))).collect(),
        other => other.clone(),
    }
}

#[test]
fn decodes_every_text_as_node_does() {
    check("json_cookies", include_str!("../vectors/json_cookies.json"), "cases", |case| {
        let text = case["str"].as_str().unwrap();
        if text == "j:1e400" {
            return Outcome::Unwritable;
        }
        let after = json::decode(text).unwrap_or_else(|| Value::from(text));
        Outcome::of(&as_javascript(&after), &as_javascript(&case["after_json_cookies"]))
    });
}

#[test]
fn encodes_what_it_decodes() {
    let value = serde_json::json!({"items": [1, "two", null], "é": {"nested": true}});
    assert_eq!(json::decode(&json::encode(&value).unwrap()), Some(value));
    assert_eq!(json::encode(&[1, 2]).unwrap(), "j:[1,2]");
}

#[test]
fn says_why_a_value_does_not_become_json() {
    let keys_that_are_lists = std::collections::BTreeMap::from([([1], "x")]);
    let error = json::encode(&keys_that_are_lists).unwrap_err().to_string();
    assert!(error.starts_with("the value does not become JSON: key must be a string"), "{error}");
}
