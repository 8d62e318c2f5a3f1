//! [`Address`]: what the program says about where the server is.
//!
//! In: a URL, or `host=… user=…`. Out: the driver's settings, one for each host, and a name for messages.
//! Nothing of a password leaves it but in those settings.

use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, Host, SslMode};

use super::super::StoreError;

/// Where the server is.
pub(super) struct Address {
    config: Config,
    /// Names hosts and database, without the password.
    pub(super) name: String,
}

impl Address {
    /// Reads `url`.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] if it cannot be read, or names no host.
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        // Nothing of what was found goes into the message: a part of a password may look like anything.
        let unreadable = || {
            StoreError::Misuse(
                "the address of PostgreSQL cannot be read; it is like \
                 postgres://user:password@host:5432/database, and characters such as @ / ? # % in a password \
                 are percent-encoded"
                    .into(),
            )
        };
        let strict = url.replace("sslmode=verify-full", "sslmode=require");
        let mut config: Config = strict.parse().map_err(|_| unreadable())?;
        let (hosts, addresses) = (config.get_hosts().len(), config.get_hostaddrs().len());
        let count = hosts.max(addresses);
        let is_even = hosts == 0 || addresses == 0 || hosts == addresses;
        if count == 0 || !is_even || !(config.get_ports().len() <= 1 || config.get_ports().len() == count) {
            return Err(unreadable());
        }
        if config.get_application_name().is_none() {
            config.application_name("narae");
        }
        Ok(Self { name: name(&config), config })
    }

    /// Whether connections are encrypted if nothing else asks for it.
    pub(super) fn is_encrypted(&self) -> bool {
        self.config.get_ssl_mode() == SslMode::Require
    }

    /// The driver's settings, one for each host, in their order.
    ///
    /// # Errors
    /// What is asked for and cannot be had.
    pub(super) fn configs(&self, is_encrypted: bool) -> Result<Vec<Config>, String> {
        if self.config.get_channel_binding() == ChannelBinding::Require && !is_encrypted {
            return Err(format!(
                "{}: channel_binding=require needs an encrypted connection: sslmode=require, or a root \
                 certificate",
                self.name
            ));
        }
        let hosts = self.config.get_hosts().len().max(self.config.get_hostaddrs().len());
        let mode = if is_encrypted { SslMode::Require } else { SslMode::Disable };
        Ok((0..hosts).map(|place| self.at(place, mode)).collect())
    }

    /// The settings with one host alone. The driver knows how to add hosts, and not how to take them out.
    fn at(&self, place: usize, mode: SslMode) -> Config {
        let all = &self.config;
        let mut one = Config::new();
        all.get_user().map(|user| one.user(user));
        all.get_password().map(|password| one.password(password));
        all.get_dbname().map(|database| one.dbname(database));
        all.get_options().map(|options| one.options(options));
        all.get_application_name().map(|name| one.application_name(name));
        match all.get_hosts().get(place) {
            Some(Host::Tcp(host)) => _ = one.host(host),
            #[cfg(unix)]
            Some(Host::Unix(path)) => _ = one.host_path(path),
            None => {}
        }
        all.get_hostaddrs().get(place).map(|address| one.hostaddr(*address));
        one.port(port(all, place));
        all.get_connect_timeout().map(|limit| one.connect_timeout(*limit));
        all.get_tcp_user_timeout().map(|limit| one.tcp_user_timeout(*limit));
        all.get_keepalives_interval().map(|interval| one.keepalives_interval(interval));
        all.get_keepalives_retries().map(|retries| one.keepalives_retries(retries));
        one.keepalives(all.get_keepalives())
            .keepalives_idle(all.get_keepalives_idle())
            .ssl_mode(mode)
            .ssl_negotiation(all.get_ssl_negotiation())
            .target_session_attrs(all.get_target_session_attrs())
            .channel_binding(all.get_channel_binding())
            .load_balance_hosts(all.get_load_balance_hosts());
        one
    }
}

/// The port of each host, or one for all.
fn port(config: &Config, place: usize) -> u16 {
    let ports = config.get_ports();
    ports.get(place).or_else(|| ports.first()).copied().unwrap_or(5432)
}

/// Names the hosts and the database.
fn name(config: &Config) -> String {
    let host = |host: &Host| match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    };
    let mut hosts: Vec<String> = config.get_hosts().iter().map(host).collect();
    if hosts.is_empty() {
        hosts = config.get_hostaddrs().iter().map(ToString::to_string).collect();
    }
    let hosts = hosts.into_iter().enumerate();
    let places: Vec<String> = hosts.map(|(place, host)| format!("{host}:{}", port(config, place))).collect();
    let database = config.get_dbname().or_else(|| config.get_user()).unwrap_or("the user's");
    format!("PostgreSQL at {}, database {database}", places.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_has_settings_of_its_own_with_all_else_the_same() {
        let rest = "connect_timeout=3&keepalives_idle=9&keepalives_retries=4&tcp_user_timeout=5\
                    &target_session_attrs=read-write&channel_binding=require&options=-c%20a%3Db";
        let url = |hosts: &str| format!("postgres://anna:secret@{hosts}/shop?{rest}");
        let address = Address::parse(&url("first:5,second:7")).expect("an address");
        assert_eq!(address.name, "PostgreSQL at first:5, second:7, database shop");
        let configs = address.configs(true).expect("two");
        for (config, host) in configs.iter().zip(["first:5", "second:7"]) {
            let mut expected: Config = url(host).parse().expect("an address");
            expected.application_name("narae").ssl_mode(SslMode::Require);
            assert_eq!(*config, expected);
        }
        assert_eq!(configs.len(), 2);
    }

    #[test]
    fn channel_binding_without_encryption_is_refused() {
        let address = Address::parse("postgres://u@h/d?channel_binding=require").expect("an address");
        assert!(address.configs(false).expect_err("refused").contains("needs an encrypted connection"));
    }
}
