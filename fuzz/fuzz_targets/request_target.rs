//! Request paths at random: whatever they become lies beneath the root, and they become it in one step.
//!
//! In: bytes as they would follow the method; a leading slash may be missing.

#![no_main]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use libfuzzer_sys::fuzz_target;
use narae_files::{Dotfiles, beneath};

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // As it comes out of a request's head.
    if let Ok(uri) = http::Uri::try_from(bytes) {
        check(uri.path().as_bytes());
    }
});

fn check(raw: &[u8]) {
    let [ignoring, denying, allowing] =
        [Dotfiles::Ignore, Dotfiles::Deny, Dotfiles::Allow].map(|dotfiles| beneath(raw, dotfiles));
    assert_eq!(ignoring, denying, "refused with another status, but refused");
    let Some((path, is_folder)) = allowing else { return assert_eq!(ignoring, None) };
    let names = || path.split(|byte| *byte == b'/').filter(|_| !path.is_empty());
    for name in names() {
        assert!(!matches!(name, b"" | b"." | b"..") && name.len() <= 255, "{}", path.escape_ascii());
        assert!(!name.iter().any(|byte| matches!(byte, 0 | b'\\')), "{}", path.escape_ascii());
    }
    let is_hidden = names().any(|name| name.starts_with(b"."));
    assert_eq!(ignoring, (!is_hidden).then(|| (path.clone(), is_folder)));

    // Joined to a root it is what it says, name by name.
    let root = Path::new("/srv/site");
    let file = root.join(OsStr::from_bytes(&path));
    let beneath_root = file.strip_prefix(root).expect("beneath the root");
    let is_plain = |component: Component<'_>| matches!(component, Component::Normal(_));
    assert!(beneath_root.components().all(is_plain) && beneath_root.components().count() == names().count());

    // Decoded once: the same as decoding everything and then looking for slashes.
    let decoded = decode(raw);
    let found: Vec<&[u8]> = decoded.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
    assert_eq!(found, names().collect::<Vec<_>>());
    assert_eq!(is_folder, raw.ends_with(b"/"));

    // Written as a path again it leads to the same place, if it is not too long by that.
    let again: Vec<u8> = path.iter().fold(b"/".to_vec(), |mut text, byte| {
        match byte {
            b'/' => text.push(b'/'),
            other => text.extend_from_slice(format!("%{other:02x}").as_bytes()),
        }
        text
    });
    if again.len() <= 4096 {
        assert_eq!(beneath(&again, Dotfiles::Allow).map(|again| again.0), Some(path));
    }
}

/// Percent-decoding of what was accepted, and so has no broken escape.
fn decode(raw: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = raw;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let (digits, after) = after.split_at(2);
        let digits = std::str::from_utf8(digits).expect("two digits");
        decoded.push(u8::from_str_radix(digits, 16).expect("two digits"));
        rest = after;
    }
    decoded
}
