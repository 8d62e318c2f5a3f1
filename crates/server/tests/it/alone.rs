//! One connection served in the caller's event loop, as the fuzz targets do it (`fuzz/`); and what they found.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use narae_server::{Alone, Limits};

use crate::client::{BOTH, ask};
use crate::site::{Site, routes};

/// What comes back for `input`, to its end.
fn talk(limits: Limits, input: &str) -> String {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let input = input.to_owned();
    let client = thread::spawn(move || {
        ours.write_all(input.as_bytes()).unwrap();
        ours.shutdown(Shutdown::Write).unwrap();
        let mut output = String::new();
        ours.read_to_string(&mut output).unwrap();
        output
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { Alone::new(limits).unwrap().serve(theirs, routes()).await });
    assert_eq!(runtime.metrics().num_alive_tasks(), 0);
    client.join().unwrap()
}

#[test]
fn a_connection_is_served_without_a_server_also_when_it_is_parked_in_between() {
    for park_after in [None, Some(Duration::ZERO)] {
        let limits = Limits::default().park_after(park_after);
        let output = talk(limits, &"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3));
        assert_eq!(output.matches("HTTP/1.1 200 OK\r\n").count(), 3, "{output}");
        assert_eq!(output.matches("Hello, World!").count(), 3, "{output}");
    }
}

#[test]
fn limits_that_cannot_work_are_named() {
    let error = Alone::new(Limits::default().max_head_bytes(0)).err().unwrap();
    assert!(error.to_string().contains("max_head_bytes"), "{error}");
}

/// The socket of a connection that was parked is new to the event loop, which does not know yet that it takes bytes:
/// that was taken for a peer that reads nothing, and good answers were thrown away with the connection.
#[test]
fn a_malformed_request_on_a_resumed_connection_costs_none_of_the_answers_before_it() {
    const HELLO: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for over in BOTH {
        let site = Site::limited(Limits::default().park_after(Some(Duration::from_millis(1))));
        let (_, mut client) = ask(&site, over, HELLO);
        site.wait_for(|counts| counts.parked == 1);
        client.send([HELLO, HELLO, "GET / HTTP/1.1\nHost: a\r\n\r\n"].concat());
        for _ in 0..2 {
            assert_eq!(client.reply().body, "Hello, World!", "{over:?}");
        }
        assert_eq!(client.reply().status, 400, "{over:?}");
        assert!(client.is_closed(), "{over:?}");
    }
}
