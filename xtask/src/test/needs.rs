//! [`Programs`]: the programs that the tests drive, and how to get them.
//!
//! In: what this machine has. Out: the programs' paths, after `install` got
//! what was missing, or a message that says what to install.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::install::{self, Need, has_versioned, in_path, output};

/// Where the programs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Programs {
    pub(super) node: PathBuf,
    pub(super) npm: PathBuf,
    pub(super) chromium: PathBuf,
    pub(super) python: PathBuf,
}

/// What is there; `None`: missing, or not good enough.
#[derive(Clone, Debug, Default)]
struct Found {
    curl_speaks_http2: bool,
    node: Option<PathBuf>,
    npm: Option<PathBuf>,
    chromium: Option<PathBuf>,
    python: Option<PathBuf>,
    has_redis: bool,
    has_postgresql: bool,
    has_haproxy: bool,
    has_nginx: bool,
    has_slowhttptest: bool,
}

impl Programs {
    /// Finds the programs; installs those that are missing if `install` says so.
    ///
    /// # Errors
    /// What is missing and which command would get it.
    pub(super) fn ensure(install: bool) -> Result<Self, String> {
        let found = Found::look();
        if let Some(programs) = found.complete() {
            return Ok(programs);
        }
        install::get("The tests need", &found.missing(), install)?;
        let found = Found::look();
        found.complete().ok_or_else(|| {
            let names: Vec<&str> = found.missing().iter().map(|need| need.name).collect();
            format!("installed, but still not usable: {}", names.join(", "))
        })
    }
}

const NEEDS: [Need<Found>; 10] = [
    Need {
        name: "curl",
        why: "with HTTP/2: speaks to servers as a script does",
        packages: &["curl"],
        service: None,
        is_there: |found| found.curl_speaks_http2,
    },
    Need {
        name: "node",
        why: "18 or newer: runs the JavaScript clients",
        packages: &["nodejs"],
        service: None,
        is_there: |found| found.node.is_some(),
    },
    Need {
        name: "npm",
        why: "installs the browser tests' packages",
        packages: &["npm"],
        service: None,
        is_there: |found| found.npm.is_some(),
    },
    Need {
        name: "chromium",
        why: "opens pages as a visitor does",
        packages: &["chromium"],
        service: None,
        is_there: |found| found.chromium.is_some(),
    },
    Need {
        name: "python3",
        why: "with requests, httpx and h2: runs the Python clients",
        packages: &["python3", "python3-requests", "python3-httpx", "python3-h2"],
        service: None,
        is_there: |found| found.python.is_some(),
    },
    Need {
        name: "redis",
        why: "redis-server and redis-cli: keeps sessions",
        packages: &["redis-server", "redis-tools"],
        service: Some("redis-server"),
        is_there: |found| found.has_redis,
    },
    Need {
        name: "postgresql",
        why: "keeps sessions",
        packages: &["postgresql"],
        service: Some("postgresql"),
        is_there: |found| found.has_postgresql,
    },
    Need {
        name: "haproxy",
        why: "speaks the PROXY protocol to the server",
        packages: &["haproxy"],
        service: Some("haproxy"),
        is_there: |found| found.has_haproxy,
    },
    Need {
        name: "nginx",
        why: "says to the server who the client is",
        packages: &["nginx-light"],
        service: Some("nginx"),
        is_there: |found| found.has_nginx,
    },
    Need {
        name: "slowhttptest",
        why: "attacks the server by slowness",
        packages: &["slowhttptest"],
        service: None,
        is_there: |found| found.has_slowhttptest,
    },
];

impl Found {
    fn look() -> Self {
        let node = in_path(&["node", "nodejs"]).filter(|node| {
            let version = output(Command::new(node).arg("--version"));
            version.as_deref().and_then(major_version) >= Some(OLDEST_NODE)
        });
        let modules = ["-c", "import requests, httpx, h2"];
        // Another Python may come first in PATH and lack the system's modules.
        let pythons = [Some(PathBuf::from("/usr/bin/python3")), in_path(&["python3"])];
        Self {
            curl_speaks_http2: output(Command::new("curl").arg("--version"))
                .is_some_and(|text| has_http2(&text)),
            node,
            npm: in_path(&["npm"]),
            chromium: in_path(&["chromium", "chromium-browser", "google-chrome"]),
            python: pythons
                .into_iter()
                .flatten()
                .find(|python| output(Command::new(python).args(modules)).is_some()),
            has_redis: in_path(&["redis-server"]).is_some() && in_path(&["redis-cli"]).is_some(),
            has_postgresql: (in_path(&["postgres"]).is_some() && in_path(&["initdb"]).is_some())
                || has_versioned(Path::new(POSTGRESQL), "bin/postgres"),
            has_haproxy: in_path(&["haproxy"]).is_some(),
            has_nginx: in_path(&["nginx"]).is_some(),
            has_slowhttptest: in_path(&["slowhttptest"]).is_some(),
        }
    }

