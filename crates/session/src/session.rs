//! [`Session`]: the handle that a handler has on its session.
//!
//! In: the handler's calls. Out: values, and changes for the store at the end of the request, or at once
//! where the handler asks for it. Knows neither requests nor cookies.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::id::{Handle, Id};
use crate::record::{Json, MaxAge, Values};
use crate::shared::{Shared, count};
use crate::state::{Ending, State, Writing};
use crate::store::{Committed, Listed, Pending, StoreError, Update, Updated};
use crate::time::{Timestamp, milliseconds};

/// The session of a request.
///
/// Values are any types that serde knows, kept as JSON. What a handler writes is kept before the head of its
/// response is sent; two requests at the same time both win, unless they write the same key, where the later
/// one wins. For counters and lists that many requests change: [`update`](Session::update).
///
/// Clones are the same session.
///
/// ```
/// use axum::{Router, routing::get};
/// use narae_session::{Session, Sessions, store::Memory};
///
/// async fn visits(session: Session) -> Result<String, narae_session::Error> {
///     let visits = session.get::<u64>("visits")?.unwrap_or(0) + 1;
///     session.insert("visits", &visits)?;
///     Ok(format!("visit {visits}"))
/// }
///
/// let app: Router = Router::new().route("/", get(visits)).layer(Sessions::new(Memory::new()));
/// ```
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    /// The request came over TLS.
    secure: bool,
    state: Mutex<State>,
    /// Who talks to the store about what is in `state`: one at a time.
    turn: tokio::sync::Mutex<()>,
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>, secure: bool, state: State) -> Self {
        Self(Arc::new(Inner { shared, secure, state: Mutex::new(state), turn: tokio::sync::Mutex::new(()) }))
    }

    /// The value of `key`; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Value`] if what is there is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        let json = self.state().now_is.values.find(key).cloned();
        json.map(|json| parse(key, &json)).transpose()
    }

    /// Gives `key` a value. The same value again is no change.
    ///
    /// # Errors
    /// [`Error::Value`] if JSON cannot say it, [`Error::Key`], [`Error::Ended`], [`Error::TooLate`].
    pub fn insert<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), Error> {
        check_key(key)?;
        let json = write(key, value)?;
        self.change()?.set(key, json);
        Ok(())
    }

    /// Takes `key` out, and gives what was there, if that is a `T`.
    ///
    /// # Errors
    /// [`Error::Value`] if it is not (it is taken out all the same), [`Error::Ended`], [`Error::TooLate`].
    pub fn remove<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        let json = self.change()?.remove(key);
        json.map(|json| parse(key, &json)).transpose()
    }

    /// The keys, in the order in which they were added.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.state().now_is.values.iter().map(|(key, _)| key.to_owned()).collect()
    }

    /// Takes every key out, those too that other requests write meanwhile. Who is logged in stays so.
    ///
    /// # Errors
    /// [`Error::Ended`], [`Error::TooLate`].
    pub fn clear(&self) -> Result<(), Error> {
        self.change()?.clear();
        Ok(())
    }

    /// The id. A new session's is made here, and is in a cookie only if the session is kept.
    ///
    /// A secret: show [`handle`](Session::handle) instead.
    #[must_use]
    pub fn id(&self) -> Id {
        self.state().id(&self.0.shared.settings)
    }

    /// Names the session in lists and logs without giving it away.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.id().handle()
    }

    /// Whether the store did not know it when the request came: no cookie, a forged one, or one whose session
    /// has ended.
    #[must_use]
    pub fn is_new(&self) -> bool {
        !self.state().loaded
    }

    /// Who is logged in, as [`login`](Session::login) was told.
    #[must_use]
    pub fn user(&self) -> Option<String> {
        self.state().now_is.user.as_deref().map(str::to_owned)
    }

    /// When it began, or its user logged in; `None` where the store does not keep it, or nothing is kept yet.
    #[must_use]
    pub fn created(&self) -> Option<Timestamp> {
        self.state().created()
    }

    /// When it was last used before this request, as precisely as touches are written.
    #[must_use]
    pub fn seen(&self) -> Option<Timestamp> {
        self.state().seen
    }

    /// Gives the session a new id; the old one is dead when the response is sent. To be called whenever a
    /// user gains rights, so that an id that somebody planted is worth nothing (session fixation).
    /// [`login`](Session::login) does it.
    ///
    /// # Errors
    /// [`Error::Ended`], [`Error::TooLate`].
    pub fn renew(&self) -> Result<(), Error> {
        self.change()?.renew(&self.0.shared.settings);
        Ok(())
    }

    /// Begins anew: an empty session of nobody with a new id and the configured lifetime (express:
    /// `regenerate`). A logout that leaves a flash message does this, since a destroyed session carries none.
    ///
    /// # Errors
    /// [`Error::Ended`], [`Error::TooLate`].
    pub fn regenerate(&self) -> Result<(), Error> {
        let now = self.0.shared.now();
        let mut state = self.begin()?;
        state.clear();
        state.now_is.user = None;
        state.begin_anew(now);
        state.renew(&self.0.shared.settings);
        Ok(())
    }

    /// Logs `user` in: gives the session a new id, keeps its values, begins its life anew with the configured
    /// lifetime, and puts it into the list that [`sessions_of`](Session::sessions_of) reads.
    ///
    /// # Errors
    /// [`Error::User`], [`Error::Ended`], [`Error::TooLate`].
    pub fn login(&self, user: impl AsRef<str>) -> Result<(), Error> {
        let user = user.as_ref();
        check_name(user).then_some(()).ok_or_else(|| Error::User(user.to_owned()))?;
        let now = self.0.shared.now();
        self.begin()?.log_in(user.into(), now, &self.0.shared.settings);
        Ok(())
    }

    /// Lets this session live for `duration` without a request, and the browser keep it when it is closed: for
    /// "stay logged in". An absolute timeout that is shorter becomes as long. A later [`login`](Session::login)
    /// or [`regenerate`](Session::regenerate) ends it, so call this after them.
    ///
    /// # Errors
    /// [`Error::Ended`], [`Error::TooLate`].
    pub fn remember_for(&self, duration: Duration) -> Result<(), Error> {
        self.change()?.set_max_age(MaxAge::Milliseconds(milliseconds(duration).max(1000)));
        Ok(())
    }

    /// Moves the expiry with this request, however little it moves.
    pub fn touch(&self) {
        self.state().touch_asked = true;
    }

    /// Lets nothing that this request did to the session be kept.
    pub fn discard(&self) {
        let mut state = self.state();
        if state.ending == Ending::No {
            state.ending = Ending::Discarded;
        }
    }

    /// Writes to the store now what the request did to the session so far. Needed only where the work must
    /// be kept before the handler is done: otherwise everything is kept before the response's head is sent.
    ///
    /// # Errors
    /// [`Error::Store`]; [`Error::Ended`] if the session was ended elsewhere meanwhile; [`Error::TooLate`].
    pub async fn save(&self) -> Result<(), Error> {
        drop(self.change()?);
        self.write(true).await
    }

    /// Reads the session from the store again, in place of what the request did to it.
    ///
    /// # Errors
    /// [`Error::Store`]; [`Error::Ended`] if there is none (any more).
    pub async fn reload(&self) -> Result<(), Error> {
        let shared = &self.0.shared;
        let stored = self.change()?.stored.clone().ok_or(Error::Ended)?;
        count(&shared.counters.loads);
        let record = self.ask("read a session", shared.store.load(&stored, shared.now())).await?;
        self.state().reloaded(record.ok_or(Error::Ended)?);
        Ok(())
    }

    /// Replaces the value of `key` by what `change` makes of it, in one transaction of the store, and gives the
    /// new one: however many requests do it at once, in however many processes, none is lost.
    ///
    /// Kept when it returns, with everything that the request wrote before. `change` can be called more than
    /// once, so it must do nothing but make the value.
    ///
    /// ```
    /// # async fn doc(session: narae_session::Session) -> Result<(), narae_session::Error> {
    /// let visits = session.update("visits", |visits: Option<u64>| visits.unwrap_or(0) + 1).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Value`] if what is there is not a `T`; [`Error::Key`]; [`Error::Store`]; [`Error::Ended`];
    /// [`Error::TooLate`] after the response's head, if the session is not kept, or is kept in the cookie.
    pub async fn update<T, F>(&self, key: &str, change: F) -> Result<T, Error>
    where
        T: Serialize + DeserializeOwned,
        F: Fn(Option<T>) -> T + Send + Sync + 'static,
    {
        check_key(key)?;
        let _turn = loop {
            let turn = self.0.turn.lock().await;
            {
                let state = self.state();
                match state.ending {
                    Ending::Destroyed | Ending::Gone => return Err(Error::Ended),
                    Ending::No | Ending::Discarded => {}
                }
                // Nobody would get the cookie of a new session any more, nor a session that is its cookie.
                let needs_cookie = self.0.shared.abilities.in_cookie || state.stored.is_none();
                if state.finished && needs_cookie && !state.anonymous {
                    return Err(Error::TooLate);
                }
                if state.anonymous || state.is_clean() {
                    break turn;
                }
            }
            drop(turn);
            self.write(false).await?;
        };
        let named: Arc<str> = key.into();
        let make = {
            let key = Arc::clone(&named);
            move |old: Option<&str>| -> Result<Option<Json>, Arc<str>> {
                let old = old.map(|json| parse(&key, json)).transpose().map_err(|error| error.to_string())?;
                let new = write(&key, &change(old)).map_err(|error| error.to_string())?;
                Ok(Some(new))
            }
        };
        if self.state().anonymous {
            return self.update_here(key, &make);
        }
        let shared = &self.0.shared;
        let now = shared.now();
        let (id, expires) = {
            let mut state = self.state();
            (state.id(&shared.settings), state.expiry(&shared.settings, now))
        };
        count(&shared.counters.saves);
        let update = Update { key: Arc::clone(&named), make: Arc::new(make), now, expires };
        match self.ask("update a session", shared.store.update(id, update)).await? {
            Updated::Done(json, token) => {
                let mut state = self.state();
                state.updated(key, json.as_ref(), expires);
                take_token(&mut state, token);
                drop(state);
                parse(key, json.as_deref().unwrap_or("null"))
            }
            Updated::Gone => Err(self.has_gone()),
            Updated::Refused(why) => Err(Error::Value(key.to_owned(), why.as_ref().into())),
        }
    }

    /// An update of a session of which nothing is kept.
    fn update_here<T: DeserializeOwned>(
        &self,
        key: &str,
        make: &impl Fn(Option<&str>) -> Result<Option<Json>, Arc<str>>,
    ) -> Result<T, Error> {
        // Not locked while the program's own code runs.
        let old = self.state().now_is.values.find(key).cloned();
        let made = make(old.as_deref());
        let json = made.map_err(|why| Error::Value(key.to_owned(), why.as_ref().into()))?;
        let json = json.unwrap_or_else(|| "null".into());
        self.state().set(key, Arc::clone(&json));
        parse(key, &json)
    }

    /// Ends the session now: the store forgets it, no request brings it back, and the browser is told to
    /// forget the cookie. This is what a logout does.
    ///
    /// # Errors
    /// [`Error::Store`]; the session then lives on.
    pub async fn destroy(&self) -> Result<(), Error> {
        let _turn = self.0.turn.lock().await;
        let stored = self.state().stored.clone();
        if let Some(stored) = stored {
            self.ask("end a session", self.0.shared.store.destroy(stored)).await?;
        }
        self.state().ending = Ending::Destroyed;
        Ok(())
    }

    /// The live sessions of `user`, the youngest first: "your devices".
    ///
    /// # Errors
    /// [`Error::Store`], also where the store has no list of users.
    pub async fn sessions_of(&self, user: impl AsRef<str>) -> Result<Vec<SessionInfo>, Error> {
        let shared = &self.0.shared;
        let listing = shared.store.sessions_of(user.as_ref(), shared.now());
        let listed = self.ask("list sessions", listing).await?;
        let current = self.state().stored.as_ref().map(Id::handle);
        let now = shared.now();
        let is_live = |one: &Listed| !shared.settings.is_over(&one.record, now);
        let live = listed.into_iter().filter(is_live);
        Ok(live.map(|listed| SessionInfo::new(listed, current)).collect())
    }

    /// Ends all sessions of `user`, on every device, and gives how many there were. If it is the user of this
    /// session, this one too.
    ///
    /// # Errors
    /// [`Error::Store`], also where the store has no list of users.
    pub async fn log_out_everywhere(&self, user: impl AsRef<str>) -> Result<u64, Error> {
        let user = user.as_ref();
        let _turn = self.0.turn.lock().await;
        let ended = self.ask("end sessions", self.0.shared.store.destroy_all_of(user, None)).await?;
        let mut state = self.state();
        if state.now_is.user.as_deref() == Some(user) {
            state.ending = Ending::Destroyed;
        }
        Ok(ended)
    }

    /// Ends all sessions of `user` but this one, and gives how many there were. For a changed password.
    ///
    /// # Errors
    /// [`Error::Store`], also where the store has no list of users.
    pub async fn log_out_elsewhere(&self, user: impl AsRef<str>) -> Result<u64, Error> {
        let _turn = self.0.turn.lock().await;
        let except = self.state().stored.as_ref().map(Id::handle);
        self.ask("end sessions", self.0.shared.store.destroy_all_of(user.as_ref(), except)).await
    }

    /// Ends one session of `user`, named by its [handle](SessionInfo::handle). `false` if there is none.
    ///
    /// # Errors
    /// [`Error::Store`], also where the store has no list of users.
    pub async fn revoke(&self, user: impl AsRef<str>, handle: Handle) -> Result<bool, Error> {
        let _turn = self.0.turn.lock().await;
        let done = self.ask("end a session", self.0.shared.store.revoke(user.as_ref(), handle)).await?;
        let mut state = self.state();
        if done && state.stored.as_ref().map(Id::handle) == Some(handle) {
            state.ending = Ending::Destroyed;
        }
        Ok(done)
    }

    /// Writes what is unsaved, and with `always` also what is not. Used by the handler's calls and at the end
    /// of the request. A move to a new id runs to its end although nobody may wait for it any more: half of it
    /// would leave the browser with an id that is dead.
    pub(crate) async fn write(&self, always: bool) -> Result<(), Error> {
        if !self.state().is_moving() {
            return self.write_in_turn(always).await;
        }
        let session = self.clone();
        let moving = tokio::spawn(async move { session.write_in_turn(always).await });
        let ended = |error| StoreError::unavailable("a session could not be renewed", error);
        moving.await.map_err(ended)?
    }

    async fn write_in_turn(&self, always: bool) -> Result<(), Error> {
        let _turn = self.0.turn.lock().await;
        let shared = &self.0.shared;
        let attributes = &shared.attributes[usize::from(self.0.secure)];
        let (writing, written) = {
            let mut state = self.state();
            match state.ending {
                Ending::Destroyed | Ending::Gone => return Err(Error::Ended),
                Ending::No | Ending::Discarded => {}
            }
            if state.anonymous || (!always && state.is_clean()) {
                return Ok(());
            }
            state.writing(&shared.settings, shared.now(), attributes)
        };
        count(&shared.counters.saves);
        match self.send(writing).await? {
            (id, Committed::Done(token)) => {
                let mut state = self.state();
                state.saved(id, written);
                take_token(&mut state, token);
                Ok(())
            }
            (_, Committed::Gone) => Err(self.has_gone()),
        }
    }

    /// Gives the store a write, and says under which id the session is then.
    async fn send(&self, writing: Writing) -> Result<(Id, Committed), Error> {
        let store = &self.0.shared.store;
        match writing {
            Writing::Create(id, change) => {
                let created = self.ask("keep a new session", store.create(id.clone(), change)).await?;
                Ok((id, created))
            }
            Writing::Commit(id, change) => {
                let committed = self.ask("keep a session", store.commit(id.clone(), change)).await?;
                Ok((id, committed))
            }
            Writing::Renew(from, to, change, instead) => {
                let renewing = store.renew(from, to.clone(), change);
                match (self.ask("renew a session", renewing).await?, instead) {
                    (Committed::Gone, Some(change)) => {
                        let created =
                            self.ask("keep a new session", store.create(to.clone(), change)).await?;
                        Ok((to, created))
                    }
                    (renewed, _) => Ok((to, renewed)),
                }
            }
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.0.secure
    }

    fn change(&self) -> Result<MutexGuard<'_, State>, Error> {
        let state = self.state();
        match state.ending {
            Ending::Destroyed | Ending::Gone => Err(Error::Ended),
            Ending::No | Ending::Discarded if state.finished => Err(Error::TooLate),
            Ending::No | Ending::Discarded => Ok(state),
        }
    }

    /// For what begins a life: a session that ended elsewhere is a new one then.
    fn begin(&self) -> Result<MutexGuard<'_, State>, Error> {
        let mut state = self.state();
        if state.ending == Ending::Gone && !state.finished {
            *state = State::new();
        }
        drop(state);
        self.change()
    }

    fn has_gone(&self) -> Error {
        self.state().ending = Ending::Gone;
        count(&self.0.shared.counters.ended);
        Error::Ended
    }

    async fn ask<T>(&self, doing: &str, answer: Pending<'_, T>) -> Result<T, Error> {
        answer.await.map_err(|error| {
            if !matches!(error, StoreError::Unsupported(_)) {
                self.0.shared.complain(doing, &error);
            }
            self.state().failed |= !error.is_permanent();
            error.into()
        })
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Session")
            .field("id", &state.id)
            .field("loaded", &state.loaded)
            .finish_non_exhaustive()
    }
}

