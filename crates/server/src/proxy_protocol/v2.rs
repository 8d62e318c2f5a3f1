//! Version 2 of the PROXY protocol: a binary header (§2.2).
//!
//! In: bytes that begin like one. Out: a header, `None` if more is needed, or a fault. TLVs are checked for
//! their lengths and the checksum, and otherwise skipped.

use std::net::{IpAddr, SocketAddr};

use super::{Fault, Header, MAX_HEADER_BYTES, Origin};

pub(super) const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and protocol, length.
const FIXED: usize = 16;

/// The TLV type `PP2_TYPE_CRC32C`.
const CRC32C: u8 = 0x03;

pub(super) fn parse(bytes: &[u8]) -> Result<Option<Header>, Fault> {
    let Some(command) = bytes.get(12) else { return Ok(None) };
    let is_local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err(Fault::Command),
    };
    let Some(family) = bytes.get(13) else { return Ok(None) };
    // Of LOCAL everything but the length is ignored.
    let kind = if is_local { Kind::Unspecified } else { Kind::of(*family).ok_or(Fault::Family)? };
    let Some([high, low]) = bytes.get(14..FIXED) else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if FIXED + length > MAX_HEADER_BYTES || length < kind.length() {
        return Err(Fault::Length);
    }
    let Some(header) = bytes.get(..FIXED + length) else { return Ok(None) };
    let rest = header.get(FIXED..).unwrap_or_default();
    let (addresses, tlvs) = rest.split_at_checked(kind.length()).ok_or(Fault::Length)?;
    if kind != Kind::Unspecified {
        check_tlvs(header, tlvs)?;
    }
    let origin = kind.origin(addresses).ok_or(Fault::Length)?;
    Ok(Some(Header { origin, length: header.len() }))
}

/// What the addresses are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tcp4,
    Tcp6,
    Unix,
    /// Nothing to read. What is left of the header may be anything.
    Unspecified,
}

impl Kind {
    /// Valid combinations that a server over streams has no use for count as unspecified (§2.2).
    fn of(family: u8) -> Option<Self> {
        match family {
            0x11 => Some(Self::Tcp4),
            0x21 => Some(Self::Tcp6),
            0x31 => Some(Self::Unix),
            other if other >> 4 <= 3 && other & 0xf <= 2 => Some(Self::Unspecified),
            _ => None,
        }
    }

    /// Bytes of both addresses, ports included.
    fn length(self) -> usize {
        match self {
            Self::Tcp4 => 12,
            Self::Tcp6 => 36,
            Self::Unix => 216,
            Self::Unspecified => 0,
        }
    }

    fn origin(self, bytes: &[u8]) -> Option<Origin> {
        let (source, destination, ports) = match self {
            Self::Tcp4 => {
                let (source, rest) = bytes.split_first_chunk::<4>()?;
                let (destination, ports) = rest.split_first_chunk::<4>()?;
                (IpAddr::from(*source), IpAddr::from(*destination), ports)
            }
            Self::Tcp6 => {
                let (source, rest) = bytes.split_first_chunk::<16>()?;
                let (destination, ports) = rest.split_first_chunk::<16>()?;
                (IpAddr::from(*source).to_canonical(), IpAddr::from(*destination).to_canonical(), ports)
            }
            Self::Unix => return Some(Origin::Unix),
            Self::Unspecified => return Some(Origin::Socket),
        };
        let (from, rest) = ports.split_first_chunk::<2>()?;
        let (to, _) = rest.split_first_chunk::<2>()?;
        Some(Origin::Tcp {
            source: SocketAddr::new(source, u16::from_be_bytes(*from)),
            destination: SocketAddr::new(destination, u16::from_be_bytes(*to)),
        })
    }
}

/// Type, length, value, again and again (§2.2). Only the checksum means something here.
fn check_tlvs(header: &[u8], tlvs: &[u8]) -> Result<(), Fault> {
    let mut rest = tlvs;
    while let Some((kind, after)) = rest.split_first() {
        let (length, after) = after.split_first_chunk::<2>().ok_or(Fault::Tlv)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (value, after) = after.split_at_checked(length).ok_or(Fault::Tlv)?;
        if *kind == CRC32C {
            let told = <[u8; 4]>::try_from(value).map_err(|_| Fault::Checksum)?;
            // The checksum is made over the header with zeros in its own place.
            let at = header.len() - after.len() - told.len();
            let zeroed = header.iter().enumerate();
            let zeroed = zeroed.map(|(index, byte)| if (at..at + 4).contains(&index) { 0 } else { *byte });
            if crc32c(zeroed) != u32::from_be_bytes(told) {
                return Err(Fault::Checksum);
            }
        }
        rest = after;
    }
    Ok(())
}

/// CRC-32C (RFC 3720, appendix B.4), bit by bit: it is rare, and a header is short.
pub(super) fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    let fold = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| fold(crc)))
}
