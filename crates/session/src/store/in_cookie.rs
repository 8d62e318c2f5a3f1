//! [`InCookie`]: sessions that are kept in their own cookie, encrypted; the server keeps nothing.
//!
//! In: the cookie's value as an [`Id`], and changes. Out: records, and the cookie's next value. Owns what is
//! in it (the binary form of a record, sealed) and its limit of size; knows neither the cookie's name nor its
//! attributes.

use std::fmt;
use std::sync::Arc;

use narae_cookie::Secrets;

use super::{Abilities, Committed, Listed, Pending, Store, StoreError, Update, Updated};
use crate::codec;
use crate::id::{Handle, Id};
use crate::record::{Change, Record};
use crate::time::Timestamp;

/// Keeps each session in its own cookie, encrypted and authenticated (AES-256-GCM-SIV): no server state.
///
/// What follows from that, and cannot be otherwise:
///
/// - A session cannot be ended before it expires. Logging out makes the browser forget the cookie; a copy of
///   it stays valid until the expiry inside it. Nobody can be logged out everywhere, and nothing is listed or
///   counted. Keep lifetimes short, or use another store where that matters.
/// - Of two responses to requests made at the same time, the browser keeps the later one whole: what the
///   other wrote is lost, and so is a count. Every other store merges.
/// - A value takes at most [`MAX_BYTES`](InCookie::MAX_BYTES) encrypted, which is about 2,800 bytes of keys and JSON.
///
/// To replace a secret, put the new one first and keep the old one until what it encrypted has expired.
///
/// ```
/// use narae_session::store::InCookie;
///
/// # fn main() -> Result<(), narae_session::store::StoreError> {
/// let store = InCookie::new(["the newest secret", "an older one"])?;
/// # drop(store);
/// # Ok(())
/// # }
/// ```
pub struct InCookie {
    secrets: Secrets,
    context: Arc<str>,
}

impl InCookie {
    /// The longest value of a cookie that is made. Browsers keep 4096 bytes for name, value and attributes
    /// together; this leaves 296 for the name and the attributes.
    pub const MAX_BYTES: usize = 3800;

    /// Encrypts with the first of `secrets` and reads what any of them encrypted. Use at least 32 random
    /// bytes for each; all workers need the same.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] if there is no secret, or an empty one.
    pub fn new<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = S>) -> Result<Self, StoreError> {
        let secrets = Secrets::new(secrets).map_err(|error| StoreError::Misuse(error.to_string()))?;
        Ok(Self { secrets, context: CONTEXT.into() })
    }

    /// What the sessions are for: sessions of another context are refused, although the secrets are the
    /// same. Set it where one secret serves several applications. Default: `narae session`.
    #[must_use]
    pub fn context(mut self, context: &str) -> Self {
        // A space is in no cookie's name, so no private cookie of the same secret passes for a session.
        self.context = format!("{CONTEXT}: {context}").into();
        self
    }

    fn open(&self, id: &Id, now: Timestamp) -> Result<Option<Record>, StoreError> {
        let Some(opened) = self.secrets.open(&self.context, id.as_str()) else { return Ok(None) };
        let record = codec::decode(&opened.plain)
            .map_err(|error| StoreError::Unreadable(format!("a session in its cookie: {error}")))?;
        Ok((record.expires > now).then_some(record))
    }

    fn seal(&self, record: &Record) -> Result<Box<str>, StoreError> {
        let mut plain = Vec::new();
        codec::encode(record, &mut plain);
        let sealed = self.secrets.seal(&self.context, &plain);
        match sealed.len() {
            size if size > Self::MAX_BYTES => Err(StoreError::TooBig(size, Self::MAX_BYTES)),
            _ => Ok(sealed.into()),
        }
    }

    fn change(&self, id: &Id, change: &Change) -> Result<Committed, StoreError> {
        let Some(mut record) = self.open(id, change.now)? else { return Ok(Committed::Gone) };
        change.apply(&mut record);
        Ok(Committed::Done(Some(self.seal(&record)?)))
    }

    fn make(&self, id: &Id, update: Update) -> Result<Updated, StoreError> {
        let Some(mut record) = self.open(id, update.now)? else { return Ok(Updated::Gone) };
        let json = match (update.make)(record.values.find(&update.key).map(|json| &**json)) {
            Ok(json) => json,
            Err(why) => return Ok(Updated::Refused(why)),
        };
        let mut change = Change::nothing(update.now, update.expires);
        change.edits.push((update.key, json.clone()));
        change.apply(&mut record);
        Ok(Updated::Done(json, Some(self.seal(&record)?)))
    }
}