/// A session in the list of a user's sessions.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Names it: for [`Session::revoke`]. Safe to show.
    pub handle: Handle,
    /// When its user logged in.
    pub created: Option<Timestamp>,
    /// When it was last used, give or take what touches save (a minute at most by default).
    pub seen: Option<Timestamp>,
    /// When it ends if nobody uses it.
    pub expires: Timestamp,
    /// Whether it is the session of this request.
    pub is_current: bool,
    values: Values,
}

impl SessionInfo {
    fn new(listed: Listed, current: Option<Handle>) -> Self {
        let Listed { handle, record } = listed;
        Self {
            handle,
            created: record.created,
            seen: record.seen,
            expires: record.expires,
            is_current: current == Some(handle),
            values: record.values,
        }
    }

    /// The value of `key` in that session.
    ///
    /// # Errors
    /// [`Error::Value`] if what is there is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        self.values.find(key).map(|json| parse(key, json)).transpose()
    }
}

/// A store that keeps sessions in cookies knows the session by its new cookie from now on.
fn take_token(state: &mut State, token: Option<Box<str>>) {
    if let Some(token) = token {
        state.stored = Id::parse(&token);
        state.id.clone_from(&state.stored);
        state.token = Some(token);
    }
}

/// Values belong to users, so the error says where and not what.
fn parse<T: DeserializeOwned>(key: &str, json: &str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|error| {
        let (wanted, column) = (std::any::type_name::<T>(), error.column());
        Error::Value(key.to_owned(), format!("it is no {wanted}, as byte {column} of its JSON shows"))
    })
}

fn write<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<Json, Error> {
    let json = serde_json::to_string(value);
    json.map(Json::from).map_err(|error| Error::Value(key.to_owned(), error.to_string()))
}

fn check_key(key: &str) -> Result<(), Error> {
    check_name(key).then_some(()).ok_or_else(|| Error::Key(key.to_owned()))
}

fn check_name(name: &str) -> bool {
    (1..=255).contains(&name.len()) && !name.contains('\0')
}
