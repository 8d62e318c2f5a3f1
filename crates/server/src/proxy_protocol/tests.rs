//! Headers of the specification and of haproxy, and what must hold for every sequence of bytes.

use std::net::SocketAddr;

use super::v2::{SIGNATURE, crc32c};
use super::{Fault, Header, MAX_HEADER_BYTES, Origin, Parsed, parse};

fn tcp(source: &str, destination: &str) -> Origin {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    Origin::Tcp { source: address(source), destination: address(destination) }
}

/// A whole header is read, whatever follows it; every shorter piece of it needs more.
#[track_caller]
fn reads(bytes: &[u8], origin: Origin) {
    let header = Header { origin, length: bytes.len() };
    assert_eq!(parse(bytes), Parsed::Header(header));
    for after in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), b"\r", b"\n", &[0xff; 5000]] {
        assert_eq!(parse(&[bytes, after].concat()), Parsed::Header(header));
    }
    for length in 0..bytes.len() {
        assert_eq!(parse(&bytes[..length]), Parsed::More, "{length} bytes");
    }
}

#[track_caller]
fn refuses(bytes: &[u8], fault: Fault) {
    assert_eq!(parse(bytes), Parsed::Malformed(fault), "{}", bytes.escape_ascii());
}

/// A header of version 2.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [&SIGNATURE, [command, family].as_slice(), &length, rest].concat()
}

/// From 192.0.2.1:4660 to 198.51.100.2:443.
const TCP4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 0x12, 0x34, 0x01, 0xbb];

fn tcp4() -> Origin {
    tcp("192.0.2.1:4660", "198.51.100.2:443")
}

fn tcp6() -> Vec<u8> {
    let source = "2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap().octets();
    let destination = "2001:db8::2".parse::<std::net::Ipv6Addr>().unwrap().octets();
    [&source[..], &destination, &[0x12, 0x34, 0x01, 0xbb]].concat()
}

/// With the checksum of haproxy, in a TLV.
fn with_checksum() -> Vec<u8> {
    let tlvs = [&TCP4[..], &[0x01, 0, 2, b'h', b'2', 0x03, 0, 4, 0, 0, 0, 0, 0x04, 0, 0]].concat();
    let mut header = v2(0x21, 0x11, &tlvs);
    let sum = crc32c(header.iter().copied()).to_be_bytes();
    let at = header.len() - 7;
    header[at..at + 4].copy_from_slice(&sum);
    header
}

mod s2_1_version_1 {
    use super::*;

    #[test]
    fn tcp_over_ipv4_and_ipv6() {
        reads(
            b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
            tcp("192.168.0.1:56324", "192.168.0.11:443"),
        );
        reads(b"PROXY TCP6 2001:db8::1 ::1 0 65535\r\n", tcp("[2001:db8::1]:0", "[::1]:65535"));
    }

    #[test]
    fn the_longest_lines_of_the_specification() {
        let line = b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n";
        assert_eq!(line.len(), 56);
        reads(line, tcp("255.255.255.255:65535", "255.255.255.255:65535"));
        let full = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        let line = format!("PROXY TCP6 {full} {full} 65535 65535\r\n");
        assert_eq!(line.len(), 104);
        let address = format!("[{full}]:65535");
        reads(line.as_bytes(), tcp(&address, &address));
        let line = format!("PROXY UNKNOWN {full} {full} 65535 65535\r\n");
        assert_eq!(line.len(), 107);
        reads(line.as_bytes(), Origin::Socket);
    }

    #[test]
    fn what_follows_unknown_is_ignored() {
        reads(b"PROXY UNKNOWN\r\n", Origin::Socket);
        reads(b"PROXY UNKNOWN \xff anything\r\n", Origin::Socket);
    }

    #[test]
    fn ipv4_inside_ipv6_is_ipv4() {
        reads(b"PROXY TCP6 ::ffff:10.0.0.1 ::1 1 2\r\n", tcp("10.0.0.1:1", "[::1]:2"));
    }

