//! [`Flags`]: settings on the command line.
//!
//! In: arguments, read by clap. Out: [`Given`]. Owns the flags' names and help; must not know what other
//! sources say.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches};
use narae_server::{ProxyHeaders, TlsVersion};

use super::duration;
use super::given::{Given, Origin};
use super::value::{self, LogChoice, Workers};
use crate::error::{Error, SettingFault};

/// The settings that can be given on the command line. A program with a command line of its own flattens
/// them into it and hands them to [`App::flags`](crate::App::flags):
///
/// ```
/// use clap::Parser;
///
/// #[derive(Parser)]
/// struct Arguments {
///     /// Where the data is.
///     #[arg(long)]
///     database: Option<String>,
///     #[command(flatten)]
///     server: narae::Flags,
/// }
///
/// let arguments = Arguments::parse_from(["shop", "--http", "127.0.0.1:9000"]);
/// let app = narae::app(narae::axum::Router::new()).flags(arguments.server);
/// # drop(app);
/// ```
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Server")]
pub struct Flags {
    /// Serve HTTP on this address: host:port, or unix:/path. Repeat it for more addresses; "off" for none.
    ///
    /// Replaces all HTTP addresses set elsewhere. 127.0.0.1 can be reached from this machine only, 0.0.0.0
    /// or [::] from everywhere. [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    http: Vec<String>,

    /// Serve HTTPS (HTTP/2 and HTTP/1.1) on this address. Repeat it for more addresses; "off" for none.
    ///
    /// Without --cert it uses a self-signed certificate for localhost, of which a browser warns once.
    #[arg(long, value_name = "ADDRESS")]
    https: Vec<String>,

    /// Every connection begins with a header of the PROXY protocol, v1 or v2, before TLS: a proxy says who
    /// the client is. [default: false]
    ///
    /// A connection without one is closed. Name the proxies with --trusted-proxy, so that nobody else can
    /// say to be anyone.
    #[arg(long, value_name = "SWITCH", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = value::switch)]
    proxy_protocol: Option<bool>,

    /// Believe this proxy what it says of the client: an address, a network as 10.0.0.0/8, or "unix". Repeat
    /// it for more; "off" for none. [default: none]
    ///
    /// It is read from Forwarded or X-Forwarded-For, -Proto and -Host, and from the PROXY protocol.
    #[arg(long = "trusted-proxy", value_name = "CIDR")]
    trusted_proxies: Vec<String>,

    /// Which header fields trusted proxies write, the only ones that are believed: "x-forwarded", "forwarded", or
    /// "auto": X-Forwarded-* if there is an X-Forwarded-For, else Forwarded. [default: auto]
    #[arg(long, value_name = "FIELDS")]
    proxy_headers: Option<ProxyHeaders>,

    /// PEM file with the certificate for HTTPS, and the intermediate ones after it. Needs --key.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,

    /// PEM file with the certificate's private key, not encrypted. Needs --cert.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// PEM file with intermediate certificates, if they are not in the file of --cert.
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,

    /// Oldest version of TLS to speak: 1.2 or 1.3. [default: 1.2]
    #[arg(long, value_name = "VERSION", value_parser = value::tls_version)]
    tls_min: Option<TlsVersion>,

    /// How many worker processes serve, or "auto" for one per core; 0 for one process. [default: auto]
    ///
    /// With 0 there is no supervisor, so nothing is restarted or reloaded: good for debugging.
    #[arg(long, value_name = "COUNT")]
    workers: Option<Workers>,

    /// How many event loops each worker has, on threads of their own. [default: 1]
    ///
    /// With --workers 0 the default is one per core.
    #[arg(long, value_name = "COUNT", value_parser = value::threads)]
    threads: Option<usize>,

    /// The name by which "narae status", "narae reload" and "narae stop" find it. [default: the program's]
    #[arg(long, value_name = "NAME", value_parser = value::name)]
    name: Option<String>,

    /// Workers run as this user, once sockets are bound and certificates are read. Needs root.
    #[arg(long, value_name = "USER")]
    user: Option<String>,

    /// Workers run in this group. [default: that of --user]
    #[arg(long, value_name = "GROUP", requires = "user")]
    group: Option<String>,

    /// Access log format: dev, combined, common, default, short, tiny, json, a text with tokens, or off.
    ///
    /// A text may hold morgan's tokens: ":method :url :status :response-time ms". [default: dev on a
    /// terminal, combined elsewhere]
    #[arg(long, value_name = "FORMAT")]
    log: Option<LogChoice>,

    /// Append the access log to this file. [default: the standard output]
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,

    /// Read settings from this file. [default: narae.toml in the working directory, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// When stopping: how long an idle connection is still answered before it is closed. [default: 5s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    linger: Option<Duration>,

