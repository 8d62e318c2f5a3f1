//! From settings to bound sockets.
//!
//! In: [`Settings`] and the sockets that a service manager passed on. Out: listeners, plain ones first, and
//! the file of the development certificate if it is in use. Must not serve.

use std::path::PathBuf;

use narae_server::{Listener, Tls, TlsConfig};

use crate::error::{Error, SettingFault};
use crate::settings::Settings;

/// Where an application is served when nobody says anything.
const DEFAULT_HTTP: &str = "127.0.0.1:8080";

/// What is listened on.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) listeners: Vec<Listener>,
    /// The development certificate's file, if it is used.
    pub(crate) development: Option<PathBuf>,
}

/// A listener to be.
enum Planned<'a> {
    Bind(&'a str),
    Take(Listener),
}

impl Sockets {
    /// Binds the configured addresses, save for the kinds that were inherited: an inherited socket whose
    /// name begins with `https` speaks TLS, any other one does not.
    pub(crate) fn open(settings: &Settings, inherited: Vec<Listener>) -> Result<Self, Error> {
        let mut development = None;
        let plan = plan(settings, inherited, |tls| load(tls, &mut development))?;
        check(settings, &plan)?;
        let mut listeners = Vec::with_capacity(plan.len());
        for (planned, tls) in plan {
            let listener = match planned {
                Planned::Bind(address) => Listener::bind(address)?,
                Planned::Take(listener) => listener,
            };
            let listener = listener.proxy_protocol(settings.proxy_protocol);
            listeners.push(match tls {
                Some(tls) => listener.tls(tls),
                None => listener,
            });
        }
        Ok(Self { listeners, development })
    }

    /// Checks what [`open`](Self::open) would use, and binds nothing. The file of the development
    /// certificate, if it would be in use.
    pub(crate) fn check(settings: &Settings, inherited: &[&str]) -> Result<Option<PathBuf>, Error> {
        let mut development = None;
        let has = |tls: bool| inherited.iter().any(|name| name.starts_with("https") == tls);
        let mut plan = plan(settings, Vec::new(), |tls| load(tls, &mut development))?;
        if has(true) {
            let config = load(&settings.tls, &mut development)?;
            plan.push((Planned::Bind(DEFAULT_HTTP), Some(config)));
        } else if has(false) {
            plan.push((Planned::Bind(DEFAULT_HTTP), None));
        }
        check(settings, &plan)?;
        Ok(development)
    }
}

fn load(tls: &Tls, development: &mut Option<PathBuf>) -> Result<TlsConfig, Error> {
    let config = tls.load()?;
    if tls.is_development() {
        *development = Some(config.certificate().to_owned());
    }
    Ok(config)
}

/// A socket that a service manager named so speaks TLS.
fn is_https(listener: &Listener) -> bool {
    listener.name().is_some_and(|name| name.starts_with("https"))
}

/// The number of the address that a supervisor bound the socket to: `https.1` is the second one of its kind.
fn number(listener: &Listener) -> Option<usize> {
    listener.name()?.split_once('.')?.1.parse().ok()
}

/// What to listen on, with certificates already loaded: one that cannot be used is found before the first
/// address is bound.
fn plan(
    settings: &Settings,
    inherited: Vec<Listener>,
    mut load: impl FnMut(&Tls) -> Result<TlsConfig, Error>,
) -> Result<Vec<(Planned<'_>, Option<TlsConfig>)>, Error> {
    let (https, http): (Vec<_>, Vec<_>) = inherited.into_iter().partition(is_https);
    let mut plan = Vec::new();
    if http.is_empty() {
        for address in settings.http.iter().flatten() {
            plan.push((Planned::Bind(address.as_str()), None));
        }
    }
    plan.extend(http.into_iter().map(|listener| (Planned::Take(listener), None)));
    if https.is_empty() {
        for (address, tls) in settings.https.iter().flatten() {
            plan.push((Planned::Bind(address.as_str()), Some(load(tls)?)));
        }
    } else {
        for listener in https {
            let own = number(&listener).and_then(|number| settings.https.as_ref()?.get(number));
            let config = load(own.map_or(&settings.tls, |(_, tls)| tls))?;
            plan.push((Planned::Take(listener), Some(config)));
        }
    }
    if plan.is_empty() && settings.http.is_none() {
        plan.push((Planned::Bind(DEFAULT_HTTP), None));
    }
    Ok(plan)
}

fn check(settings: &Settings, plan: &[(Planned<'_>, Option<TlsConfig>)]) -> Result<(), Error> {
    let speaks_tls = plan.iter().any(|(_, tls)| tls.is_some());
    // Where HTTPS was turned off on purpose, its certificate may stay.
    if let (false, None, Some(fault)) = (speaks_tls, &settings.https, &settings.idle_tls) {
        return Err(Error::Settings(fault.clone()));
    }
    if plan.is_empty() {
        let reason = "nothing to listen on: every address is off; add --http 127.0.0.1:8080";
        return Err(Error::Settings(SettingFault::new("--http, --https", reason)));
    }
    Ok(())
}
