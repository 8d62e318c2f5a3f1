//! Settings in a TOML file, `narae.toml`.
//!
//! In: the file's path and text. Out: [`Given`], or an error with file, line, column and key. Owns the
//! names in the file.

use std::fmt;
use std::path::{Path, PathBuf};

use narae_server::{ProxyHeaders, TrustedProxies};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};

use super::cluster::ClusterGiven;
use super::given::{Given, Origin};
use super::limits::{DurationText, LimitsGiven};
use super::value::{self, Address, LogChoice, Workers};
use crate::error::{Error, SettingFault};

/// Reads the file at `path`.
pub(super) fn read(path: &Path) -> Result<Given, Error> {
    parse(path, &text_of(path)?)
}

/// Reads the file at `path` as something else than narae's settings.
pub(super) fn read_as<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    parse_as(path, &text_of(path)?)
}

fn text_of(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::SettingsFile { path: path.to_owned(), source })
}

/// Reads the text of the file at `path`, whose folder is where relative paths begin.
fn parse(path: &Path, text: &str) -> Result<Given, Error> {
    let content: Content = parse_as(path, text)?;
    let origin = Origin::File(path.to_owned());
    let folder = path.parent().unwrap_or(Path::new(""));
    let file = |file: Option<PathBuf>| file.map(|file| (folder.join(file), origin.clone()));
    let list = |list: Option<Addresses>| list.map(|list| (list.0, origin.clone()));
    let duration = |given: Option<DurationText>| given.map(|given| (given.0, origin.clone()));
    Ok(Given {
        http: list(content.http),
        https: list(content.https),
        proxy_protocol: content.proxy_protocol.map(|expect| (expect, origin.clone())),
        trusted_proxies: content.trusted_proxies.map(|networks| (networks.0, origin.clone())),
        proxy_headers: content.proxy_headers.map(|headers| (headers.0, origin.clone())),
        cert: file(content.tls.cert),
        key: file(content.tls.key),
        chain: file(content.tls.chain),
        tls_min: content.tls.min.map(|version| (version.0, origin.clone())),
        workers: content.workers.map(|workers| (workers.0, origin.clone())),
        threads: content.threads.map(|threads| (threads.0, origin.clone())),
        name: content.name.map(|name| (name.0, origin.clone())),
        user: content.user.map(|user| (user, origin.clone())),
        group: content.group.map(|group| (group, origin.clone())),
        log: content.log.format.map(|format| (format.0, origin.clone())),
        log_file: file(content.log.file),
        linger: duration(content.drain.linger),
        deadline: duration(content.drain.deadline),
        limits: content.limits,
        cluster: content.cluster,
    })
}

fn parse_as<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, Error> {
    toml::from_str(text).map_err(|error| {
        let (place, key) = locate(text, error.span().map_or(0, |span| span.start));
        let name = format!("{}:{place}", path.display());
        let reason = error.message().replace('\n', " ");
        let reason = if key.is_empty() { reason } else { format!("{key}: {reason}") };
        Error::Settings(SettingFault::new(&name, reason))
    })
}

/// `line:column` of the byte at `offset`, both from 1, and the key whose value stands there.
fn locate(text: &str, offset: usize) -> (String, String) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(start..).unwrap_or("").chars().count() + 1;
    let this = text.get(start..).unwrap_or("").lines().next().unwrap_or("");
    let name = this.split_once('=').map_or("", |(name, _)| name.trim());
    let table = before
        .lines()
        .rev()
        .find_map(|line| line.trim().strip_prefix('[')?.split_once(']').map(|(table, _)| table.trim()));
    let key = match table {
        Some(table) if !name.is_empty() => format!("{table}.{name}"),
        _ => name.to_owned(),
    };
    (format!("{line}:{column}"), key)
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    http: Option<Addresses>,
    https: Option<Addresses>,
    proxy_protocol: Option<bool>,
    trusted_proxies: Option<Networks>,
    proxy_headers: Option<HeadersField>,
    workers: Option<WorkersField>,
    threads: Option<ThreadsField>,
    name: Option<NameField>,
    user: Option<String>,
    group: Option<String>,
    #[serde(default)]
    tls: TlsTable,
    #[serde(default)]
    log: LogTable,
    #[serde(default)]
    drain: DrainTable,
    #[serde(default)]
    limits: LimitsGiven,
    #[serde(default)]
    cluster: ClusterGiven,
    /// Read by `narae serve` itself.
    #[serde(rename = "serve")]
    _serve: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsTable {
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    chain: Option<PathBuf>,
    min: Option<VersionField>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogTable {
    format: Option<FormatField>,
    file: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DrainTable {
    linger: Option<DurationText>,
    deadline: Option<DurationText>,
}

/// One address, several, or `off`.
struct Addresses(Vec<Address>);

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;
        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Addresses;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address as \"127.0.0.1:8080\", a list of them, or \"off\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Addresses, E> {
                value::addresses(&[text]).map(Addresses).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Addresses, A::Error> {
                let mut texts: Vec<String> = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                value::addresses(&texts).map(Addresses).map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_any(OneOrMore)
    }
}

/// One network, several, or `off`.
struct Networks(TrustedProxies);

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a network as \"10.0.0.0/8\", a list of them, or \"off\"")]
        enum OneOrMore {
            One(String),
            More(Vec<String>),
        }
        match OneOrMore::deserialize(deserializer)? {
            OneOrMore::One(text) => value::networks(&[text]),
            OneOrMore::More(texts) => value::networks(&texts),
        }
        .map(Self)
        .map_err(D::Error::custom)
    }
}