    fn missing(&self) -> Vec<&'static Need<Found>> {
        NEEDS.iter().filter(|need| !(need.is_there)(self)).collect()
    }

    fn complete(&self) -> Option<Programs> {
        let others =
            [self.has_redis, self.has_postgresql, self.has_haproxy, self.has_nginx, self.has_slowhttptest];
        if !self.curl_speaks_http2 || others.contains(&false) {
            return None;
        }
        Some(Programs {
            node: self.node.clone()?,
            npm: self.npm.clone()?,
            chromium: self.chromium.clone()?,
            python: self.python.clone()?,
        })
    }
}

/// 20 of `v20.11.1`.
fn major_version(text: &str) -> Option<u32> {
    text.trim().trim_start_matches('v').split('.').next()?.parse().ok()
}

/// Whether `curl --version` lists HTTP/2 among its features.
fn has_http2(text: &str) -> bool {
    let features = text.lines().filter_map(|line| line.strip_prefix("Features:"));
    features.flat_map(str::split_whitespace).any(|feature| feature == "HTTP2")
}

/// The one of Debian 12. The tests' npm packages must do with it.
pub(super) const OLDEST_NODE: u32 = 18;

/// Where Debian puts PostgreSQL, which is not in PATH there.
const POSTGRESQL: &str = "/usr/lib/postgresql";

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Found, NEEDS, has_http2, major_version};
    use crate::install::{Installer, Plan, plan};

    fn everything() -> Found {
        let path = || Some(PathBuf::from("/usr/bin/x"));
        Found {
            curl_speaks_http2: true,
            node: path(),
            npm: path(),
            chromium: path(),
            python: path(),
            has_redis: true,
            has_postgresql: true,
            has_haproxy: true,
            has_nginx: true,
            has_slowhttptest: true,
        }
    }

    fn check(found: &Found, installer: Installer, expected: &[&str]) {
        match plan(&found.missing(), installer) {
            Plan::Nothing => assert!(expected.is_empty()),
            Plan::Run(commands) => {
                let lines: Vec<String> = commands.iter().map(|words| words.join(" ")).collect();
                assert_eq!(lines, expected);
            }
            Plan::Ask(message) => panic!("{message}"),
        }
    }

    #[test]
    fn a_machine_that_has_everything_installs_nothing() {
        assert!(everything().complete().is_some());
        check(&everything(), Installer::AptAsRoot, &[]);
        check(&everything(), Installer::None, &[]);
    }

    #[test]
    fn only_what_is_missing_is_installed() {
        let found = Found { chromium: None, ..everything() };
        check(
            &found,
            Installer::AptAsRoot,
            &[
                "env DEBIAN_FRONTEND=noninteractive apt-get update",
                "env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium",
            ],
        );
    }

    #[test]
    fn services_that_come_with_packages_are_stopped() {
        let found = Found { has_redis: false, ..everything() };
        check(
            &found,
            Installer::AptBySudo,
            &[
                "sudo env DEBIAN_FRONTEND=noninteractive apt-get update",
                "sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends redis-server \
                 redis-tools",
                "sudo env service redis-server stop",
                "sudo env update-rc.d redis-server disable",
            ],
        );
    }

    #[test]
    fn everyone_but_root_installs_by_sudo() {
        let found = Found { python: None, curl_speaks_http2: false, ..everything() };
        check(
            &found,
            Installer::AptBySudo,
            &[
                "sudo env DEBIAN_FRONTEND=noninteractive apt-get update",
                "sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends curl python3 \
                 python3-requests python3-httpx python3-h2",
            ],
        );
    }

    #[test]
    fn without_apt_or_the_right_to_use_it_a_person_is_told_what_to_install() {
        for installer in [Installer::None, Installer::AptForbidden] {
            let Plan::Ask(message) = plan(&Found::default().missing(), installer) else {
                panic!("installs by itself")
            };
            for package in NEEDS.iter().flat_map(|need| need.packages) {
                assert!(message.contains(package), "{message}");
            }
        }
    }

    #[test]
    fn every_missing_program_alone_makes_the_machine_incomplete() {
        for found in [
            Found { curl_speaks_http2: false, ..everything() },
            Found { node: None, ..everything() },
            Found { npm: None, ..everything() },
            Found { chromium: None, ..everything() },
            Found { python: None, ..everything() },
            Found { has_redis: false, ..everything() },
            Found { has_postgresql: false, ..everything() },
            Found { has_haproxy: false, ..everything() },
            Found { has_nginx: false, ..everything() },
            Found { has_slowhttptest: false, ..everything() },
        ] {
            assert!(found.complete().is_none());
            assert_eq!(found.missing().len(), 1);
        }
    }

    #[test]
    fn versions_and_features_are_read() {
        assert_eq!(major_version("v20.11.1\n"), Some(20));
        assert_eq!(major_version("no version"), None);
        assert!(has_http2("curl 8\nProtocols: http\nFeatures: alt-svc HTTP2 HTTPS-proxy\n"));
        assert!(!has_http2("curl 8\nFeatures: alt-svc HTTPS-proxy\n"));
    }
}
