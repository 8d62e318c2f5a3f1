//! The values that every source of settings writes in the same way: addresses, counts, TLS versions, log
//! formats.
//!
//! In: text. Out: checked values, or what is allowed. Must not know which source the text came from.

use std::str::FromStr;

use narae_layers::Format;
use narae_server::{TlsVersion, TrustedProxies};

/// An address to listen on, of sound form: `host:port` or `unix:/path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address(String);

impl Address {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() {
                Err("\"unix:\" needs a path, as in unix:/run/narae.sock".to_owned())
            } else {
                Ok(Self(text.to_owned()))
            };
        }
        if text.contains("://") {
            return Err(format!("{text:?} is a URL: write only host:port, as in 127.0.0.1:8080"));
        }
        let port = |port: &str| port.parse::<u16>().is_ok();
        match text.rsplit_once(':') {
            None if port(text) => Err(format!(
                "{text:?} has no host: write 127.0.0.1:{text} (this machine) or 0.0.0.0:{text} (all)"
            )),
            Some(("", number)) if port(number) => Err(format!(
                "{text:?} has no host: write 127.0.0.1{text} (this machine) or 0.0.0.0{text} (all)"
            )),
            Some((host, number)) if port(number) => {
                let is_open_v6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
                if is_open_v6 {
                    return Err(format!("{text:?}: an IPv6 address stands in brackets, as in [::1]:8080"));
                }
                Ok(Self(text.to_owned()))
            }
            _ => Err(format!("{text:?} is no address: write host:port, as in 127.0.0.1:8080, or unix:/path")),
        }
    }
}

/// Reads a list of addresses. `off` alone, or nothing, is the empty list.
pub(crate) fn addresses<T: AsRef<str>>(texts: &[T]) -> Result<Vec<Address>, String> {
    let texts: Vec<&str> =
        texts.iter().map(|text| text.as_ref().trim()).filter(|text| !text.is_empty()).collect();
    if texts == ["off"] {
        return Ok(Vec::new());
    }
    if texts.contains(&"off") {
        return Err("\"off\" stands alone: it cannot be mixed with addresses".to_owned());
    }
    texts.into_iter().map(str::parse).collect()
}

/// Reads a list of networks. `off` alone, or nothing, is the empty list.
pub(crate) fn networks<T: AsRef<str>>(texts: &[T]) -> Result<TrustedProxies, String> {
    let texts: Vec<&str> =
        texts.iter().map(|text| text.as_ref().trim()).filter(|text| !text.is_empty()).collect();
    if texts == ["off"] {
        return Ok(TrustedProxies::default());
    }
    TrustedProxies::new(texts).map_err(|error| match error {
        narae_server::Error::Setting(reason) => reason,
        error => error.to_string(),
    })
}

/// Reads a switch.
pub(crate) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" | "on" => Ok(true),
        "false" | "off" => Ok(false),
        _ => Err(format!("{text:?} is no switch: write true or false")),
    }
}

/// How many worker processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Workers {
    /// One per core that the process may use: affinity and cgroup quota are respected.
    #[default]
    PerCore,
    /// So many. With 0 there is no supervisor: everything runs in this one process, which is good for
    /// debugging.
    Count(usize),
}

/// One worker process per core: `narae::app(…).workers(PerCore)`. The default.
#[derive(Clone, Copy, Debug)]
pub struct PerCore;

impl From<PerCore> for Workers {
    fn from(_: PerCore) -> Self {
        Self::PerCore
    }
}

impl From<usize> for Workers {
    fn from(count: usize) -> Self {
        Self::Count(count)
    }
}

impl Workers {
    /// How many processes serve.
    pub(crate) fn count(self) -> usize {
        match self {
            Self::PerCore => crate::cluster::cores(),
            Self::Count(count) => count.max(1),
        }
    }

    /// The same, within reason.
    pub(crate) fn checked(self) -> Result<Self, String> {
        match self {
            Self::Count(count) if count > MAX_WORKERS => Err(format!(
                "{count} workers are too many: write a number from 1 to {MAX_WORKERS}, auto, or 0 for one process"
            )),
            fine => Ok(fine),
        }
    }
}

impl FromStr for Workers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::PerCore),
            number => match number.parse() {
                Ok(count) => Self::Count(count).checked(),
                Err(_) => Err(format!("{text:?} is no number of workers: write a number, or auto")),
            },
        }
    }
}