    /// When stopping: when what is left is cut, and named. [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    deadline: Option<Duration>,
}

impl Flags {
    /// Whether `--http` or `--https` was given. A command with defaults of its own sets them only if not.
    pub fn names_addresses(&self) -> bool {
        !self.http.is_empty() || !self.https.is_empty()
    }

    /// Reads a command line that holds nothing but flags. Writes help and usage errors itself, and then
    /// ends the process (0 after `--help`, 2 after an error), as every command does.
    pub(crate) fn read(name: &str, arguments: impl IntoIterator<Item = OsString>) -> Self {
        let command = CommandLine::command()
            .display_name(name)
            .bin_name(name)
            .about(format!("Serves {name} over HTTP/1.1, HTTPS and HTTP/2."));
        let parsed = command
            .try_get_matches_from(arguments)
            .and_then(|mut matches| CommandLine::from_arg_matches_mut(&mut matches));
        match parsed {
            Ok(line) => line.flags,
            Err(error) => error.exit(),
        }
    }

    /// The file of `--config`.
    pub(super) fn config(&self) -> Option<&PathBuf> {
        self.config.as_ref()
    }

    pub(super) fn given(self) -> Result<Given, Error> {
        fn set<T>(value: Option<T>) -> Option<(T, Origin)> {
            value.map(|value| (value, Origin::CommandLine))
        }
        let list = |flag: &str, texts: Vec<String>| match &*texts {
            [] => Ok(None),
            texts => value::addresses(texts)
                .map(Some)
                .map_err(|reason| Error::Settings(SettingFault::new(flag, reason))),
        };
        Ok(Given {
            http: set(list("--http", self.http)?),
            https: set(list("--https", self.https)?),
            proxy_protocol: set(self.proxy_protocol),
            trusted_proxies: set(match &*self.trusted_proxies {
                [] => None,
                texts => Some(
                    value::networks(texts)
                        .map_err(|reason| Error::Settings(SettingFault::new("--trusted-proxy", reason)))?,
                ),
            }),
            proxy_headers: set(self.proxy_headers),
            cert: set(self.cert),
            key: set(self.key),
            chain: set(self.chain),
            tls_min: set(self.tls_min),
            workers: set(self.workers),
            threads: set(self.threads),
            name: set(self.name),
            user: set(self.user),
            group: set(self.group),
            log: set(self.log),
            log_file: set(self.log_file),
            linger: set(self.linger),
            deadline: set(self.deadline),
            limits: super::limits::LimitsGiven::default(),
            cluster: super::cluster::ClusterGiven::default(),
        })
    }
}

/// The whole command line of a program that has none of its own.
#[derive(clap::Parser)]
#[command(disable_version_flag = true)]
struct CommandLine {
    #[command(flatten)]
    flags: Flags,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Given, String> {
        let line = ["app"].iter().chain(arguments);
        let matches = CommandLine::command().try_get_matches_from(line).map_err(|error| error.to_string())?;
        let line = CommandLine::from_arg_matches(&matches).map_err(|error| error.to_string())?;
        line.flags.given().map_err(|error| error.to_string())
    }

    #[test]
    fn clap_accepts_the_definition() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn no_flags_say_nothing() {
        assert_eq!(parse(&[]), Ok(Given::default()));
    }

    #[test]
    fn lists_repeat_and_can_be_off() {
        let given = parse(&["--http", "a:1", "--http", "b:2", "--https", "off"]).unwrap();
        assert_eq!(given.http.unwrap().0.len(), 2);
        assert_eq!(given.https, Some((vec![], Origin::CommandLine)));
    }

    #[test]
    fn a_switch_needs_no_value_and_takes_one_after_an_equals_sign() {
        let of = |flag| parse(&[flag]).unwrap().proxy_protocol.unwrap().0;
        assert!(of("--proxy-protocol") && of("--proxy-protocol=true") && !of("--proxy-protocol=false"));
    }

    #[test]
    fn mistakes_name_the_flag_and_what_is_allowed() {
        for (arguments, parts) in [
            (["--http", "8080"], ["--http", "127.0.0.1:8080"]),
            (["--tls-min", "1.1"], ["--tls-min", "1.3"]),
            (["--workers", "9999"], ["--workers", "auto"]),
            (["--threads", "0"], ["--threads", "1024"]),
            (["--name", "a/b"], ["--name", "letters"]),
            (["--linger", "5"], ["--linger", "15s"]),
            (["--trusted-proxy", "10.1.2.3/8"], ["--trusted-proxy", "10.0.0.0/8"]),
            (["--proxy-protocol=v2", "--http=a:1"], ["--proxy-protocol", "true or false"]),
            (["--log", "loud"], ["--log", "combined"]),
        ] {
            let error = parse(&arguments).unwrap_err();
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        }
    }
}
