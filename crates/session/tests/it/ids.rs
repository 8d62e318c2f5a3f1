//! Ids have express-session's form.

use narae_session::Id;
use serde_json::Value;

#[test]
fn bytes_become_the_ids_that_node_makes_of_them() {
    let vectors: Value = serde_json::from_str(include_str!("vectors/session_ids.json")).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() > 20);
    for case in cases {
        let hex = case["bytes_hex"].as_str().unwrap();
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        let id = Id::from_bytes(&bytes.try_into().unwrap());
        assert_eq!(id.as_str(), case["id"].as_str().unwrap(), "{hex}");
    }
}
