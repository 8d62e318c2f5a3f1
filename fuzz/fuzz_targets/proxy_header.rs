//! The first bytes of connections at random: a header ends where it says, and nothing panics.
//!
//! In: bytes as they would come from a proxy.

#![no_main]

use libfuzzer_sys::fuzz_target;
use narae_server::proxy_protocol::{MAX_HEADER_BYTES, Parsed, parse};

fuzz_target!(|bytes: &[u8]| {
    let parsed = parse(bytes);
    match parsed {
        Parsed::Header(header) => {
            assert!(header.length <= bytes.len() && header.length <= MAX_HEADER_BYTES);
            let whole = &bytes[..header.length];
            assert_eq!(parse(whole), parsed, "what follows counts");
            assert_eq!(parse(&whole[..whole.len() - 1]), Parsed::More, "the last byte does not count");
        }
        Parsed::More => assert!(bytes.len() < MAX_HEADER_BYTES, "more than there may be"),
        // Nothing that follows can mend it.
        Parsed::Malformed(_) => assert_eq!(parse(&[bytes, b"\r\n\0"].concat()), parsed),
    }
});
