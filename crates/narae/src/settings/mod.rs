//! Settings: four sources, one checked result.
//!
//! In: what the program says ([`Programmed`]), the file, the environment and the flags. Out: [`Settings`],
//! of which nothing needs to be checked again but the server's own limits. The highest source wins, value
//! by value. Must not bind sockets or read certificates.

mod cluster;
mod duration;
mod environment;
mod file;
mod flags;
mod given;
mod limits;
#[cfg(test)]
mod tests;
mod value;

mod size;

use std::path::PathBuf;

use narae_server::{DrainSettings, Limits, ProxyHeaders, Tls, TrustedProxies};

use crate::error::{Error, SettingFault};
use crate::log::Log;
use given::{CERT, CHAIN, Given, HTTPS, KEY, Key, Origin, Set, TLS_MIN};

pub use cluster::ClusterSettings;
pub use flags::Flags;
pub use size::Size;
pub(crate) use value::{Address, LogChoice};
pub use value::{PerCore, Workers};

/// What the program says with the setters of `App`. Not checked yet: it may be replaced.
#[derive(Clone, Debug, Default)]
pub(crate) struct Programmed {
    pub(crate) http: Vec<String>,
    pub(crate) https: Vec<(String, Tls)>,
    pub(crate) proxy_protocol: bool,
    pub(crate) trusted_proxies: Vec<String>,
    pub(crate) proxy_headers: ProxyHeaders,
    pub(crate) workers: Option<Workers>,
    pub(crate) threads: Option<usize>,
    pub(crate) name: Option<String>,
    pub(crate) cluster: ClusterSettings,
    pub(crate) limits: Limits,
    pub(crate) drain: DrainSettings,
    pub(crate) log: Log,
}

/// The sources outside of the program.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// The file that the program names. It must be there.
    pub(crate) named_file: Option<PathBuf>,
    /// The file to read if it is there and no other is named.
    pub(crate) default_file: Option<PathBuf>,
    /// Variables, of which those that begin with `NARAE_` are read.
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) flags: Flags,
}

/// What holds in the end.
#[derive(Debug)]
pub(crate) struct Settings {
    /// `None`: nobody said anything. Empty: none, on purpose.
    pub(crate) http: Option<Vec<Address>>,
    pub(crate) https: Option<Vec<(Address, Tls)>>,
    /// Whether a proxy introduces each connection.
    pub(crate) proxy_protocol: bool,
    pub(crate) trusted_proxies: TrustedProxies,
    /// What inherited sockets for HTTPS use.
    pub(crate) tls: Tls,
    /// Why the certificate or the TLS version would be without use if no address speaks TLS.
    pub(crate) idle_tls: Option<SettingFault>,
    pub(crate) workers: Workers,
    /// `None`: one in each worker; without workers, one per core.
    pub(crate) threads: Option<usize>,
    /// The application's name, and whether an operator chose it.
    pub(crate) name: Option<(String, bool)>,
    pub(crate) cluster: ClusterSettings,
    pub(crate) limits: Limits,
    pub(crate) drain: DrainSettings,
    pub(crate) log: Log,
    /// Variables that begin with `NARAE_` and mean nothing.
    pub(crate) unknown_variables: Vec<String>,
}

/// Reads the sources and merges them.
pub(crate) fn load(programmed: Programmed, sources: Sources) -> Result<Settings, Error> {
    let environment = environment::read(&sources.environment)?;
    let named = sources.flags.config().cloned().or(environment.config).or(sources.named_file);
    let file = match (named, sources.default_file) {
        (Some(path), _) => file::read(&path)?,
        (None, Some(path)) if path.exists() => file::read(&path)?,
        _ => Given::default(),
    };
    let given = sources.flags.given()?.over(environment.given).over(file);
    let mut settings = merge(programmed, given)?;
    settings.unknown_variables = environment.unknown;
    Ok(settings)
}

/// Reads the settings file again, for what the program itself keeps there: the file that [`App::run`](crate::App::run)
/// reads, with the same flags and the environment of this process. `None`: there is no such file.
///
/// `T` describes what the program is interested in, and must let pass what it does not know: narae's own settings stand
/// in the same file. narae's own reading lets pass one table that is not its own, `[serve]`.
///
/// # Errors
///
/// [`Error::SettingsFile`] when the file cannot be read, [`Error::Settings`] with line, column and key when it does not
/// hold what `T` asks for.
pub fn read_settings_file<T: serde::de::DeserializeOwned>(
    flags: &Flags,
) -> Result<Option<(PathBuf, T)>, Error> {
    let environment = environment::read(&crate::process::environment())?;
    let path = match flags.config().cloned().or(environment.config) {
        Some(path) => path,
        None if std::path::Path::new(DEFAULT_FILE).exists() => DEFAULT_FILE.into(),
        None => return Ok(None),
    };
    let content = file::read_as(&path)?;
    Ok(Some((path, content)))
}

/// The settings file of a program that is run, if it is there and no other is named.
pub(crate) const DEFAULT_FILE: &str = "narae.toml";

