//! The end of a request: the session is kept, and the cookie sent, before the response's head.
//!
//! In: the session and the response's head. Out: `Set-Cookie`, or the answer where the store failed.

use std::time::Duration;

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};

use crate::answer::Answer;
use crate::begin::Begun;
use crate::decide::{Write, decide};
use crate::error::Error;
use crate::session::Session;
use crate::shared::{Shared, count};
use crate::state::Ending;
use crate::time::Timestamp;

/// What is left to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    work: Work,
    /// The decision says that the cookie is sent.
    cookie: bool,
    /// The cookie says what the browser has already, unless another request gave the session a new id
    /// meanwhile: then it must not be sent.
    repeats: bool,
}

#[derive(Clone, Copy, Debug)]
enum Work {
    Nothing,
    Save,
    /// Until when it lives then.
    Touch(Timestamp),
}

impl End {
    /// Decides. From here on the handler's writes come too late.
    pub(crate) fn of(shared: &Shared, begun: &Begun, status: StatusCode) -> Result<Self, Answer> {
        let settings = &shared.settings;
        let mut state = begun.session.state();
        state.finished = true;
        if state.failed && status.is_server_error() {
            // What a handler could not keep, for a reason that may pass.
            return Err(Answer::Unavailable);
        }
        if state.anonymous || state.ending != Ending::No {
            return Ok(Self { work: Work::Nothing, cookie: false, repeats: false });
        }
        let did = state.did(settings);
        let (write, cookie) = decide(settings.options, did);
        let is_express = shared.abilities.express;
        let resign = begun.is_old_signature && settings.resign.unwrap_or(!is_express);
        // Sending a cookie again moves nothing where it has no end.
        let cookie = cookie && (is_express || !did.presented || did.persistent || did.modified) || resign;
        state.touch_asked |= resign;
        let work = match write {
            Write::Nothing => Work::Nothing,
            Write::Save => Work::Save,
            Write::Touch => {
                let until = state.expiry(settings, shared.now());
                let after = settings.touch_after(settings.idle_of(state.max_age()), shared.abilities);
                if state.is_touch_due(until, after) { Work::Touch(until) } else { Work::Nothing }
            }
        };
        Ok(Self { work, cookie, repeats: did.presented && !is_express })
    }

    /// Whether the store must be asked.
    pub(crate) const fn needs_store(self) -> bool {
        !matches!(self.work, Work::Nothing)
    }

    /// Asks the store. What is left is to [conclude](End::conclude).
    pub(crate) async fn work(mut self, shared: &Shared, session: &Session) -> Result<Self, Answer> {
        let is_kept = match self.work {
            Work::Nothing => false,
            Work::Save => save(session).await?,
            Work::Touch(until) => touch(shared, session, until).await?,
        };
        self.repeats &= !is_kept;
        Ok(self)
    }

    /// Adds the cookie, when the store's work is done.
    pub(crate) fn conclude(self, shared: &Shared, begun: &Begun, headers: &mut HeaderMap) {
        let session = &begun.session;
        let (ending, has_token, is_anonymous) = {
            let state = session.state();
            (state.ending, state.token.is_some(), state.anonymous)
        };
        match ending {
            _ if is_anonymous => {}
            // Where it has gone, another request may have put a new id into the browser: that stays.
            Ending::Discarded | Ending::Gone => {}
            Ending::Destroyed => clear_cookie(shared, session, headers),
            Ending::No => {
                let wanted = (self.cookie && !self.repeats) || has_token;
                if wanted && shared.settings.may_send(session.is_secure()) {
                    set_cookie(shared, session, headers);
                }
            }
        }
    }
}

/// Where the answer is a failure: adds the cookie of a session whose old id is dead, so that the failure logs
/// nobody out.
pub(crate) fn save_login(shared: &Shared, session: &Session, headers: &mut HeaderMap) {
    let is_moved = {
        let state = session.state();
        state.ending == Ending::No && state.renewed && state.is_settled()
    };
    if is_moved && shared.settings.may_send(session.is_secure()) {
        set_cookie(shared, session, headers);
    }
}

/// Whether it is kept.
async fn save(session: &Session) -> Result<bool, Answer> {
    match session.write(true).await {
        // What ended elsewhere stays ended; the handler's work stands.
        Ok(()) => Ok(true),
        Err(Error::Ended) => Ok(false),
        // Trying again would not help.
        Err(Error::Store(error)) if error.is_permanent() => Err(Answer::Misused),
        Err(_) => Err(Answer::Unavailable),
    }
}

/// Moves the expiry. Whether it is moved. A failure costs the request nothing: what it read was right.
async fn touch(shared: &Shared, session: &Session, until: Timestamp) -> Result<bool, Answer> {
    if !shared.abilities.touch {
        return if shared.abilities.in_cookie { save(session).await } else { Ok(true) };
    }
    let Some(id) = session.state().stored.clone() else { return Ok(false) };
    count(&shared.counters.touches);
    match shared.store.touch(id, shared.now(), until).await {
        Ok(true) => {
            session.state().expires = until;
            return Ok(true);
        }
        Ok(false) => {
            count(&shared.counters.ended);
            session.state().ending = Ending::Gone;
        }
        Err(error) => shared.complain("move the expiry of a session", &error),
    }
    Ok(false)
}

fn set_cookie(shared: &Shared, session: &Session, headers: &mut HeaderMap) {
    let settings = &shared.settings;
    let secure = session.is_secure();
    let (value, lifetime) = {
        let mut state = session.state();
        let value = match (&state.token, &settings.secrets) {
            (Some(token), _) => token.to_string(),
            (None, Some(secrets)) => secrets.sign_cookie(state.id(settings).as_str()),
            (None, None) => state.id(settings).as_str().to_owned(),
        };
        let now = shared.now();
        // Browsers keep no cookie longer (RFC 6265bis §5.5), and dates have an end.
        let until = state.expiry(settings, now).min(now.after(MOST_OF_A_COOKIE));
        (value, settings.is_persistent(state.max_age()).then_some((whole_seconds(until.since(now)), until)))
    };
    let name = &shared.names[usize::from(secure)];
    add(headers, settings.set_cookie(name, &value, secure, lifetime, shared.abilities));
}

/// Rounded up: a month that began some milliseconds ago is still told as a month.
fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX))
}

fn clear_cookie(shared: &Shared, session: &Session, headers: &mut HeaderMap) {
    let settings = &shared.settings;
    let wanted = settings.clear_cookie.unwrap_or(!shared.abilities.express);
    let secure = session.is_secure();
    if wanted && session.state().loaded && settings.may_send(secure) {
        add(headers, settings.removal(&shared.names[usize::from(secure)], secure));
    }
}

fn add(headers: &mut HeaderMap, text: Result<String, narae_cookie::Error>) {
    let value = text
        .map_err(|error| error.to_string())
        .and_then(|text| HeaderValue::from_str(&text).map_err(|error| error.to_string()));
    match value {
        Ok(value) => {
            headers.append(header::SET_COOKIE, value);
        }
        Err(error) => tracing::error!("the session's cookie cannot be sent: {error}"),
    }
}

const MOST_OF_A_COOKIE: Duration = Duration::from_secs(400 * 24 * 3600);
