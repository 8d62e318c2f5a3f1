//! Signed, sealed and JSON values at random: strangers' texts never verify, ours always do.
//!
//! In: text.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use narae_cookie::{Secrets, json};

static RING: LazyLock<Secrets> = LazyLock::new(|| ring(&["new", "old"]));
static OLD: LazyLock<Secrets> = LazyLock::new(|| ring(&["old"]));

fn ring(secrets: &[&str]) -> Secrets {
    Secrets::new(secrets).expect("secrets that are not empty make a ring")
}

fuzz_target!(|text: &str| {
    // The fuzzer does not know the secrets, so nothing it writes verifies.
    assert_eq!(RING.verify(text), None);
    assert_eq!(RING.verify_cookie(text), None);
    assert_eq!(RING.open("c", text), None);

    for (secrets, place) in [(&*RING, 0), (&*OLD, 1)] {
        let signed = secrets.sign_cookie(text);
        let verified = RING.verify_cookie(&signed).expect("what was signed verifies");
        assert_eq!((verified.value, verified.secret), (text, place));
        assert_eq!(RING.verify_cookie(&format!("{signed}=")), None);
        assert_eq!(RING.verify(&signed), None, "the prefix is not part of what was signed");

        let sealed = secrets.seal(text, text.as_bytes());
        let opened = RING.open(text, &sealed).expect("what was sealed opens");
        assert_eq!((opened.plain.as_slice(), opened.secret), (text.as_bytes(), place));
        assert_eq!(RING.open(&format!("{text}x"), &sealed), None);
    }

    // A value that was read is read again from what it is written as.
    if let Some(value) = json::decode(text) {
        let again = json::encode(&value).expect("a JSON value becomes JSON");
        assert!(json::decode(&again).is_some(), "{again}");
    }
});
