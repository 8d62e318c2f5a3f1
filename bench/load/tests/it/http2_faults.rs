//! Faults of HTTP/2 servers, each counted as itself, and the refusals that allow a retry.

use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use http::Response;
use narae_load::Protocol;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::servers::{Connection, load, run, serve};

/// Answers each stream with `answer`, which gets the numbers of the connection and of the stream.
async fn streams(number: usize, connection: Connection, answer: fn(usize, usize, SendResponse<Bytes>)) {
    let mut connection = h2::server::handshake(connection).await.unwrap();
    let mut stream = 0;
    while let Some(Ok((_request, respond))) = connection.accept().await {
        answer(number, stream, respond);
        stream += 1;
    }
}

fn right(mut respond: SendResponse<Bytes>) {
    let mut body = respond.send_response(Response::new(()), false).unwrap();
    body.send_data(Bytes::from_static(b"ok"), true).unwrap();
}

#[tokio::test]
async fn a_stream_reset_is_a_reset() {
    for protocol in [Protocol::Http2, Protocol::Http2Tls] {
        let address = serve(protocol, |number, connection| {
            streams(number, connection, |_, _, mut respond| respond.send_reset(Reason::INTERNAL_ERROR))
        })
        .await;
        let summary = run(load(address, protocol), 20).await;
        assert_eq!(summary.reset, summary.requests, "{summary}");
    }
}

#[tokio::test]
async fn a_reset_within_the_body_is_a_reset() {
    let address = serve(Protocol::Http2, |number, connection| {
        streams(number, connection, |_, _, mut respond| {
            let mut body = respond.send_response(Response::new(()), false).unwrap();
            body.send_data(Bytes::from_static(b"half"), false).unwrap();
            body.send_reset(Reason::CANCEL);
        })
    })
    .await;
    let summary = run(load(address, Protocol::Http2), 20).await;
    assert_eq!(summary.reset, summary.requests, "{summary}");
}

#[tokio::test]
async fn a_body_shorter_than_its_length_is_short() {
    let address = serve(Protocol::Http2, |number, connection| {
        streams(number, connection, |_, _, mut respond| {
            let head = Response::builder().header("content-length", "10").body(()).unwrap();
            let mut body = respond.send_response(head, false).unwrap();
            body.send_data(Bytes::from_static(b"short"), true).unwrap();
        })
    })
    .await;
    let summary = run(load(address, Protocol::Http2), 20).await;
    assert_eq!(summary.short, summary.requests, "{summary}");
}

#[tokio::test]
async fn a_connection_that_ends_under_a_stream_is_a_reset() {
    for protocol in [Protocol::Http2, Protocol::Http2Tls] {
        let address = serve(protocol, |_, connection| async move {
            let mut connection = h2::server::handshake(connection).await.unwrap();
            let _stream = connection.accept().await;
        })
        .await;
        let summary = run(load(address, protocol), 20).await;
        assert_eq!(summary.reset, summary.requests, "{protocol}: {summary}");
        assert_eq!(summary.connections_closed_idle, 0, "{protocol}: {summary}");
    }
}

#[tokio::test]
async fn a_refused_stream_is_sent_once_more() {
    let address = serve(Protocol::Http2, |number, connection| {
        streams(number, connection, |number, stream, mut respond| match (number, stream) {
            (0, 0) => respond.send_reset(Reason::REFUSED_STREAM),
            _ => right(respond),
        })
    })
    .await;
    let summary = run(load(address, Protocol::Http2), 20).await;
    assert_eq!(summary.failed(), 0, "{summary}");
    assert_eq!((summary.retried_safely, summary.goaway_refused), (1, 0), "{summary}");
    assert_eq!(summary.connections_closed_idle, 0, "{summary}");
}

#[tokio::test]
async fn a_request_that_is_refused_again_is_a_reset() {
    let address = serve(Protocol::Http2, |number, connection| {
        streams(number, connection, |_, _, mut respond| respond.send_reset(Reason::REFUSED_STREAM))
    })
    .await;
    let summary = run(load(address, Protocol::Http2), 20).await;
    assert_eq!((summary.reset, summary.retried_safely), (summary.requests, summary.requests), "{summary}");
}

#[tokio::test]
async fn a_stream_above_the_last_one_of_a_goaway_is_sent_once_more() {
    let address = serve(Protocol::Http2, |number, mut connection| async move {
        if number == 0 {
            // After the first HEADERS frame: GOAWAY with last stream 0 and NO_ERROR, and the end.
            connection.read_exact(&mut [0; 24]).await.unwrap();
            connection.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
            read_until_headers(&mut connection).await;
            connection.write_all(&[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).await.unwrap();
            connection.shutdown().await.unwrap();
            let _ = tokio::io::copy(&mut connection, &mut tokio::io::sink()).await;
        } else {
            streams(number, connection, |_, _, respond| right(respond)).await;
        }
    })
    .await;
    let mut load = load(address, Protocol::Http2);
    load.connections = 1;
    let summary = run(load, 20).await;
    assert_eq!(summary.failed(), 0, "{summary}");
    assert!(summary.goaway_refused >= 1 && summary.goaway_refused == summary.retried_safely, "{summary}");
    assert_eq!(summary.reconnects, 1, "{summary}");
}

async fn read_until_headers(connection: &mut Connection) {
    let mut head = [0; 9];
    while head[3] != 1 {
        connection.read_exact(&mut head).await.unwrap();
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        connection.read_exact(&mut vec![0; length]).await.unwrap();
    }
}