/// What `given` says, and where it says nothing, what the program says.
fn merge(programmed: Programmed, given: Given) -> Result<Settings, Error> {
    let limits = given.limits.apply(programmed.limits);
    limits.check().map_err(|error| match error {
        narae_server::Error::Setting(reason) => fault("[limits]", reason),
        error => Error::Server(error),
    })?;
    let workers = match (given.workers, programmed.workers) {
        (Some((workers, _)), _) => workers,
        (None, Some(workers)) => workers.checked().map_err(|reason| fault("App::workers", reason))?,
        (None, None) => Workers::default(),
    };
    let threads = match (given.threads, programmed.threads) {
        (Some((threads, _)), _) => Some(threads),
        (None, Some(threads)) => {
            Some(value::threads(&threads.to_string()).map_err(|reason| fault("App::threads", reason))?)
        }
        (None, None) => None,
    };
    let name = match (given.name, programmed.name) {
        (Some((name, _)), _) => Some((name, true)),
        (None, Some(name)) => Some((name, false)),
        (None, None) => None,
    };
    let mut cluster = given.cluster.apply(programmed.cluster);
    if let Some((user, _)) = given.user {
        cluster.user = Some(user);
    }
    if let Some((group, _)) = given.group {
        cluster.group = Some(group);
    }
    cluster.check().map_err(|reason| fault("[cluster]", reason))?;
    let drain = DrainSettings {
        linger: given.linger.map_or(programmed.drain.linger, |(linger, _)| linger),
        deadline: given.deadline.map_or(programmed.drain.deadline, |(deadline, _)| deadline),
    };
    let http = match given.http {
        Some((addresses, _)) => Some(addresses),
        None => programmed_addresses("App::http", &programmed.http)?,
    };
    let idle_tls = idle_tls(&given.cert, &given.tls_min);
    let pair = certificate(given.cert, given.key, given.chain)?;
    let minimum = given.tls_min.map(|(version, _)| version);
    let settle = |tls: Tls| match minimum {
        Some(version) => tls.minimum_version(version),
        None => tls,
    };
    let (texts, tlses): (Vec<String>, Vec<Tls>) = programmed.https.into_iter().unzip();
    let first = pair.clone().or_else(|| tlses.first().cloned()).unwrap_or_else(Tls::development);
    let first = settle(first);
    let https = match given.https {
        Some((addresses, _)) => Some(addresses.into_iter().map(|address| (address, first.clone())).collect()),
        None => programmed_addresses("App::https", &texts)?.map(|addresses| {
            let tlses = tlses.into_iter().map(|tls| pair.clone().unwrap_or(tls)).map(settle);
            addresses.into_iter().zip(tlses).collect()
        }),
    };
    let proxy_protocol = given.proxy_protocol.map_or(programmed.proxy_protocol, |(expect, _)| expect);
    let trusted_proxies = match given.trusted_proxies {
        Some((networks, _)) => networks,
        None => value::networks(&programmed.trusted_proxies)
            .map_err(|reason| fault("App::trusted_proxies", reason))?,
    };
    let proxy_headers = given.proxy_headers.map_or(programmed.proxy_headers, |(headers, _)| headers);
    let trusted_proxies = trusted_proxies.headers(proxy_headers);
    let log = programmed.log.replaced_by(given.log, given.log_file);
    Ok(Settings {
        http,
        https,
        proxy_protocol,
        trusted_proxies,
        tls: first,
        idle_tls,
        workers,
        threads,
        name,
        cluster,
        limits,
        drain,
        log,
        unknown_variables: Vec::new(),
    })
}

fn programmed_addresses(setter: &str, texts: &[String]) -> Result<Option<Vec<Address>>, Error> {
    if texts.is_empty() {
        return Ok(None);
    }
    texts
        .iter()
        .map(|text| text.parse())
        .collect::<Result<_, _>>()
        .map(Some)
        .map_err(|reason| fault(setter, reason))
}

/// The certificate that a source outside of the program gives.
fn certificate(cert: Set<PathBuf>, key: Set<PathBuf>, chain: Set<PathBuf>) -> Result<Option<Tls>, Error> {
    let lacks = |has: &Origin, what: Key, missing: Key, example: &str| {
        let add = has.add(missing, example);
        fault(&has.name(what), format!("the other half is missing; add {add} (it may be the same file)"))
    };
    let pair = match (cert, key) {
        (Some((cert, _)), Some((key, _))) => Tls::pem(cert, key),
        (Some((_, origin)), None) => return Err(lacks(&origin, CERT, KEY, "key.pem")),
        (None, Some((_, origin))) => return Err(lacks(&origin, KEY, CERT, "cert.pem")),
        (None, None) => {
            return match chain {
                Some((_, origin)) => Err(lacks(&origin, CHAIN, CERT, "cert.pem")),
                None => Ok(None),
            };
        }
    };
    Ok(Some(match chain {
        Some((chain, _)) => pair.chain(chain),
        None => pair,
    }))
}

/// What to say if a setting for TLS is there and no address that speaks it.
fn idle_tls(cert: &Set<PathBuf>, minimum: &Set<narae_server::TlsVersion>) -> Option<SettingFault> {
    let (origin, key) = match (cert, minimum) {
        (Some((_, origin)), _) => (origin, CERT),
        (None, Some((_, origin))) => (origin, TLS_MIN),
        (None, None) => return None,
    };
    let reason = format!("no address speaks HTTPS; add {}", origin.add(HTTPS, "127.0.0.1:8443"));
    Some(SettingFault::new(&origin.name(key), reason))
}

fn fault(place: &str, reason: impl Into<String>) -> Error {
    Error::Settings(SettingFault::new(place, reason))
}
