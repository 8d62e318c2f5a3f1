//! Connections that outlive a reload: idle ones, and answers without an end.

use std::time::{Duration, Instant};

use crate::client::Client;
use crate::home::{Home, QUICK};

#[test]
fn idle_connections_go_to_the_new_workers_and_work_on() {
    let home = Home::new(2);
    let app = home.start();
    let before = home.pids();
    let mut clients: Vec<Client> = (0..200).map(|_| Client::new(app.http)).collect();
    for client in &mut clients {
        assert!(before.contains(&client.pid()));
    }
    let receipt = home.reload();
    assert!(receipt.handed_over > 0, "{receipt:?}");
    assert_eq!((receipt.reset, receipt.cut.len()), (0, 0), "{receipt:?}");
    let after = home.pids();
    for client in &mut clients {
        let pid = client.pid();
        assert!(after.contains(&pid) && !before.contains(&pid), "{pid} is none of {after:?}");
    }
}

#[test]
fn event_streams_are_told_and_end_by_themselves_one_after_the_other() {
    let home = Home::new(1);
    let app = home.start();
    let mut streams: Vec<Client> = (0..100).map(|_| Client::new(app.http)).collect();
    for stream in &mut streams {
        stream.send("GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    }
    for stream in &mut streams {
        stream.up_to("tick");
    }
    let readers: Vec<_> = streams
        .into_iter()
        .map(|mut stream| {
            std::thread::spawn(move || {
                stream.up_to("goodbye");
                stream.up_to("0\r\n");
                Instant::now()
            })
        })
        .collect();
    let receipt = home.reload();
    assert_eq!((receipt.reset, receipt.cut.len()), (0, 0), "{receipt:?}");
    let mut ends = Vec::new();
    for reader in readers {
        // None was cut: goodbye was said, and the end of the answer is there.
        ends.push(reader.join().unwrap());
    }
    ends.sort();
    // Two milliseconds each: not all at once, so that not all come back at once.
    assert!(ends[99] - ends[0] > Duration::from_millis(50), "{ends:?}");
}

#[test]
fn event_streams_that_do_not_listen_are_cut_at_the_deadline_and_named() {
    let home = Home::new(2);
    home.settings(&QUICK.replace("deadline = \"10s\"", "deadline = \"2s\""));
    let app = home.start();
    let mut stream = Client::new(app.http);
    stream.send("GET /sse-deaf HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    stream.up_to("tick");
    let reader = std::thread::spawn(move || stream.rest());
    let told = home.tell(&["reload"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.said.contains("cut 1") && told.said.contains("cut: GET /sse-deaf"), "{told:?}");
    assert!(!reader.join().unwrap().ends_with("0\r\n\r\n"));
}
