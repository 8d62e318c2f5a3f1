//! What a person reads at start: the addresses, and what to know about them.
//!
//! In: facts. Out: text, with colours or without. Pure; `run` writes it to the standard error output, where
//! it does not disturb an access log on the standard output.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use narae_server::{Listener, Local};

/// The facts.
#[derive(Debug)]
pub(crate) struct Banner {
    pub(crate) name: String,
    pub(crate) serving: Option<String>,
    pub(crate) addresses: Vec<Line>,
    /// Worker processes; 0: this process alone.
    pub(crate) workers: usize,
    /// Event loops of each process.
    pub(crate) threads: usize,
    /// The name by which the `narae` command finds it.
    pub(crate) command: Option<String>,
    /// The development certificate's file, if it is used.
    pub(crate) development: Option<PathBuf>,
}

/// One address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) local: Local,
    pub(crate) tls: bool,
    pub(crate) inherited: bool,
}

impl Line {
    pub(crate) fn of(listener: &Listener) -> Self {
        Self { local: listener.local(), tls: listener.is_tls(), inherited: listener.is_inherited() }
    }

    /// Where a browser on this machine finds it.
    pub(crate) fn url(&self) -> String {
        match &self.local {
            Local::Tcp(address) => {
                let scheme = if self.tls { "https" } else { "http" };
                format!("{scheme}://{}", host_and_port(*address, self.tls))
            }
            other => other.to_string(),
        }
    }

    fn notes(&self) -> String {
        let mut notes =
            if self.tls { "HTTP/2, HTTP/1.1" } else { "HTTP/1.1, HTTP/2 (prior knowledge)" }.to_owned();
        if self.local.address().is_some_and(|address| address.ip().is_unspecified()) {
            notes.push_str(" · on every interface");
        }
        if self.inherited {
            notes.push_str(" · inherited");
        }
        notes
    }
}

/// The name under which this machine reaches the address: certificates are for `localhost`, and a wildcard
/// is no address to go to.
fn host_and_port(address: SocketAddr, tls: bool) -> String {
    let ip = address.ip();
    if ip.is_unspecified() || (tls && ip.is_loopback()) {
        return format!("localhost:{}", address.port());
    }
    match ip {
        IpAddr::V4(ip) => format!("{ip}:{}", address.port()),
        IpAddr::V6(ip) => format!("[{ip}]:{}", address.port()),
    }
}

impl Banner {
    pub(crate) fn text(&self, color: bool) -> String {
        let paint = |code: &str, text: &str| {
            if color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
        };
        let mut text = format!("\n  {} on narae {}\n\n", paint("1", &self.name), env!("CARGO_PKG_VERSION"));
        let width = self.addresses.iter().map(|line| line.url().chars().count()).max().unwrap_or(0);
        for line in &self.addresses {
            let url = line.url();
            let gap = " ".repeat(width.saturating_sub(url.chars().count()) + 3);
            text += &format!("  {}{gap}{}\n", paint("36", &url), paint("2", &line.notes()));
        }
        text.push('\n');
        let mut fact = |label: &str, value: &str| {
            text += &format!("  {}  {value}\n", paint("2", &format!("{label:<11}")));
        };
        if let Some(serving) = &self.serving {
            fact("serving", serving);
        }
        match (self.workers, self.threads) {
            (0, threads) => fact("event loops", &format!("{threads} in this process")),
            (workers, 1) => fact("workers", &workers.to_string()),
            (workers, threads) => fact("workers", &format!("{workers}, with {threads} event loops each")),
        }
        if let Some(name) = &self.command {
            fact("control", &format!("narae status {name} · narae reload {name}"));
        }
        if let Some(file) = &self.development {
            fact("certificate", &format!("self-signed, for development: {}", short(file)));
            fact("", "the browser warns of it once; accept it to go on");
        }
        fact("stop", "Ctrl-C");
        text.push('\n');
        text
    }
}

/// The path with `~` for the home folder.
fn short(path: &Path) -> String {
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    match home.and_then(|home| path.strip_prefix(home).ok().map(Path::to_owned)) {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(address: &str, tls: bool) -> Line {
        Line { local: Local::Tcp(address.parse().unwrap()), tls, inherited: false }
    }

    fn banner() -> Banner {
        Banner {
            name: "hello".to_owned(),
            serving: Some("the folder /srv/www".to_owned()),
            addresses: vec![line("127.0.0.1:8080", false), line("127.0.0.1:8443", true)],
            workers: 2,
            threads: 1,
            command: Some("hello".to_owned()),
            development: Some("/var/lib/x/localhost.pem".into()),
        }
    }

    #[test]
    fn says_what_a_person_wants_to_know() {
        let expected = format!(
            "
  hello on narae {}

  http://127.0.0.1:8080    HTTP/1.1, HTTP/2 (prior knowledge)
  https://localhost:8443   HTTP/2, HTTP/1.1

  serving      the folder /srv/www
  workers      2
  control      narae status hello · narae reload hello
  certificate  self-signed, for development: /var/lib/x/localhost.pem
               the browser warns of it once; accept it to go on
  stop         Ctrl-C

",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(banner().text(false), expected);
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let mut plain = String::new();
        let mut rest = banner().text(true);
        while let Some(at) = rest.find("\x1b[") {
            let end = at + rest[at..].find('m').unwrap();
            plain.push_str(&rest[..at]);
            rest = rest[end + 1..].to_owned();
        }
        assert_eq!(plain + &rest, banner().text(false));
    }

    #[test]
    fn every_address_is_one_that_a_browser_here_can_open() {
        for (address, tls, url) in [
            ("127.0.0.1:80", false, "http://127.0.0.1:80"),
            ("0.0.0.0:80", false, "http://localhost:80"),
            ("[::]:443", true, "https://localhost:443"),
            ("[::1]:80", false, "http://[::1]:80"),
            ("[::1]:443", true, "https://localhost:443"),
            ("192.0.2.1:443", true, "https://192.0.2.1:443"),
        ] {
            assert_eq!(line(address, tls).url(), url);
        }
        let unix = Line { local: Local::Unix("/run/a.sock".into()), tls: false, inherited: true };
        assert_eq!(unix.url(), "unix:/run/a.sock");
        assert!(unix.notes().ends_with("inherited"), "{}", unix.notes());
    }
}