    #[test]
    fn a_line_that_does_not_end_in_time() {
        let long = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 92]].concat();
        assert_eq!(parse(&long), Parsed::More);
        refuses(&[long.as_slice(), b"\r\n"].concat(), Fault::Line);
        refuses(&[long.as_slice(), b"x"].concat(), Fault::Line);
        for line in [b"PROXY UNKNOWN\n".as_slice(), b"PROXY UNKNOWN\rx", b"PROXY UNKNOWN \n\r\n"] {
            refuses(line, Fault::Line);
        }
    }

    #[test]
    fn fields_that_are_none() {
        for line in [
            "PROXY \r\n",
            "PROXY TCP4\r\n",
            "PROXY TCP4 \r\n",
            "PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n",
            "PROXY tcp4 1.1.1.1 1.1.1.1 1 1\r\n",
            "PROXY UNKNOWNX\r\n",
            "PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n",
            "PROXY TCP4 1.1.1.1 1.1.1.1 1 1 \r\n",
            "PROXY TCP4 1.1.1.1  1.1.1.1 1 1\r\n",
            "PROXY TCP4 1.1.1.1\t1.1.1.1 1 1\r\n",
            "PROXY TCP4 1.1.1.256 1.1.1.1 1 1\r\n",
            "PROXY TCP4 1.1.1 1.1.1.1 1 1\r\n",
            "PROXY TCP4 ::1 ::1 1 1\r\n",
            "PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n",
            "PROXY TCP6 fe80::1%1 ::1 1 1\r\n",
            "PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n",
            "PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n",
            "PROXY TCP4 1.1.1.1 1.1.1.1 +1 1\r\n",
            "PROXY TCP4 1.1.1.1 1.1.1.1 1 \r\n",
            "PROXY TCP4 \u{661}.1.1.1 1.1.1.1 1 1\r\n",
        ] {
            refuses(line.as_bytes(), Fault::Fields);
        }
        refuses(b"PROXY TCP4 \xff 1.1.1.1 1 1\r\n", Fault::Fields);
    }
}

mod s2_2_version_2 {
    use super::*;

    #[test]
    fn tcp_over_ipv4_and_ipv6() {
        reads(&v2(0x21, 0x11, &TCP4), tcp4());
        reads(&v2(0x21, 0x21, &tcp6()), tcp("[2001:db8::1]:4660", "[2001:db8::2]:443"));
    }

    #[test]
    fn a_unix_socket() {
        reads(&v2(0x21, 0x31, &[b'/'; 216]), Origin::Unix);
    }

    #[test]
    fn local_is_the_proxy_itself_whatever_else_is_said() {
        reads(&v2(0x20, 0x00, &[]), Origin::Socket);
        reads(&v2(0x20, 0x11, &TCP4), Origin::Socket);
        reads(&v2(0x20, 0xff, &[0xff; 100]), Origin::Socket);
    }

    #[test]
    fn families_without_streams_say_nothing() {
        for family in [0x00, 0x12, 0x22, 0x32] {
            reads(&v2(0x21, family, &[0xff; 40]), Origin::Socket);
        }
    }

    #[test]
    fn other_versions_commands_and_families_are_refused() {
        for command in (0..=0xff).filter(|command| !matches!(command, 0x20 | 0x21)) {
            refuses(&v2(command, 0x11, &TCP4), Fault::Command);
        }
        for family in [0x41, 0x13, 0x1f, 0xf1, 0xff] {
            refuses(&v2(0x21, family, &TCP4), Fault::Family);
        }
    }

    #[test]
    fn a_length_must_have_room_for_the_addresses_and_an_end() {
        refuses(&v2(0x21, 0x11, &TCP4[..11]), Fault::Length);
        refuses(&v2(0x21, 0x21, &tcp6()[..35]), Fault::Length);
        refuses(&v2(0x21, 0x31, &[0; 215]), Fault::Length);
        let longest = v2(0x20, 0, &[0; 4096]);
        assert_eq!(longest.len(), MAX_HEADER_BYTES);
        reads(&longest, Origin::Socket);
        refuses(&v2(0x20, 0, &[0; 4097])[..16], Fault::Length);
    }
}

mod s2_2_tlvs {
    use super::*;

