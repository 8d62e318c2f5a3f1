//! The beginning of a request: which session its cookie names.
//!
//! In: the request's fields. Out: a [`Begun`] with the session, or the answer where the store failed.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use http::Request;
use http::header::{self, HeaderMap, HeaderValue};
use http::uri::Scheme;

use crate::answer::Answer;
use crate::id::Id;
use crate::record::Record;
use crate::session::Session;
use crate::settings::OnStoreError;
use crate::shared::{Shared, count};
use crate::state::State;
use crate::store::StoreError;

/// A request's session.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) session: Session,
    /// The cookie was signed with an older secret.
    pub(crate) is_old_signature: bool,
}

/// A session that is there, or on its way.
pub(crate) enum Beginning {
    Here(Result<Begun, Answer>),
    Later(Pin<Box<dyn Future<Output = Result<Begun, Answer>> + Send>>),
}

/// Reads the session that the request's cookie names. Most stores that keep sessions on this machine answer
/// at once.
pub(crate) fn begin<B>(shared: &Arc<Shared>, request: &Request<B>) -> Beginning {
    if let Err(error) = shared.prepare(1) {
        shared.complain("open", &error);
        return Beginning::Here(Err(Answer::of(&error)));
    }
    let secure = is_secure(request, shared.settings.trust_proxy);
    let Some((id, is_old_signature)) = presented(shared, request.headers(), secure) else {
        let session = Session::new(Arc::clone(shared), secure, State::new());
        return Beginning::Here(Ok(Begun { session, is_old_signature: false }));
    };
    count(&shared.counters.loads);
    let shared = Arc::clone(shared);
    let mut reading = Box::pin(async move {
        let state = read(&shared, id).await?;
        let is_old_signature = is_old_signature && state.loaded;
        Ok(Begun { session: Session::new(shared, secure, state), is_old_signature })
    });
    match reading.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(begun) => Beginning::Here(begun),
        Poll::Pending => Beginning::Later(reading),
    }
}

async fn read(shared: &Arc<Shared>, id: Id) -> Result<State, Answer> {
    let now = shared.now();
    match shared.store.load(&id, now).await {
        Ok(Some(record)) => Ok(found(shared, id, record, now).await),
        // A client never chooses an id: the new session gets a new one.
        Ok(None) => Ok(State::new()),
        Err(error) => {
            shared.complain("read a session", &error);
            match (error, shared.settings.on_store_error) {
                // It will not become readable: whoever has it begins anew.
                (StoreError::Unreadable(_), _) => Ok(State::new()),
                (error, _) if error.is_permanent() => Err(Answer::Misused),
                (_, OnStoreError::Unavailable) => Err(Answer::Unavailable),
                (_, OnStoreError::Anonymous) => Ok(State::anonymous()),
            }
        }
    }
}

async fn found(shared: &Shared, id: Id, record: Record, now: crate::Timestamp) -> State {
    if !shared.settings.is_over(&record, now) {
        return State::loaded(id, record, shared.settings.options.resave);
    }
    if let Err(error) = shared.store.destroy(id).await {
        shared.complain("end a session that is too old", &error);
    }
    State::new()
}

/// The id in the request's cookie, if it is one, rightly signed; and whether that was with an older secret.
fn presented(shared: &Shared, headers: &HeaderMap, secure: bool) -> Option<(Id, bool)> {
    let lines = headers.get_all(header::COOKIE).into_iter().map(HeaderValue::as_bytes);
    let text = narae_cookie::find(lines, &shared.names[usize::from(secure)])?;
    match &shared.settings.secrets {
        Some(secrets) if !shared.abilities.in_cookie => {
            let verified = secrets.verify_cookie(&text)?;
            Some((Id::parse(verified.value)?, verified.secret > 0))
        }
        _ => Some((Id::parse(&text)?, false)),
    }
}

/// Whether the request came over TLS: as the server says, or the proxy before it.
fn is_secure<B>(request: &Request<B>, trust_proxy: bool) -> bool {
    // Not what the URI says: a client writes that.
    request.extensions().get::<Scheme>() == Some(&Scheme::HTTPS)
        || (trust_proxy && is_forwarded_from_tls(request.headers()))
}

fn is_forwarded_from_tls(headers: &HeaderMap) -> bool {
    let field = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    let first = field.and_then(|text| text.split(',').next());
    first.is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"))
}
