//! Healthy servers: nothing is counted as lost, over every protocol, whatever is sent.

use std::time::Duration;

use narae_load::{Expect, Phases, Protocol, Work};
use tokio::sync::watch;

use crate::servers::{echo, load, run};

#[tokio::test]
async fn a_healthy_server_has_no_failure_over_any_protocol() {
    for protocol in Protocol::ALL {
        let (_drain, drained) = watch::channel(0);
        let mut load = load(echo(protocol, drained).await, protocol);
        load.connections = 8;
        load.works =
            vec![Work::get("/"), Work { expect: Expect::Status(200), ..Work::get("/a?b") }, Work::echo("/")];
        let rest = Duration::from_millis(50);
        load.think = Phases { idle_share: 0.5, shortest: Duration::ZERO, longest: rest };
        let summary = run(load, 200).await;
        assert_eq!(summary.failed(), 0, "{protocol}: {summary}");
        assert_eq!((summary.answered, summary.reconnects), (summary.requests, 0), "{protocol}: {summary}");
        assert!(summary.latency.max >= summary.latency.p50, "{protocol}: {summary}");
    }
}

#[tokio::test]
async fn graceful_goaways_under_load_lose_nothing() {
    for protocol in [Protocol::Http2, Protocol::Http2Tls] {
        let (drain, drained) = watch::channel(0);
        let mut load = load(echo(protocol, drained).await, protocol);
        load.connections = 4;
        load.rate = 400.0;
        load.works = vec![Work::echo("/")];
        let running = load.start().await;
        for turn in 1..=5 {
            running.ended(u64::from(turn) * 40).await;
            drain.send_replace(turn);
        }
        running.ended(300).await;
        let summary = running.stop().await;
        assert_eq!(summary.failed(), 0, "{protocol}: {summary}");
        assert_eq!(summary.answered, summary.requests, "{protocol}: {summary}");
        assert!(summary.reconnects >= 4, "{protocol}: {summary}");
    }
}

#[tokio::test]
async fn a_load_without_work_or_rate_sends_nothing() {
    let (_drain, drained) = watch::channel(0);
    let address = echo(Protocol::Http1, drained).await;
    for (rate, works) in [(0.0, vec![Work::get("/")]), (f64::NAN, vec![Work::get("/")]), (100.0, vec![])] {
        let mut load = load(address, Protocol::Http1);
        (load.rate, load.works) = (rate, works);
        let summary = load.start().await.stop().await;
        assert_eq!((summary.requests, summary.failed()), (0, 0), "{summary}");
    }
}

#[tokio::test]
async fn the_summary_says_in_words_and_in_json_that_nothing_was_lost() {
    let (_drain, drained) = watch::channel(0);
    let summary = run(load(echo(Protocol::Http1, drained).await, Protocol::Http1), 5).await;
    assert!(summary.to_string().ends_with("Nothing was lost."), "{summary}");
    let json = serde_json::to_value(&summary).unwrap();
    assert_eq!(json["reset"], 0);
    assert!(json["latency"]["p99"].is_f64(), "{json}");
}