impl Store for InCookie {
    fn load<'a>(&'a self, id: &'a Id, now: Timestamp) -> Pending<'a, Option<Record>> {
        answer(self.open(id, now))
    }

    fn create(&self, _id: Id, change: Change) -> Pending<'_, Committed> {
        answer(self.seal(&change.into_record()).map(|sealed| Committed::Done(Some(sealed))))
    }

    fn commit(&self, id: Id, change: Change) -> Pending<'_, Committed> {
        answer(self.change(&id, &change))
    }

    /// The old cookie stays valid until it expires: see [`InCookie`].
    fn renew(&self, from: Id, _to: Id, change: Change) -> Pending<'_, Committed> {
        answer(self.change(&from, &change))
    }

    fn update(&self, id: Id, update: Update) -> Pending<'_, Updated> {
        answer(self.make(&id, update))
    }

    fn touch(&self, _id: Id, _now: Timestamp, _expires: Timestamp) -> Pending<'_, bool> {
        answer(Err(StoreError::Unsupported("an expiry inside a cookie moves with a commit only")))
    }

    /// The browser forgets the cookie, a copy stays valid until it expires: see [`InCookie`].
    fn destroy(&self, _id: Id) -> Pending<'_, bool> {
        answer(Ok(true))
    }

    fn sessions_of<'a>(&'a self, _user: &'a str, _now: Timestamp) -> Pending<'a, Vec<Listed>> {
        answer(Err(NO_STATE))
    }

    fn destroy_all_of<'a>(&'a self, _user: &'a str, _except: Option<Handle>) -> Pending<'a, u64> {
        answer(Err(NO_STATE))
    }

    fn revoke<'a>(&'a self, _user: &'a str, _handle: Handle) -> Pending<'a, bool> {
        answer(Err(NO_STATE))
    }

    fn count(&self, _now: Timestamp) -> Pending<'_, u64> {
        answer(Err(NO_STATE))
    }

    fn sweep(&self, _now: Timestamp) -> Pending<'_, u64> {
        answer(Ok(0))
    }

    fn abilities(&self) -> Abilities {
        Abilities { users: false, touch: false, in_cookie: true, ..Abilities::default() }
    }
}

impl fmt::Debug for InCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InCookie").field("context", &self.context).finish_non_exhaustive()
    }
}

fn answer<'a, T: Send + 'a>(result: Result<T, StoreError>) -> Pending<'a, T> {
    Box::pin(std::future::ready(result))
}

const NO_STATE: StoreError = StoreError::Unsupported(
    "sessions in cookies are known to their browsers alone; the other stores list and end them",
);

