//! `Cookie` lines at random: both readers agree, and nothing panics.
//!
//! In: bytes; a line feed ends a header line.

#![no_main]

use libfuzzer_sys::fuzz_target;
use narae_cookie::{Cookies, SetCookie, find};

fuzz_target!(|bytes: &[u8]| {
    let lines = || bytes.split(|byte| *byte == b'\n');
    let all = Cookies::parse(lines());
    for (index, (name, value)) in all.iter().enumerate() {
        assert_eq!(find(lines(), name).as_deref(), Some(value), "{name:?}");
        assert_eq!(all.get(name), Some(value), "{name:?}");
        assert_eq!(all.iter().position(|(other, _)| other == name), Some(index), "{name:?} twice");
        if let Ok(cookie) = SetCookie::new(name, value) {
            let text = cookie.dangerous().to_header();
            assert!(text.bytes().all(|byte| (b'!'..=b'~').contains(&byte) && byte != b';'), "{text:?}");
            assert_eq!(cookie.decoded_value(), value);
        }
    }
    // Names that were not sent, or look as if they were.
    for piece in
        bytes.split(|byte| b"=;\n".contains(byte)).filter_map(|piece| std::str::from_utf8(piece).ok())
    {
        assert_eq!(find(lines(), piece).as_deref(), all.get(piece), "{piece:?}");
    }
});
