//! Faults of HTTP/1.1 servers, each counted as itself.

use std::time::Duration;

use narae_load::{Expect, Protocol, Summary, Work};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::servers::{Connection, load, read_head, run, serve};

const BOTH: [Protocol; 2] = [Protocol::Http1, Protocol::Http1Tls];
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Serves each request with `answer`, then closes if `close`. Both classes of transport are tried.
async fn check(answer: &'static [u8], close: bool, expect: Expect, is_right: impl Fn(&Summary) -> bool) {
    for protocol in BOTH {
        let address = serve(protocol, move |_, mut connection: Connection| async move {
            while read_head(&mut connection).await {
                if connection.write_all(answer).await.is_err() || connection.flush().await.is_err() || close {
                    return;
                }
            }
        })
        .await;
        let mut load = load(address, protocol);
        load.works = vec![Work { expect: expect.clone(), ..Work::get("/") }];
        let summary = run(load, 20).await;
        assert!(is_right(&summary), "{protocol}, {}: {summary}", answer.escape_ascii());
    }
}

#[tokio::test]
async fn a_close_before_the_answer_is_a_reset_and_never_retried() {
    check(b"", true, Expect::Any2xx, |summary| summary.reset == summary.requests).await;
    check(b"HTTP/1.1 200 OK\r\nContent-Le", true, Expect::Any2xx, |summary| {
        summary.reset == summary.requests
    })
    .await;
}

#[tokio::test]
async fn a_close_under_a_later_request_of_a_connection_is_a_reset() {
    let address = serve(Protocol::Http1, |_, mut connection| async move {
        read_head(&mut connection).await;
        connection.write_all(OK).await.unwrap();
        read_head(&mut connection).await;
    })
    .await;
    let summary = run(load(address, Protocol::Http1), 20).await;
    assert!(summary.reset > 0 && summary.answered > 0, "{summary}");
    assert_eq!(summary.failed(), summary.reset, "{summary}");
    assert!(summary.failures[0].contains("request 2 of its connection"), "{summary}");
}

#[tokio::test]
async fn a_close_between_requests_is_clean() {
    check(OK, true, Expect::Body(b"ok".to_vec()), |summary| {
        summary.failed() == 0 && summary.connections_closed_idle > 0 && summary.reconnects > 0
    })
    .await;
}

#[tokio::test]
async fn a_408_before_an_idle_close_is_clean_and_other_bytes_are_not() {
    let timed_out = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for (bytes, is_clean) in [(&timed_out[..], true), (OK, false)] {
        let address = serve(Protocol::Http1, move |_, mut connection| async move {
            read_head(&mut connection).await;
            connection.write_all(OK).await.unwrap();
            // tidy: sleep ok: the server is to speak a while after its answer
            tokio::time::sleep(Duration::from_millis(1)).await;
            let _ = connection.write_all(bytes).await;
        })
        .await;
        let mut load = load(address, Protocol::Http1);
        load.rate = 40.0;
        let summary = run(load, 10).await;
        assert_eq!(summary.unsolicited == 0, is_clean, "{summary}");
    }
}

#[tokio::test]
async fn an_announced_close_is_no_failure() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    check(answer, true, Expect::Any2xx, |summary| {
        summary.failed() == 0 && summary.reconnects > 0 && summary.connections_closed_idle == 0
    })
    .await;
}

#[tokio::test]
async fn a_body_that_ends_early_is_short() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"[..],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsho",
    ] {
        check(answer, true, Expect::Any2xx, |summary| summary.short == summary.requests).await;
    }
    let whole = Expect::Body(b"okay".to_vec());
    check(OK, false, whole, |summary| summary.short == summary.requests).await;
}

#[tokio::test]
async fn a_tls_stream_that_ends_without_close_notify_is_short() {
    let answer = b"HTTP/1.1 200 OK\r\n\r\nuntil the end";
    let address = serve(Protocol::Http1Tls, move |_, mut connection| async move {
        read_head(&mut connection).await;
        connection.write_all(answer).await.unwrap();
        connection.flush().await.unwrap();
    })
    .await;
    let summary = run(load(address, Protocol::Http1Tls), 10).await;
    assert_eq!(summary.short, summary.requests, "{summary}");
}

#[tokio::test]
async fn another_status_or_content_is_wrong() {
    let is_wrong = |summary: &Summary| summary.wrong == summary.requests && summary.failed() == summary.wrong;
    check(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", false, Expect::Any2xx, is_wrong).await;
    check(OK, false, Expect::Status(204), is_wrong).await;
    check(OK, false, Expect::Body(b"no".to_vec()), is_wrong).await;
    check(b"hello\r\n\r\n", false, Expect::Any2xx, is_wrong).await;
    check(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nok", false, Expect::Any2xx, is_wrong).await;
    check(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok", false, Expect::Any2xx, is_wrong).await;
}

#[tokio::test]
async fn a_chunked_body_and_an_interim_answer_are_right() {
    let answer =
        b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n";
    check(answer, false, Expect::Body(b"abcde".to_vec()), |summary| {
        summary.failed() == 0 && summary.reconnects == 0
    })
    .await;
}

#[tokio::test]
async fn an_early_answer_to_an_unread_body_is_judged_as_it_is() {
    let address = serve(Protocol::Http1, |_, mut connection| async move {
        read_head(&mut connection).await;
        let answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        connection.write_all(answer).await.unwrap();
        // The rest of the request is read, as a server does that wants its answer to be seen.
        connection.shutdown().await.unwrap();
        let _ = tokio::io::copy(&mut connection, &mut tokio::io::sink()).await;
    })
    .await;
    let mut load = load(address, Protocol::Http1);
    load.works = vec![Work { expect: Expect::Status(413), body: Some(1..=1_000_000), ..Work::echo("/") }];
    let summary = run(load, 20).await;
    assert_eq!(summary.failed(), 0, "{summary}");
}

#[tokio::test]
async fn a_refused_connect_is_refused() {
    for protocol in Protocol::ALL {
        let address = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
        let summary = run(load(address, protocol), 20).await;
        assert_eq!(summary.refused, summary.requests, "{protocol}: {summary}");
        assert_eq!(summary.failures.len(), 20, "{protocol}: {summary}");
    }
}

#[tokio::test]
async fn a_broken_handshake_is_a_reset() {
    for (speaks, protocol) in [(Protocol::Http1, Protocol::Http1Tls), (Protocol::Http2, Protocol::Http2Tls)] {
        let address = serve(speaks, |_, connection| async move { drop(connection) }).await;
        let summary = run(load(address, protocol), 10).await;
        assert_eq!(summary.reset, summary.requests, "{protocol}: {summary}");
    }
}

#[tokio::test]
async fn a_slow_answer_is_late_and_none_at_all_times_out() {
    for delay in [Some(Duration::from_millis(20)), None] {
        let address = serve(Protocol::Http1, move |_, mut connection| async move {
            while read_head(&mut connection).await {
                match delay {
                    // tidy: sleep ok: the delay is the server's fault under test
                    Some(delay) => tokio::time::sleep(delay).await,
                    None => std::future::pending().await,
                }
                let _ = connection.write_all(OK).await;
            }
        })
        .await;
        let mut load = load(address, Protocol::Http1);
        load.late = Duration::from_millis(10);
        if delay.is_none() {
            load.timeout = Duration::from_millis(50);
        }
        let summary = run(load, 10).await;
        let counted = if delay.is_some() { summary.late } else { summary.timed_out };
        assert_eq!(counted, summary.requests, "{summary}");
        assert_eq!(summary.failed(), counted, "{summary}");
    }
}
