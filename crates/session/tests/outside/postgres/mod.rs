//! The PostgreSQL store against a real server.
//!
//! Each test has a database of its own. `server` starts PostgreSQL; `own_form` and `express_form` look at the
//! two tables, `failures` at servers that are down, slow or refuse, `encryption` at TLS.

mod encryption;
mod express_form;
mod failures;
mod own_form;
pub(crate) mod server;

use std::sync::Arc;
use std::time::Duration;

use narae_session::store::{Postgres, Store, Update, Updated};
use narae_session::{Change, Id, Json, Record, Timestamp};

fn store(url: &str) -> Postgres {
    Postgres::new(url).expect("an address")
}

/// A store for more work at once than two cores do within two seconds.
fn patient(url: &str) -> Postgres {
    store(url).response_timeout(Duration::from_secs(20))
}

fn edits(edits: &[(&str, Option<&str>)]) -> Change {
    let now = Timestamp::now();
    let edits = edits.iter().map(|(key, json)| ((*key).into(), json.map(Into::into))).collect();
    Change { edits, ..Change::nothing(now, now.after(Duration::from_secs(3600))) }
}

fn increment(key: &str) -> Update {
    let make = |old: Option<&str>| {
        let old: u64 = old.map_or(Ok(0), str::parse).map_err(|_| Arc::from("no number"))?;
        Ok(Some(Json::from((old + 1).to_string())))
    };
    let now = Timestamp::now();
    Update { key: key.into(), make: Arc::new(make), now, expires: now.after(Duration::from_secs(3600)) }
}

async fn load(store: &dyn Store, id: &Id) -> Option<Record> {
    store.load(id, Timestamp::now()).await.expect("the store answers")
}

async fn value(store: &dyn Store, id: &Id, key: &str) -> Option<String> {
    load(store, id).await?.values.find(key).map(ToString::to_string)
}

/// Adds one `rounds` times in each of `tasks` tasks, half of them with each store.
async fn count_at_once(stores: [Arc<Postgres>; 2], id: &Id, tasks: usize, rounds: usize) {
    let mut counting = tokio::task::JoinSet::new();
    for task in 0..tasks {
        let (store, id) = (Arc::clone(&stores[task % 2]), id.clone());
        counting.spawn(async move {
            for _ in 0..rounds {
                let updated = store.update(id.clone(), increment("count")).await.expect("an answer");
                assert!(matches!(updated, Updated::Done(Some(_), None)), "{updated:?}");
            }
        });
    }
    counting.join_all().await;
}
