//! What strangers write into `Forwarded` and `X-Forwarded-*`, at random: what the trusted proxy appends holds.
//!
//! In: bytes; a line feed ends a header line.

#![no_main]

use std::net::IpAddr;

use http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue};
use http::uri::Scheme;
use libfuzzer_sys::fuzz_target;
use narae_server::{Forwarded, Peer, TrustedProxies};

fuzz_target!(|bytes: &[u8]| {
    let client: IpAddr = [192, 0, 2, 1].into();
    let peer = Peer::Tcp(([127, 0, 0, 1], 1).into());
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let x_for = HeaderName::from_static("x-forwarded-for");
    let Ok(only_the_peer) = TrustedProxies::new(["127.0.0.1"]) else { return };
    let Ok(everyone) = TrustedProxies::new(["0.0.0.0/0", "::/0", "unix"]) else { return };
    for (name, own) in
        [(FORWARDED, &b"for=\"192.0.2.1:80\";proto=https;host=\"a\""[..]), (x_for, b"192.0.2.1")]
    {
        let mut headers = HeaderMap::new();
        for value in lines.iter().filter_map(|line| HeaderValue::from_bytes(line).ok()) {
            headers.append(name.clone(), value);
        }
        // Whoever is trusted: no panic, and the same answer again.
        let told = Forwarded::read(&everyone, peer, &headers);
        assert_eq!(Forwarded::read(&everyone, peer, &headers), told);
        // In a line of its own, and at the end of the last line.
        let mut apart = headers.clone();
        let Ok(value) = HeaderValue::from_bytes(own) else { return };
        apart.append(name.clone(), value);
        let mut together = HeaderMap::new();
        let last = lines.last().copied().unwrap_or_default();
        let Ok(value) = HeaderValue::from_bytes(&[last, b", ", own].concat()) else { continue };
        together.append(name.clone(), value);
        for headers in [apart, together] {
            let told = Forwarded::read(&only_the_peer, peer, &headers);
            assert_eq!(told.address, Some(client));
            if name == FORWARDED {
                assert_eq!(told.scheme, Some(Scheme::HTTPS));
                assert_eq!(told.host.as_ref().map(|host| host.as_str()), Some("a"));
            }
        }
    }
});
