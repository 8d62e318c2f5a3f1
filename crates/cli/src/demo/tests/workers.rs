//! The workers page: what it shows, and who may kill which process.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

use narae::cluster::{Status, WorkerStatus};
use tokio::sync::Notify;

use super::*;

/// Two workers, of which 4242 answers. Nobody dies; it is noted who would have.
#[derive(Default)]
struct Fleet {
    killed: Mutex<Vec<i32>>,
    was_killed: Notify,
    is_silent: bool,
}

impl Cluster for Fleet {
    fn place(&self) -> Option<Place> {
        Some(Place { slot: 0, generation: 3 })
    }

    fn status(&self) -> Result<Status, String> {
        if self.is_silent {
            return Err("no application called <demo> runs".to_owned());
        }
        let worker = |slot: usize, pid| WorkerStatus {
            slot,
            pid,
            generation: 3,
            state: "serving".to_owned(),
            age_seconds: 130.0,
            restarts: 7,
            memory: 3 << 19,
            counters: BTreeMap::from([("open".to_owned(), 5), ("requests".to_owned(), 99)]),
            ..WorkerStatus::default()
        };
        Ok(Status {
            name: "demo".to_owned(),
            pid: 4000,
            generation: 3,
            state: "degraded".to_owned(),
            workers: vec![worker(0, 4242), worker(1, 4343)],
            broken_slots: vec![2],
            ..Status::default()
        })
    }

    fn kill(&self, pid: i32) -> io::Result<()> {
        self.killed.lock().unwrap().push(pid);
        self.was_killed.notify_one();
        Ok(())
    }
}

const NEAR: Inspect = |head| Served { client: "127.0.0.1:4711".to_owned(), ..INSPECT(head) };
const JSON: (&str, &str) = ("content-type", "application/json");

fn near() -> (Arc<Fleet>, Site) {
    let fleet = Arc::new(Fleet::default());
    (fleet.clone(), Site::in_cluster(NEAR, fleet))
}

#[tokio::test]
async fn every_worker_is_shown_and_which_of_them_answered() {
    let (_, site) = near();
    let page = site.browse("/workers").await;
    for part in [
        ">4242<",
        ">4343<",
        "2 min",
        "1.5 MiB",
        "data-served",
        "in slot <span data-whole=\"broken_slots\">2<",
    ] {
        assert!(page.text().contains(part), "{part} is not in {}", page.text());
    }
    assert!(page.text().contains("action=\"/workers/4343/kill\""));
    assert_eq!(page.header("cache-control"), "no-store");
    let document = site.get("/api/workers").await.json();
    assert_eq!(document["served_by"], serde_json::json!({"pid": 4242, "slot": 0, "generation": 3}));
    assert_eq!((&document["workers"][1]["pid"], &document["workers"][1]["open"]), (&4343.into(), &5.into()));
    assert_eq!(document["cluster"]["supervisor"], 4000);
}

#[tokio::test]
async fn without_a_cluster_the_page_says_so() {
    let site = Site::new();
    assert!(site.browse("/workers").await.text().contains("There is no cluster"));
    let document = site.get("/api/workers").await.json();
    assert!(document["cluster"].is_null() && document["workers"] == serde_json::json!([]), "{document}");
    let site = Site::in_cluster(NEAR, Arc::new(Alone));
    site.json("POST", "/api/workers/4242/kill", "{}").await.problem(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_supervisor_that_is_gone_is_said_and_its_name_stays_in_the_log() {
    let site = Site::in_cluster(NEAR, Arc::new(Fleet { is_silent: true, ..Fleet::default() }));
    let page = site.browse("/workers").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("serves on without it") && !page.text().contains("no application called"));
    let answer = site.get("/api/workers").await;
    answer.problem(StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.failure.unwrap().0.to_string().contains("<demo>"));
}

#[tokio::test]
async fn a_worker_is_killed_once_its_answer_is_given() {
    let (fleet, site) = near();
    let answer = site.json("POST", "/api/workers/4343/kill", "{}").await;
    assert_eq!((answer.status, answer.json()["slot"].as_u64()), (StatusCode::ACCEPTED, Some(1)));
    assert_eq!(*fleet.killed.lock().unwrap(), [4343], "another one dies at once");
    fleet.was_killed.notified().await;
    let answer = site.json("POST", "/api/workers/4242/kill", "{}").await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(*fleet.killed.lock().unwrap(), [4343], "the one that answers is still here");
    fleet.was_killed.notified().await;
    assert_eq!(*fleet.killed.lock().unwrap(), [4343, 4242]);
}

#[tokio::test]
async fn only_a_worker_of_this_cluster_can_be_killed() {
    let (fleet, site) = near();
    for pid in ["1", "4000", "0", "-1", "-4242", "9999999999999", "me"] {
        let answer = site.json("POST", &format!("/api/workers/{pid}/kill"), "{}").await;
        answer.problem(StatusCode::NOT_FOUND);
    }
    assert!(fleet.killed.lock().unwrap().is_empty());
}

#[tokio::test]
async fn nobody_far_away_kills_a_worker() {
    let fleet = Arc::new(Fleet::default());
    let far = Site::in_cluster(INSPECT, fleet.clone());
    far.json("POST", "/api/workers/4343/kill", "{}").await.problem(StatusCode::FORBIDDEN);
    assert_eq!(far.get("/api/workers").await.json()["can_kill"], false);
    assert!(!far.browse("/workers").await.text().contains("<form"));
    let near = Site::in_cluster(NEAR, fleet.clone());
    let headers = [
        vec![JSON, ("x-forwarded-for", "192.0.2.7")],
        vec![JSON, ("sec-fetch-site", "cross-site")],
        vec![JSON, ("sec-fetch-site", "same-site")],
        vec![JSON, ("origin", "http://evil.example")],
    ];
    for headers in headers {
        let answer = near.send(request("POST", "/api/workers/4343/kill", &headers, "{}")).await;
        answer.problem(StatusCode::FORBIDDEN);
    }
    // A name of somebody else's that leads to this machine: the page is "of this site" all the same.
    let mut rebound =
        request("POST", "/api/workers/4343/kill", &[JSON, ("sec-fetch-site", "same-origin")], "");
    rebound.headers_mut().insert(header::HOST, "evil.example:8080".parse().unwrap());
    near.send(rebound).await.problem(StatusCode::FORBIDDEN);
    let plain = request("POST", "/api/workers/4343/kill", &[("content-type", "text/plain")], "{}");
    near.send(plain).await.problem(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(fleet.killed.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_form_of_this_site_kills_and_leads_back() {
    let (fleet, site) = near();
    let form = ("content-type", "application/x-www-form-urlencoded");
    for header in [("sec-fetch-site", "same-origin"), ("origin", "http://localhost")] {
        let answer = site.send(request("POST", "/workers/4343/kill", &[form, header], "")).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert_eq!(answer.header("location"), "/workers?killed=4343");
    }
    assert_eq!(*fleet.killed.lock().unwrap(), [4343, 4343]);
    assert!(site.browse("/workers?killed=4343").await.text().contains("Process 4343 was killed"));
    assert_eq!(site.browse("/workers?killed=%3Cb%3E").await.status, StatusCode::OK);
    let refused = [vec![form], vec![form, ("origin", "null")], vec![form, ("origin", "http://evil.example")]];
    for headers in refused {
        let answer = site.send(request("POST", "/workers/4343/kill", &headers, "")).await;
        answer.problem(StatusCode::FORBIDDEN);
    }
}
