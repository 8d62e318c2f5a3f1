//! [`TrustedProxies`]: whose word on other people's addresses is believed, and in which header fields.
//!
//! In: networks as text (`10.0.0.0/8`, `::1`, `unix`). Out: yes or no for a peer. Pure.
//!
//! Not a crate for networks: all that is needed beyond the standard library's addresses is one shift, and a
//! crate would take `10.1.2.3/8` without a word.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::socket::Peer;

/// Proxies whose `Forwarded`, `X-Forwarded-*` and PROXY protocol are believed. Default: none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Arc<[Network]>,
    headers: ProxyHeaders,
}

/// Which header fields trusted proxies write. A proxy that writes the ones lets a client's others pass, so what is
/// not named here is a stranger's word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyHeaders {
    /// `X-Forwarded-*` if there is an `X-Forwarded-For`, else `Forwarded` if there is one.
    #[default]
    Auto,
    /// `Forwarded` (RFC 7239) alone.
    Forwarded,
    /// `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host` alone.
    XForwarded,
}

impl FromStr for ProxyHeaders {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "forwarded" => Ok(Self::Forwarded),
            "x-forwarded" => Ok(Self::XForwarded),
            _ => Err(format!("{text:?} is none of auto, forwarded and x-forwarded")),
        }
    }
}

impl fmt::Display for ProxyHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Forwarded => "forwarded",
            Self::XForwarded => "x-forwarded",
        })
    }
}

impl TrustedProxies {
    /// Reads `networks`: an address (`::1`), a network in CIDR notation (`10.0.0.0/8`), or `unix` for every
    /// peer of a Unix socket.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] with the text and how to write it.
    pub fn new<T: AsRef<str>>(networks: impl IntoIterator<Item = T>) -> Result<Self> {
        let networks = networks.into_iter().map(|text| text.as_ref().parse());
        let networks = networks.collect::<std::result::Result<_, _>>().map_err(Error::Setting)?;
        Ok(Self { networks, headers: ProxyHeaders::default() })
    }

    /// Believes these header fields alone. Default: [`ProxyHeaders::Auto`].
    #[must_use]
    pub fn headers(self, headers: ProxyHeaders) -> Self {
        Self { headers, ..self }
    }

    pub(crate) fn told_in(&self) -> ProxyHeaders {
        self.headers
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// Whether `peer` is trusted.
    pub fn trusts(&self, peer: Peer) -> bool {
        match peer {
            Peer::Tcp(address) => self.trusts_address(address.ip()),
            Peer::Unix => self.networks.contains(&Network::Unix),
        }
    }

    /// Whether the machine at `address` is trusted. IPv4 inside IPv6 (`::ffff:10.0.0.1`) is IPv4.
    pub fn trusts_address(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(address))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    /// The first address, and how many bits of an address are free.
    V4(u32, u32),
    V6(u128, u32),
    Unix,
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        match (*self, address) {
            (Self::V4(first, free), IpAddr::V4(address)) => cut4(address.to_bits(), free) == first,
            (Self::V6(first, free), IpAddr::V6(address)) => cut6(address.to_bits(), free) == first,
            _ => false,
        }
    }
}

/// The bits of a network; all may be free (`0.0.0.0/0`), which is more than a shift allows.
fn cut4(bits: u32, free: u32) -> u32 {
    u32::MAX.checked_shl(free).map_or(0, |mask| bits & mask)
}

