//! Measures the embedded store: `cargo run --release -p narae-session --example embedded_figures [FOLDER]`.
//!
//! In: a folder on the disk that is to be measured; by default, one for temporary files. Out: figures.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use narae_session::store::{Durability, Embedded, Store};
use narae_session::{Change, Id, Timestamp, decode_record, encode_record};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let parent = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into);
    decoding();
    for durability in [Durability::Full, Durability::Normal, Durability::Off] {
        let folder = tempfile::tempdir_in(&parent).expect("a folder");
        writing(folder.path(), durability).await;
    }
    for sessions in [1_000, 1_000_000] {
        let folder = tempfile::tempdir_in(&parent).expect("a folder");
        holding(folder.path(), sessions).await;
    }
}

fn change(now: Timestamp, place: usize) -> Change {
    let lifetime = Duration::from_millis(1_200_000 + place as u64);
    Change {
        edits: vec![("cart".into(), Some("[17,42]".into())), ("theme".into(), Some("\"dark\"".into()))],
        user: Some(Some(format!("user-{}", place / 2).into())),
        ..Change::nothing(now, now.after(lifetime))
    }
}

fn decoding() {
    let mut bytes = Vec::new();
    encode_record(&change(Timestamp::now(), 1).into_record(), &mut bytes);
    let rounds = 1_000_000;
    let began = Instant::now();
    for _ in 0..rounds {
        std::hint::black_box(decode_record(std::hint::black_box(&bytes)).expect("a record"));
    }
    println!("a record of {} bytes is decoded in {:?}", bytes.len(), began.elapsed() / rounds);
}

/// 64 tasks that each write one session again and again.
async fn writing(folder: &Path, durability: Durability) {
    let store = Arc::new(Embedded::open(folder).expect("a path").durability(durability));
    store.prepare(1).expect("a store");
    let (tasks, seconds) = (64, 5);
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut writers = tokio::task::JoinSet::new();
    for place in 0..tasks {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            let (id, now) = (Id::random(), Timestamp::now());
            store.create(id.clone(), change(now, place)).await.expect("it is kept");
            let mut waits = Vec::new();
            while Instant::now() < until {
                let began = Instant::now();
                store.commit(id.clone(), change(now, place)).await.expect("it is kept");
                waits.push(began.elapsed());
            }
            waits
        });
    }
    let mut waits = writers.join_all().await.concat();
    waits.sort_unstable();
    let at = |thousandths: usize| waits[(waits.len() - 1) * thousandths / 1000];
    println!(
        "{durability:?}: {} writes/s from {tasks} tasks, median {:?}, p99 {:?}, longest {:?}",
        waits.len() as u64 / seconds,
        at(500),
        at(990),
        at(1000)
    );
}

/// Many sessions: their size, and what reading, touching and sweeping them costs.
async fn holding(folder: &Path, sessions: usize) {
    let store = Embedded::open(folder).expect("a path").durability(Durability::Off).sweep_interval(None);
    store.prepare(1).expect("a store");
    let now = Timestamp::now();
    let ids: Vec<Id> = (0..sessions).map(|_| Id::random()).collect();
    let began = Instant::now();
    for (chunk, ids) in ids.chunks(1000).enumerate() {
        let create = |(place, id): (usize, &Id)| store.create(id.clone(), change(now, chunk * 1000 + place));
        let mut pending: Vec<_> = ids.iter().enumerate().map(create).collect();
        together(&mut pending).await;
    }
    let created = began.elapsed();
    let (_, size) = store.size().expect("a size");
    println!(
        "{sessions} sessions: {} bytes each, created in {:?} each",
        size / sessions as u64,
        created.div_f64(sessions as f64)
    );
    // As random as the ids are, and not in the order in which the pages were written.
    let reads = 1_000_000_u32;
    let mut place = 0;
    let began = Instant::now();
    for _ in 0..reads {
        place = (place + 7_919) % sessions;
        let record = store.load(&ids[place], now).await.expect("an answer");
        assert!(std::hint::black_box(record).is_some());
    }
    println!("{sessions} sessions: a read takes {:?}", began.elapsed() / reads);
    let began = Instant::now();
    for _ in 0..reads {
        place = (place + 7_919) % sessions;
        std::hint::black_box(ids[place].handle());
    }
    println!("{sessions} sessions: of that, {:?} for the digest of the id", began.elapsed() / reads);
    let began = Instant::now();
    let count = store.count(now).await.expect("a count");
    println!("{sessions} sessions: {count} are counted in {:?}", began.elapsed());
    let later = now.after(Duration::from_secs(86_400));
    let (began, mut forgotten, mut longest) = (Instant::now(), 0, Duration::ZERO);
    loop {
        let step = Instant::now();
        match store.sweep(later).await.expect("an answer") {
            0 => break,
            some => forgotten += some,
        }
        longest = longest.max(step.elapsed());
    }
    let each = began.elapsed() / u32::try_from(forgotten).expect("some");
    println!(
        "{sessions} sessions: {forgotten} are swept in {each:?} each; the longest step took {longest:?}"
    );
}

async fn together<T>(pending: &mut [impl Future<Output = T> + Unpin]) {
    let mut done = vec![false; pending.len()];
    std::future::poll_fn(|context| {
        for (future, done) in pending.iter_mut().zip(&mut done) {
            *done = *done || std::pin::Pin::new(future).poll(context).is_ready();
        }
        if done.iter().all(|&done| done) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
