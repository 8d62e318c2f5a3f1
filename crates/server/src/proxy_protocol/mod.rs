//! Reads the header of the PROXY protocol, versions 1 and 2 (haproxy's `proxy-protocol.txt`, of 2020).
//!
//! In: the first bytes of a connection. Out: where the connection really comes from and how long the header
//! is, or that more is needed, or a [`Fault`]. Pure; never sees sockets, and does not decide who may send one.

#[cfg(test)]
mod tests;
mod v1;
mod v2;

use std::fmt;
use std::net::SocketAddr;

/// Longest header that is read, in bytes: the fixed part of version 2, and 4 KiB of addresses and TLVs.
/// Version 1 has at most 107.
pub const MAX_HEADER_BYTES: usize = 16 + 4096;

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The beginning of a header.
    More,
    /// A whole header, and perhaps bytes behind it.
    Header(Header),
    /// No header that can be used: the connection must be closed (§2).
    Malformed(Fault),
}

/// A header of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it says of the connection.
    pub origin: Origin,
    /// Its bytes; what follows belongs to the next protocol.
    pub length: usize,
}

/// Where a proxied connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nothing is said (`UNKNOWN`, `LOCAL`, a family that is no stream): it is as the socket says.
    Socket,
    /// TCP over IPv4 or IPv6.
    Tcp {
        /// The client.
        source: SocketAddr,
        /// Where the client connected to.
        destination: SocketAddr,
    },
    /// A Unix socket of the proxy's machine.
    Unix,
}

/// Why bytes are no usable header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The connection begins with something else.
    Missing,
    /// Version 1: no line end within 107 bytes, or a bare CR or LF (§2.1).
    Line,
    /// Version 1: not one of `TCP4`, `TCP6` and `UNKNOWN`, or not two addresses and two ports (§2.1).
    Fields,
    /// Version 2: another version, or an unknown command (§2.2).
    Command,
    /// Version 2: an unknown address family or protocol (§2.2).
    Family,
    /// Version 2: too short for its addresses, or longer than [`MAX_HEADER_BYTES`] (§2.2).
    Length,
    /// Version 2: a TLV goes beyond the header (§2.2).
    Tlv,
    /// Version 2: the checksum is wrong (§2.2.3).
    Checksum,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => {
                "no header of the PROXY protocol: let the proxy send one, or turn proxy_protocol off"
            }
            Self::Line => "version 1: no CRLF within 107 bytes",
            Self::Fields => "version 1: not PROXY, a family, two addresses and two ports",
            Self::Command => "version 2: unknown version or command",
            Self::Family => "version 2: unknown family or protocol",
            Self::Length => "version 2: too short for its addresses, or too long",
            Self::Tlv => "version 2: a TLV goes beyond the header",
            Self::Checksum => "version 2: wrong checksum",
        })
    }
}

impl std::error::Error for Fault {}

/// Reads the header at the beginning of `bytes`.
pub fn parse(bytes: &[u8]) -> Parsed {
    let begins_as = |start: &[u8]| {
        let common = start.len().min(bytes.len());
        bytes.get(..common) == start.get(..common)
    };
    let parsed = if begins_as(v1::START) {
        v1::parse(bytes)
    } else if begins_as(&v2::SIGNATURE) {
        v2::parse(bytes)
    } else {
        Err(Fault::Missing)
    };
    match parsed {
        Ok(Some(header)) => Parsed::Header(header),
        Ok(None) => Parsed::More,
        Err(fault) => Parsed::Malformed(fault),
    }
}