fn cut6(bits: u128, free: u32) -> u128 {
    u128::MAX.checked_shl(free).map_or(0, |mask| bits & mask)
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let fail =
            || format!("{text:?} is no network: write an address as ::1, a network as 10.0.0.0/8, or unix");
        if text == "unix" {
            return Ok(Self::Unix);
        }
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| fail())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => bits,
            Some(length) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
                length.parse().ok().filter(|length| *length <= bits).ok_or_else(fail)?
            }
            Some(_) => return Err(fail()),
        };
        let free = bits - length;
        let (network, first): (_, IpAddr) = match address {
            IpAddr::V4(address) => {
                let first = cut4(address.to_bits(), free);
                (Self::V4(first, free), Ipv4Addr::from_bits(first).into())
            }
            IpAddr::V6(address) => {
                let first = cut6(address.to_bits(), free);
                (Self::V6(first, free), Ipv6Addr::from_bits(first).into())
            }
        };
        if first != address {
            return Err(format!(
                "{text:?} is an address within a network: write {first}/{length} for the network, or {address}"
            ));
        }
        if let (IpAddr::V6(first), true) = (first, length >= 96)
            && let Some(mapped) = first.to_ipv4_mapped()
        {
            return Err(format!("{text:?} is IPv4 inside IPv6: write {mapped}/{}", length - 96));
        }
        Ok(network)
    }
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, network) in self.networks.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            match *network {
                Network::V4(first, free) => write!(f, "{comma}{}/{}", Ipv4Addr::from_bits(first), 32 - free)?,
                Network::V6(first, free) => {
                    write!(f, "{comma}{}/{}", Ipv6Addr::from_bits(first), 128 - free)?;
                }
                Network::Unix => write!(f, "{comma}unix")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusts(networks: &[&str], address: &str) -> bool {
        TrustedProxies::new(networks).unwrap().trusts_address(address.parse().unwrap())
    }

    #[test]
    fn a_network_contains_its_first_and_last_address_and_no_neighbour() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", ["10.0.0.0", "10.255.255.255"], ["9.255.255.255", "11.0.0.0"]),
            ("192.168.4.0/22", ["192.168.4.0", "192.168.7.255"], ["192.168.3.255", "192.168.8.0"]),
            ("127.0.0.1", ["127.0.0.1", "::ffff:127.0.0.1"], ["127.0.0.0", "127.0.0.2"]),
            ("127.0.0.1/32", ["127.0.0.1", "127.0.0.1"], ["127.0.0.0", "127.0.0.2"]),
            ("2001:db8::/33", ["2001:db8::", "2001:db8:7fff:ffff::1"], ["2001:db8:8000::", "10.0.0.1"]),
            ("::1", ["::1", "::1"], ["::", "::2"]),
        ] {
            assert!(inside.iter().all(|address| trusts(&[network], address)), "{network}");
            assert!(!outside.iter().any(|address| trusts(&[network], address)), "{network}");
        }
    }

    #[test]
    fn everyone_of_a_family_can_be_trusted() {
        assert!(trusts(&["0.0.0.0/0"], "255.255.255.255") && !trusts(&["0.0.0.0/0"], "::1"));
        assert!(trusts(&["::/0"], "ffff::") && !trusts(&["::/0"], "10.0.0.1"));
    }

    #[test]
    fn nobody_is_trusted_by_default_and_unix_only_by_name() {
        assert!(!TrustedProxies::default().trusts(Peer::Unix));
        assert!(!TrustedProxies::new(["0.0.0.0/0", "::/0"]).unwrap().trusts(Peer::Unix));
        assert!(TrustedProxies::new(["unix"]).unwrap().trusts(Peer::Unix));
        assert!(!trusts(&["unix"], "127.0.0.1"));
    }

    #[test]
    fn what_is_no_network_is_refused_with_one_that_is() {
        for (text, hint) in [
            ("", "10.0.0.0/8"),
            ("localhost", "10.0.0.0/8"),
            ("10.0.0.0/33", "10.0.0.0/8"),
            ("10.0.0.0/+8", "10.0.0.0/8"),
            ("10.0.0.0/", "10.0.0.0/8"),
            ("10/8", "10.0.0.0/8"),
            ("10.0.0.1:80", "10.0.0.0/8"),
            ("[::1]", "::1"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ] {
            let error = TrustedProxies::new([text]).unwrap_err().to_string();
            assert!(error.contains(text) && error.contains(hint), "{text}: {error}");
        }
    }

    #[test]
    fn header_fields_are_written_as_they_are_read() {
        for text in ["auto", "forwarded", "x-forwarded"] {
            assert_eq!(text.parse::<ProxyHeaders>().unwrap().to_string(), text);
        }
        assert!("X-Forwarded-For".parse::<ProxyHeaders>().unwrap_err().contains("x-forwarded"));
    }

    #[test]
    fn it_is_written_as_it_is_read() {
        let text = "10.0.0.0/8, ::1/128, unix";
        assert_eq!(TrustedProxies::new(text.split(", ")).unwrap().to_string(), text);
    }
}
