//! The `[cluster]` table: when and how workers are replaced.
//!
//! In: the table as serde reads it. Out: [`ClusterSettings`] with the given ones replaced.

use std::time::Duration;

use super::limits::DurationText;
use super::size::Size;

/// How the workers of a cluster are started, watched and replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterSettings {
    /// How long a worker may take from its start to being ready. Default: 60 s. One that takes longer is
    /// killed, and tried again.
    pub start_timeout: Duration,
    /// How long an event loop may be stuck before its worker is replaced. Default: 30 s. Zero: never.
    pub stall_timeout: Duration,
    /// How long the first new worker of a reload is watched, beside the old one, before the others follow.
    /// Default: 2 s. Zero: not at all.
    pub canary: Duration,
    /// Replaces a worker after about this many requests (a tenth less or more, so that not all are
    /// replaced at once). Default: never.
    pub max_requests: Option<u64>,
    /// Replaces a worker of this age. Default: never.
    pub max_age: Option<Duration>,
    /// Replaces a worker that holds more memory than this, in bytes (resident set). Default: never.
    pub max_memory: Option<u64>,
    /// A path that the application must answer with 2xx before a new worker accepts connections. Default:
    /// none; a worker is ready when its application is made.
    pub health: Option<String>,
    /// Whether each worker keeps to a core of its own. Default: no; the system does well as a rule.
    pub pin: bool,
    /// Who the workers are, once the sockets are bound and the certificates are read. Default: who started
    /// the program. Needs root.
    pub user: Option<String>,
    /// The workers' group. Default: that of the user.
    pub group: Option<String>,
}

impl Default for ClusterSettings {
    fn default() -> Self {
        let policy = narae_cluster::Policy::default();
        Self {
            start_timeout: policy.start_timeout,
            stall_timeout: policy.stall_timeout,
            canary: policy.canary,
            max_requests: None,
            max_age: None,
            max_memory: None,
            health: None,
            pin: false,
            user: None,
            group: None,
        }
    }
}

impl ClusterSettings {
    /// What cannot work.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.start_timeout.is_zero() {
            return Err("start_timeout: no worker is ready at once; write 60s, or more".to_owned());
        }
        if !self.stall_timeout.is_zero() && self.stall_timeout < Duration::from_secs(2) {
            return Err("stall_timeout: signs of life are looked for once a second; write 2s or more, or 0"
                .to_owned());
        }
        if self.max_requests == Some(0) {
            return Err("max_requests: a worker must serve something; write 1 or more".to_owned());
        }
        match &self.health {
            Some(path) if !path.starts_with('/') => {
                Err(format!("health: {path:?} is no path: write it with a slash first, as in /healthz"))
            }
            _ => Ok(()),
        }
    }
}

/// The settings that the file gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClusterGiven {
    start_timeout: Option<DurationText>,
    stall_timeout: Option<DurationText>,
    canary: Option<DurationText>,
    max_requests: Option<u64>,
    max_age: Option<DurationText>,
    max_memory: Option<Size>,
    health: Option<String>,
    pin: Option<bool>,
}

impl ClusterGiven {
    /// The given ones over `below`.
    pub(crate) fn apply(self, below: ClusterSettings) -> ClusterSettings {
        let time = |given: Option<DurationText>, below: Duration| given.map_or(below, |given| given.0);
        ClusterSettings {
            start_timeout: time(self.start_timeout, below.start_timeout),
            stall_timeout: time(self.stall_timeout, below.stall_timeout),
            canary: time(self.canary, below.canary),
            max_requests: self.max_requests.or(below.max_requests),
            max_age: self.max_age.map(|age| age.0).or(below.max_age),
            max_memory: self.max_memory.map(Size::bytes).or(below.max_memory),
            health: self.health.or(below.health),
            pin: self.pin.unwrap_or(below.pin),
            user: below.user,
            group: below.group,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(table: &str) -> Result<ClusterSettings, String> {
        let given: ClusterGiven = toml::from_str(table).map_err(|error| error.message().to_owned())?;
        let settings = given.apply(ClusterSettings::default());
        settings.check().map(|()| settings)
    }

    #[test]
    fn an_empty_table_leaves_the_defaults() {
        assert_eq!(of(""), Ok(ClusterSettings::default()));
    }

    #[test]
    fn every_key_has_its_effect() {
        let table = "start_timeout = \"5s\"\nstall_timeout = \"0\"\ncanary = \"250ms\"\nmax_requests = 10\n\
                     max_age = \"1h\"\nmax_memory = \"1MiB\"\nhealth = \"/ok\"\npin = true";
        let settings = of(table).unwrap();
        let expected = ClusterSettings {
            start_timeout: Duration::from_secs(5),
            stall_timeout: Duration::ZERO,
            canary: Duration::from_millis(250),
            max_requests: Some(10),
            max_age: Some(Duration::from_secs(3600)),
            max_memory: Some(1 << 20),
            health: Some("/ok".to_owned()),
            pin: true,
            ..ClusterSettings::default()
        };
        assert_eq!(settings, expected);
    }

    #[test]
    fn what_cannot_work_is_refused_with_what_can() {
        for (table, part) in [
            ("start_timeout = \"0\"", "60s"),
            ("stall_timeout = \"1s\"", "2s or more"),
            ("max_requests = 0", "1 or more"),
            ("health = \"ok\"", "/healthz"),
            ("helth = \"/ok\"", "helth"),
        ] {
            let error = of(table).unwrap_err();
            assert!(error.contains(part), "{table}: {error}");
        }
    }
}