    #[test]
    fn what_is_not_known_is_skipped() {
        let tlvs = [&TCP4[..], &[0x02, 0, 3, b'a', b'.', b'b', 0xee, 0, 0, 0x04, 0, 1, 0]].concat();
        reads(&v2(0x21, 0x11, &tlvs), tcp4());
    }

    #[test]
    fn one_that_goes_beyond_the_header_is_refused() {
        for tlv in [&[0x04][..], &[0x04, 0], &[0x04, 0, 1], &[0x04, 0xff, 0xff, 0]] {
            refuses(&v2(0x21, 0x11, &[&TCP4[..], tlv].concat()), Fault::Tlv);
        }
    }

    #[test]
    fn the_checksum_is_that_of_rfc_3720() {
        assert_eq!(crc32c([0; 32].into_iter()), 0x8a91_36aa);
        assert_eq!(crc32c([0xff; 32].into_iter()), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789".iter().copied()), 0xe306_9283);
    }

    #[test]
    fn a_header_with_its_checksum_is_read_and_no_changed_byte_of_it_goes_unseen() {
        let header = with_checksum();
        reads(&header, tcp4());
        for at in 0..header.len() {
            for bit in 0..8 {
                let mut changed = header.clone();
                changed[at] ^= 1 << bit;
                // A changed command (LOCAL), family or length may read less of the header than the checksum covers.
                if !(12..16).contains(&at) && !(28..=35).contains(&at) {
                    assert!(matches!(parse(&changed), Parsed::Malformed(_)), "byte {at}, bit {bit}");
                }
            }
        }
        refuses(&v2(0x21, 0x11, &[&TCP4[..], &[0x03, 0, 3, 0, 0, 0]].concat()), Fault::Checksum);
    }
}

mod every_sequence_of_bytes {
    use super::*;

    #[track_caller]
    fn is_sound(bytes: &[u8]) {
        let parsed = parse(bytes);
        match parsed {
            Parsed::Header(header) => {
                assert!(header.length <= bytes.len() && header.length <= MAX_HEADER_BYTES);
                assert_eq!(parse(&bytes[..header.length]), parsed);
                assert_eq!(parse(&bytes[..header.length - 1]), Parsed::More);
            }
            Parsed::More => assert!(bytes.len() < MAX_HEADER_BYTES),
            // Nothing that follows can mend it.
            Parsed::Malformed(_) => assert_eq!(parse(&[bytes, b"\r\n\0"].concat()), parsed),
        }
    }

    #[test]
    fn of_two_bytes_is_a_beginning_or_missing() {
        for first in 0..=255 {
            for second in 0..=255 {
                let expected = match [first, second] {
                    [b'P', b'R'] | [b'\r', b'\n'] => Parsed::More,
                    _ => Parsed::Malformed(Fault::Missing),
                };
                assert_eq!(parse(&[first, second]), expected);
            }
        }
        assert_eq!(parse(b""), Parsed::More);
    }

    #[test]
    fn with_one_byte_changed_is_read_soundly_or_refused() {
        let full = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        for header in [
            b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n".to_vec(),
            format!("PROXY UNKNOWN {full} {full} 65535 65535\r\n").into_bytes(),
            v2(0x21, 0x11, &TCP4),
            v2(0x21, 0x21, &tcp6()),
            v2(0x20, 0, &[]),
            with_checksum(),
        ] {
            for at in 0..header.len() {
                for byte in 0..=255 {
                    let mut changed = header.clone();
                    changed[at] = byte;
                    is_sound(&changed);
                    changed.extend_from_slice(b"GET / HTTP/1.1\r\n\r\n");
                    is_sound(&changed);
                }
            }
        }
    }

    #[test]
    fn at_random_behind_a_good_beginning_is_read_soundly_or_refused() {
        // xorshift: the same bytes in every run.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        };
        for _ in 0..20_000 {
            let tail: Vec<u8> = (0..5).flat_map(|_| random()).collect();
            for start in
                [b"PROXY TCP4 ".as_slice(), b"PROXY UNKNOWN ", &SIGNATURE, &v2(0x21, 0x11, &[])[..14]]
            {
                is_sound(&[start, &tail, b"\r\n"].concat());
            }
            is_sound(&tail);
        }
    }
}
