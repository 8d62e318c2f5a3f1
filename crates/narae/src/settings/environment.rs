//! Settings in environment variables `NARAE_*`.
//!
//! In: names and values, as data. Out: [`Given`], the named settings file, and the variables that nobody
//! reads. Must not touch the process's environment: the caller hands it in.

use std::path::PathBuf;

use super::given::{Given, Origin, Set};
use super::{duration, value};
use crate::error::{Error, SettingFault};

/// What the environment says.
#[derive(Debug, Default)]
pub(super) struct Environment {
    pub(super) given: Given,
    pub(super) config: Option<PathBuf>,
    /// Variables that begin with `NARAE_` and mean nothing: most likely slips.
    pub(super) unknown: Vec<String>,
}

/// Reads every variable that begins with `NARAE_`. One that is set to nothing counts as not set, save for
/// the lists, where it means `off`.
pub(super) fn read(variables: &[(String, String)]) -> Result<Environment, Error> {
    let mut environment = Environment::default();
    let given = &mut environment.given;
    for (name, value) in variables.iter().filter(|(name, _)| name.starts_with("NARAE_")) {
        let fail = |reason: String| Error::Settings(SettingFault::new(name, reason));
        let path = || Some(PathBuf::from(value)).filter(|path| !path.as_os_str().is_empty());
        match &**name {
            "NARAE_HTTP" => given.http = set(list(value).map_err(fail)?),
            "NARAE_HTTPS" => given.https = set(list(value).map_err(fail)?),
            "NARAE_TRUSTED_PROXIES" => given.trusted_proxies = set(networks(value).map_err(fail)?),
            "NARAE_CERT" => given.cert = path().and_then(set),
            "NARAE_KEY" => given.key = path().and_then(set),
            "NARAE_CHAIN" => given.chain = path().and_then(set),
            // Not settings: what a supervisor tells its workers, and where it is found.
            "NARAE_WORKER"
            | "NARAE_CHECK_SOCKETS"
            | "NARAE_WORKER_STATE"
            | "NARAE_SUPERVISOR"
            | "NARAE_RUNTIME_DIR" => {}
            "NARAE_LOG_FILE" => given.log_file = path().and_then(set),
            "NARAE_CONFIG" => environment.config = path(),
            _ if value.is_empty() && KNOWN.contains(&&**name) => {}
            "NARAE_PROXY_PROTOCOL" => given.proxy_protocol = set(value::switch(value).map_err(fail)?),
            "NARAE_PROXY_HEADERS" => given.proxy_headers = set(value.parse().map_err(fail)?),
            "NARAE_TLS_MIN" => given.tls_min = set(value::tls_version(value).map_err(fail)?),
            "NARAE_WORKERS" => given.workers = set(value.parse().map_err(fail)?),
            "NARAE_THREADS" => given.threads = set(value::threads(value).map_err(fail)?),
            "NARAE_NAME" => given.name = set(value::name(value).map_err(fail)?),
            "NARAE_USER" => given.user = set(value.clone()),
            "NARAE_GROUP" => given.group = set(value.clone()),
            "NARAE_LOG" => given.log = set(value.parse().map_err(fail)?),
            "NARAE_LINGER" => given.linger = set(duration::parse(value).map_err(fail)?),
            "NARAE_DEADLINE" => given.deadline = set(duration::parse(value).map_err(fail)?),
            _ => environment.unknown.push(name.clone()),
        }
    }
    Ok(environment)
}

/// The variables whose empty value means nothing.
const KNOWN: [&str; 11] = [
    "NARAE_PROXY_PROTOCOL",
    "NARAE_PROXY_HEADERS",
    "NARAE_TLS_MIN",
    "NARAE_WORKERS",
    "NARAE_THREADS",
    "NARAE_NAME",
    "NARAE_USER",
    "NARAE_GROUP",
    "NARAE_LOG",
    "NARAE_LINGER",
    "NARAE_DEADLINE",
];

fn set<T>(value: T) -> Set<T> {
    Some((value, Origin::Environment))
}

fn list(text: &str) -> Result<Vec<value::Address>, String> {
    value::addresses(&text.split(',').collect::<Vec<_>>())
}

fn networks(text: &str) -> Result<narae_server::TrustedProxies, String> {
    value::networks(&text.split(',').collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Environment, String> {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        read(&variables).map_err(|error| error.to_string())
    }

    #[test]
    fn lists_are_separated_by_commas() {
        let environment = of(&[("NARAE_HTTP", "127.0.0.1:1, unix:/a.sock"), ("NARAE_HTTPS", "off")]).unwrap();
        assert_eq!(environment.given.http.unwrap().0.len(), 2);
        assert_eq!(environment.given.https.unwrap().0, []);
        let environment = of(&[("NARAE_TRUSTED_PROXIES", "10.0.0.0/8, ::1")]).unwrap();
        assert_eq!(environment.given.trusted_proxies.unwrap().0.to_string(), "10.0.0.0/8, ::1/128");
    }

    #[test]
    fn an_empty_variable_says_nothing_but_empties_a_list() {
        let environment = of(&[("NARAE_WORKERS", ""), ("NARAE_CERT", ""), ("NARAE_HTTP", "")]).unwrap();
        assert_eq!(environment.given.workers, None);
        assert_eq!(environment.given.cert, None);
        assert_eq!(environment.given.http.unwrap().0, []);
    }

    #[test]
    fn an_unknown_variable_is_reported_and_others_are_none_of_ours() {
        let environment = of(&[("NARAE_PORT", "80"), ("PORT", "80")]).unwrap();
        assert_eq!(environment.unknown, ["NARAE_PORT"]);
        assert_eq!(environment.given, Given::default());
    }

    #[test]
    fn a_mistake_names_its_variable() {
        let error = of(&[("NARAE_WORKERS", "many")]).unwrap_err();
        assert!(error.contains("NARAE_WORKERS") && error.contains("auto"), "{error}");
    }
}