/// What sealed values are for, so that none of another purpose is a session.
const CONTEXT: &str = "narae session";

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);
    const THEN: Timestamp = Timestamp(2_000_000);

    fn store(secrets: &[&str]) -> InCookie {
        InCookie::new(secrets).expect("secrets")
    }

    fn edits(edits: &[(&str, Option<&str>)]) -> Change {
        let edits = edits.iter().map(|(key, json)| ((*key).into(), json.map(Into::into))).collect();
        Change { edits, ..Change::nothing(NOW, THEN) }
    }

    async fn created(store: &InCookie, change: Change) -> Id {
        cookie(store.create(Id::random(), change).await)
    }

    fn cookie(committed: Result<Committed, StoreError>) -> Id {
        match committed {
            Ok(Committed::Done(Some(value))) => Id::parse(&value).expect("the value is an id"),
            other => panic!("no cookie was made: {other:?}"),
        }
    }

    async fn load(store: &InCookie, id: &Id) -> Option<Record> {
        store.load(id, NOW).await.expect("a store without state answers")
    }

    #[tokio::test]
    async fn a_session_goes_round() {
        let store = store(&["one"]);
        let change =
            Change { user: Some(Some("유저".into())), ..edits(&[("a", Some("1")), ("b", Some("2"))]) };
        let first = created(&store, change.clone()).await;
        assert_eq!(load(&store, &first).await, Some(change.into_record()));
        let second = cookie(store.commit(first.clone(), edits(&[("a", None), ("c", Some("[]"))])).await);
        let record = load(&store, &second).await.expect("a session");
        assert_eq!(record.values, [("b", "2"), ("c", "[]")].into_iter().collect());
        assert_eq!((record.version, record.created), (2, Some(NOW)));
        let third = cookie(store.renew(second, Id::random(), edits(&[("d", Some("1"))])).await);
        assert_eq!(load(&store, &third).await.expect("a session").user.as_deref(), Some("유저"));
        assert!(!format!("{store:?}").contains("one"));
    }

    #[tokio::test]
    async fn an_update_gives_the_new_value_and_the_new_cookie() {
        let store = store(&["one"]);
        let id = created(&store, edits(&[("n", Some("1"))])).await;
        let make = |make: super::super::Make| Update { key: "n".into(), make, now: NOW, expires: THEN };
        let increment =
            make(Arc::new(|old: Option<&str>| Ok(Some(format!("{}1", old.unwrap_or("")).into()))));
        let Ok(Updated::Done(Some(json), Some(value))) = store.update(id.clone(), increment).await else {
            panic!("no update");
        };
        let record = load(&store, &Id::parse(&value).expect("an id")).await.expect("a session");
        assert_eq!((&*json, record.values.find("n").map(|json| &**json)), ("11", Some("11")));
        let refused = store.update(id, make(Arc::new(|_| Err("no".into())))).await;
        assert_eq!(refused.expect("an answer"), Updated::Refused("no".into()));
    }

    #[tokio::test]
    async fn a_cookie_changed_at_any_place_is_nobody() {
        let store = store(&["one"]);
        let id = created(&store, edits(&[("a", Some("1"))])).await;
        let text = id.as_str();
        for at in 0..text.len() {
            let other = if text.as_bytes()[at] == b'x' { "y" } else { "x" };
            let mut changed = text.to_owned();
            changed.replace_range(at..=at, other);
            assert_eq!(load(&store, &Id::parse(&changed).expect("an id")).await, None, "byte {at}");
            if let Some(cut) = Id::parse(&text[..at]) {
                assert_eq!(load(&store, &cut).await, None, "cut at {at}");
            }
        }
        let longer = Id::parse(&format!("{text}A")).expect("an id");
        assert_eq!(load(&store, &longer).await, None);
        assert!(load(&store, &id).await.is_some());
    }

    #[tokio::test]
    async fn text_that_is_no_session_is_nobody() {
        let store = store(&["one"]);
        let texts =
            ["A", "AQ", "한글", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &"A".repeat(4096), "s:x.y", "%"];
        for text in texts {
            let id = Id::parse(text).expect("an id");
            assert_eq!(load(&store, &id).await, None, "{text:?}");
            let committed = store.commit(id, edits(&[("a", Some("1"))])).await;
            assert_eq!(committed.expect("an answer"), Committed::Gone, "{text:?}");
        }
    }

    #[tokio::test]
    async fn an_expired_cookie_sent_again_is_nobody() {
        let store = store(&["one"]);
        let id = created(&store, edits(&[("a", Some("1"))])).await;
        assert!(store.load(&id, Timestamp(THEN.0 - 1)).await.expect("an answer").is_some());
        assert_eq!(store.load(&id, THEN).await.expect("an answer"), None);
        let late = Change { now: THEN, expires: Timestamp(THEN.0 * 2), ..edits(&[]) };
        assert_eq!(store.commit(id.clone(), late.clone()).await.expect("an answer"), Committed::Gone);
        assert_eq!(store.renew(id, Id::random(), late).await.expect("an answer"), Committed::Gone);
    }

    #[tokio::test]
    async fn a_session_of_another_context_is_nobody() {
        let shop = store(&["one"]).context("shop");
        let id = created(&shop, edits(&[("a", Some("1"))])).await;
        assert_eq!(load(&store(&["one"]), &id).await, None);
        assert_eq!(load(&store(&["one"]).context("admin"), &id).await, None);
        assert!(load(&store(&["one"]).context("shop"), &id).await.is_some());
    }

    #[tokio::test]
    async fn secrets_are_replaced_one_after_the_other() {
        let (before, between, after) = (store(&["old"]), store(&["new", "old"]), store(&["new"]));
        let id = created(&before, edits(&[("a", Some("1"))])).await;
        assert!(load(&between, &id).await.is_some());
        assert_eq!(load(&after, &id).await, None);
        let renewed = cookie(between.commit(id, edits(&[])).await);
        assert!(load(&after, &renewed).await.is_some());
        assert_eq!(load(&before, &renewed).await, None);
    }

    #[tokio::test]
    async fn a_session_that_no_cookie_holds_is_refused_with_its_size() {
        let store = store(&["one"]);
        let json = |bytes: usize| format!("\"{}\"", "a".repeat(bytes));
        let id = created(&store, edits(&[("a", Some(&json(2750)))])).await;
        assert!(id.as_str().len() <= InCookie::MAX_BYTES);
        match store.commit(id.clone(), edits(&[("b", Some(&json(100)))])).await {
            Err(StoreError::TooBig(size, limit)) => assert!(size > limit && limit == InCookie::MAX_BYTES),
            other => panic!("taken: {other:?}"),
        }
        let far_too_big = store.create(Id::random(), edits(&[("a", Some(&json(100_000)))])).await;
        assert!(matches!(far_too_big, Err(StoreError::TooBig(133_000.., _))), "{far_too_big:?}");
        assert!(load(&store, &id).await.is_some(), "the old one stays");
    }

    #[tokio::test]
    async fn what_needs_a_server_is_refused() {
        let store = store(&["one"]);
        assert!(matches!(store.sessions_of("a", NOW).await, Err(StoreError::Unsupported(_))));
        assert!(matches!(store.destroy_all_of("a", None).await, Err(StoreError::Unsupported(_))));
        assert!(matches!(store.count(NOW).await, Err(StoreError::Unsupported(_))));
        assert!(store.destroy(Id::random()).await.expect("an answer"));
        assert_eq!(store.sweep(NOW).await.expect("an answer"), 0);
        assert!(matches!(InCookie::new([""]), Err(StoreError::Misuse(_))));
        assert!(matches!(InCookie::new::<&str>([]), Err(StoreError::Misuse(_))));
    }

    #[tokio::test]
    async fn a_visitor_carries_the_session_from_request_to_request() {
        use axum::body::Body;
        use axum::routing::get;
        use http::header::{COOKIE, SET_COOKIE};
        use tower::ServiceExt as _;

        use crate::{Session, Sessions};

        let count = async |session: Session| {
            let count = session.get::<u32>("count").ok().flatten().unwrap_or(0) + 1;
            session.insert("count", &count).expect("a number");
            count.to_string()
        };
        let app = axum::Router::new()
            .route("/", get(count))
            .layer(Sessions::new(store(&["a secret"])).cookie_name("sid"));
        let mut carried = None::<String>;
        for expected in ["1", "2", "3"] {
            let mut request = http::Request::new(Body::empty());
            if let Some(cookie) = &carried {
                request.headers_mut().insert(COOKIE, cookie.parse().expect("a header"));
            }
            let response = app.clone().oneshot(request).await.expect("an answer");
            let line = response.headers()[SET_COOKIE].to_str().expect("text").to_owned();
            carried = line.split(';').next().map(str::to_owned);
            let body = http_body_util::BodyExt::collect(response.into_body()).await.expect("a body");
            assert_eq!(body.to_bytes(), expected);
        }
        assert!(carried.is_some_and(|cookie| cookie.starts_with("sid=A") && !cookie.contains("s%3A")));
    }
}
