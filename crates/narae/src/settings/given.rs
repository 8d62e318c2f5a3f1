//! [`Given`]: what one source of settings says, each value with its origin.
//!
//! In: values from `file`, `environment` and `flags`. Out: one `Given`, the higher source winning value by
//! value. Must not know how a source is read.

use std::path::PathBuf;
use std::time::Duration;

use narae_server::{ProxyHeaders, TlsVersion, TrustedProxies};

use super::cluster::ClusterGiven;
use super::limits::LimitsGiven;
use super::value::{Address, LogChoice, Workers};

/// Where a value came from outside of the program, the lowest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// The settings file.
    File(PathBuf),
    Environment,
    CommandLine,
}

/// A setting that more than one source knows, with its name in each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) in_file: &'static str,
    pub(crate) variable: &'static str,
    pub(crate) flag: &'static str,
}

pub(crate) const CERT: Key = Key { in_file: "tls.cert", variable: "NARAE_CERT", flag: "--cert" };
pub(crate) const KEY: Key = Key { in_file: "tls.key", variable: "NARAE_KEY", flag: "--key" };
pub(crate) const CHAIN: Key = Key { in_file: "tls.chain", variable: "NARAE_CHAIN", flag: "--chain" };
pub(crate) const TLS_MIN: Key = Key { in_file: "tls.min", variable: "NARAE_TLS_MIN", flag: "--tls-min" };
pub(crate) const HTTPS: Key = Key { in_file: "https", variable: "NARAE_HTTPS", flag: "--https" };

impl Origin {
    /// The name of `key` where the value was found.
    pub(crate) fn name(&self, key: Key) -> String {
        match self {
            Self::File(path) => format!("{} in {}", key.in_file, path.display()),
            Self::Environment => key.variable.to_owned(),
            Self::CommandLine => key.flag.to_owned(),
        }
    }

    /// The name of `key` where somebody who used this origin would add it.
    pub(crate) fn add(&self, key: Key, example: &str) -> String {
        match self {
            Self::File(_) => match key.in_file.split_once('.') {
                Some((table, name)) => format!("{name} = \"{example}\" under [{table}]"),
                None => format!("{} = \"{example}\"", key.in_file),
            },
            Self::Environment => format!("{}={example}", key.variable),
            Self::CommandLine => format!("{} {example}", key.flag),
        }
    }
}

/// A value and where it came from.
pub(crate) type Set<T> = Option<(T, Origin)>;

/// What a source says. `None`: nothing. An empty list: off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) http: Set<Vec<Address>>,
    pub(crate) https: Set<Vec<Address>>,
    pub(crate) proxy_protocol: Set<bool>,
    pub(crate) trusted_proxies: Set<TrustedProxies>,
    pub(crate) proxy_headers: Set<ProxyHeaders>,
    pub(crate) cert: Set<PathBuf>,
    pub(crate) key: Set<PathBuf>,
    pub(crate) chain: Set<PathBuf>,
    pub(crate) tls_min: Set<TlsVersion>,
    pub(crate) workers: Set<Workers>,
    pub(crate) threads: Set<usize>,
    pub(crate) name: Set<String>,
    pub(crate) user: Set<String>,
    pub(crate) group: Set<String>,
    pub(crate) log: Set<LogChoice>,
    pub(crate) log_file: Set<PathBuf>,
    pub(crate) linger: Set<Duration>,
    pub(crate) deadline: Set<Duration>,
    /// Only the file has them.
    pub(crate) limits: LimitsGiven,
    /// Only the file has them.
    pub(crate) cluster: ClusterGiven,
}

impl Given {
    /// These values over `lower` ones.
    pub(crate) fn over(self, lower: Self) -> Self {
        Self {
            http: self.http.or(lower.http),
            https: self.https.or(lower.https),
            proxy_protocol: self.proxy_protocol.or(lower.proxy_protocol),
            trusted_proxies: self.trusted_proxies.or(lower.trusted_proxies),
            proxy_headers: self.proxy_headers.or(lower.proxy_headers),
            cert: self.cert.or(lower.cert),
            key: self.key.or(lower.key),
            chain: self.chain.or(lower.chain),
            tls_min: self.tls_min.or(lower.tls_min),
            workers: self.workers.or(lower.workers),
            threads: self.threads.or(lower.threads),
            name: self.name.or(lower.name),
            user: self.user.or(lower.user),
            group: self.group.or(lower.group),
            log: self.log.or(lower.log),
            log_file: self.log_file.or(lower.log_file),
            linger: self.linger.or(lower.linger),
            deadline: self.deadline.or(lower.deadline),
            cluster: if self.cluster == ClusterGiven::default() { lower.cluster } else { self.cluster },
            limits: if self.limits == LimitsGiven::default() { lower.limits } else { self.limits },
        }
    }
}