/// `auto`, `forwarded` or `x-forwarded`.
struct HeadersField(ProxyHeaders);

impl<'de> Deserialize<'de> for HeadersField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(D::Error::custom)
    }
}

/// A number, or `auto`.
struct WorkersField(Workers);

impl<'de> Deserialize<'de> for WorkersField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrAuto;
        impl Visitor<'_> for NumberOrAuto {
            type Value = WorkersField;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of workers, or \"auto\"")
            }

            fn visit_i64<E: serde::de::Error>(self, count: i64) -> Result<WorkersField, E> {
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                Workers::Count(count).checked().map(WorkersField).map_err(E::custom)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<WorkersField, E> {
                text.parse().map(WorkersField).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(NumberOrAuto)
    }
}

/// A number of event loops.
struct ThreadsField(usize);

impl<'de> Deserialize<'de> for ThreadsField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let count = usize::deserialize(deserializer)?;
        value::threads(&count.to_string()).map(Self).map_err(D::Error::custom)
    }
}

/// A name that the application can have.
struct NameField(String);

impl<'de> Deserialize<'de> for NameField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        value::name(&name).map(Self).map_err(D::Error::custom)
    }
}

/// `"1.2"` or `"1.3"`.
struct VersionField(narae_server::TlsVersion);

impl<'de> Deserialize<'de> for VersionField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        value::tls_version(&text).map(Self).map_err(D::Error::custom)
    }
}

/// The name of a format, a text with tokens, or `"off"`.
struct FormatField(LogChoice);

impl<'de> Deserialize<'de> for FormatField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Given, String> {
        parse(Path::new("/etc/narae.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_says_nothing() {
        assert_eq!(of(""), Ok(Given::default()));
    }

    #[test]
    fn lists_are_one_text_or_many_and_can_be_off() {
        let given = of("http = \"a:1\"\nhttps = [\"b:2\", \"c:3\"]").unwrap();
        assert_eq!(given.http.unwrap().0.len(), 1);
        assert_eq!(given.https.unwrap().0.len(), 2);
        for off in ["http = \"off\"", "http = []", "http = \"\""] {
            assert_eq!(of(off).unwrap().http.unwrap().0, [], "{off}");
        }
    }

    #[test]
    fn relative_paths_begin_at_the_file() {
        let given = of("[tls]\ncert = \"a.pem\"\nkey = \"/keys/a.pem\"").unwrap();
        assert_eq!(given.cert.unwrap().0, Path::new("/etc/a.pem"));
        assert_eq!(given.key.unwrap().0, Path::new("/keys/a.pem"));
    }

    #[test]
    fn mistakes_name_line_column_and_key() {
        for (text, parts) in [
            ("port = 80", ["narae.toml:1:1", "port"]),
            ("\nhttp = \"8080\"", ["narae.toml:2:8", "http: "]),
            ("workers = 9999", ["narae.toml:1:11", "workers: "]),
            ("[limits]\nhead_timeout = \"5\"", ["narae.toml:2:16", "limits.head_timeout: "]),
            ("[limits]\nhead_timeuot = \"5s\"", ["narae.toml:2:1", "head_timeout"]),
            ("trusted_proxies = [\"10.1.2.3/8\"]", ["narae.toml:1:19", "10.0.0.0/8"]),
            ("trusted_proxies = 10", ["narae.toml:1:19", "a list of them"]),
            ("proxy_headers = \"via\"", ["narae.toml:1:17", "x-forwarded"]),
            ("proxy_protocol = \"yes\"", ["narae.toml:1:18", "proxy_protocol: "]),
            ("[log]\nformat = \"loud\"", ["narae.toml:2:10", "combined"]),
            ("[tls]\nmin = 1.2", ["narae.toml:2:7", "string"]),
            ("http = ", ["narae.toml:1:", "http"]),
        ] {
            let error = of(text).unwrap_err();
            assert!(parts.iter().all(|part| error.contains(part)), "{text}: {error}");
        }
    }
}