/// Each worker has memory and descriptors of its own.
const MAX_WORKERS: usize = 512;

/// Reads how many event loops a process has.
pub(crate) fn threads(text: &str) -> Result<usize, String> {
    let count: Option<usize> = text.parse().ok();
    count.filter(|count| (1..=MAX_THREADS).contains(count)).ok_or_else(|| {
        format!("{text:?} is no number of event loops: write a number from 1 to {MAX_THREADS}")
    })
}

/// Each event loop has a thread and descriptors of its own.
const MAX_THREADS: usize = 1024;

/// Reads the application's name, as the `narae` command calls it.
pub(crate) fn name(text: &str) -> Result<String, String> {
    if narae_cluster::valid_name(text) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{text:?} cannot be a name: write up to 64 letters, digits, \"-\", \"_\" and \".\", not first"
    ))
}

/// Reads the oldest version of TLS to speak.
pub(crate) fn tls_version(text: &str) -> Result<TlsVersion, String> {
    match text {
        "1.2" => Ok(TlsVersion::V1_2),
        "1.3" => Ok(TlsVersion::V1_3),
        _ => Err(format!("{text:?} is no version of TLS that narae speaks: write 1.2 or 1.3")),
    }
}

/// Whether there is an access log, and its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogChoice {
    Off,
    Lines(Format),
}

impl FromStr for LogChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" | "" => Ok(Self::Off),
            format => format.parse().map(Self::Lines).map_err(|error| format!("{error}; or off")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_a_host_and_a_port_or_a_path() {
        for text in ["127.0.0.1:8080", "localhost:0", "[::1]:443", "unix:/run/a.sock", "unix:a.sock"] {
            assert_eq!(text.parse(), Ok(Address(text.to_owned())));
        }
    }

    #[test]
    fn a_bad_address_comes_back_with_a_good_one() {
        for (text, hint) in [
            ("8080", "127.0.0.1:8080"),
            (":8080", "0.0.0.0:8080"),
            ("localhost", "host:port"),
            ("localhost:http", "host:port"),
            ("127.0.0.1:70000", "host:port"),
            ("::1:8080", "[::1]:8080"),
            ("http://127.0.0.1:8080", "URL"),
            ("unix:", "unix:/run"),
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }

    #[test]
    fn off_or_nothing_empties_a_list() {
        assert_eq!(addresses(&["off"]), Ok(vec![]));
        assert_eq!(addresses(&[""]), Ok(vec![]));
        assert_eq!(addresses::<&str>(&[]), Ok(vec![]));
        assert_eq!(addresses(&["a:1", " b:2 "]).map(|list| list.len()), Ok(2));
        assert!(addresses(&["a:1", "off"]).unwrap_err().contains("alone"));
    }

    #[test]
    fn networks_are_a_list_that_can_be_off() {
        assert_eq!(networks(&["off"]), Ok(TrustedProxies::default()));
        assert_eq!(networks(&[""]), Ok(TrustedProxies::default()));
        assert_eq!(networks(&["::1", " unix "]).unwrap().to_string(), "::1/128, unix");
        assert!(networks(&["off", "::1"]).unwrap_err().contains("\"off\""));
    }

    #[test]
    fn a_switch_is_true_or_false() {
        assert_eq!((switch("true"), switch("off")), (Ok(true), Ok(false)));
        assert!(switch("yes").unwrap_err().contains("\"yes\""));
    }

    #[test]
    fn workers_are_auto_or_a_number() {
        assert_eq!("auto".parse(), Ok(Workers::PerCore));
        assert_eq!("3".parse(), Ok(Workers::Count(3)));
        assert_eq!("0".parse(), Ok(Workers::Count(0)));
        for text in ["-1", "many", "5000"] {
            assert!(text.parse::<Workers>().unwrap_err().contains("auto"), "{text}");
        }
    }

    #[test]
    fn log_formats_have_names_and_can_be_off() {
        assert_eq!("off".parse(), Ok(LogChoice::Off));
        assert_eq!("json".parse(), Ok(LogChoice::Lines(Format::Json)));
        let error = "verbose".parse::<LogChoice>().unwrap_err();
        assert!(error.contains("combined") && error.contains("off"), "{error}");
    }
}
