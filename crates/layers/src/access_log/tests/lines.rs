//! What stands in a line: JSON, tokens that morgan's cases do not reach.

use std::time::{Duration, UNIX_EPOCH};

use http::Version;
use serde_json::{Value, json};

use super::super::clock::DateCache;
use super::super::format::{Format, Plan};
use super::super::line::{Answer, Exchange, Length, write_line};

fn exchange<'a>() -> Exchange<'a> {
    Exchange {
        now: UNIX_EPOCH + Duration::from_millis(1_717_225_689_123),
        method: "GET",
        url: "/a?b",
        version: Version::HTTP_2,
        addr: Some([192, 0, 2, 1].into()),
        authorization: Some(b"Basic dG9iaTpwdw=="),
        referrer: Some(b"http://ref.example/"),
        agent: Some(b"agent/1.0"),
        request_headers: &[],
        answer: Some(Answer {
            status: 200,
            elapsed: Some(Duration::from_nanos(1_234_567)),
            length: Some(Length::Exact(12)),
            headers: &[],
            request_id: Some("r-1"),
        }),
        total: Some(Duration::from_nanos(2_345_678)),
        bytes: 12,
        aborted: false,
    }
}

fn write(format: &str, exchange: &Exchange<'_>) -> String {
    let format: Format = format.parse().unwrap();
    let mut line = Vec::new();
    write_line(&mut line, &Plan::new(&format, false), exchange, &mut DateCache::default());
    String::from_utf8(line).unwrap()
}

#[test]
fn json_has_every_field_in_a_fixed_order() {
    assert_eq!(
        write("json", &exchange()),
        "{\"time\":\"2024-06-01T07:08:09.123Z\",\"addr\":\"192.0.2.1\",\"user\":\"tobi\",\"method\":\"GET\",\
         \"url\":\"/a?b\",\"version\":\"2.0\",\"status\":200,\"bytes\":12,\"duration_ms\":2.346,\
         \"referrer\":\"http://ref.example/\",\"agent\":\"agent/1.0\",\"request_id\":\"r-1\"}"
    );
}

#[test]
fn json_says_null_for_what_is_missing_and_aborted_for_what_was_cut() {
    let cut = Exchange {
        addr: None,
        authorization: None,
        referrer: None,
        agent: Some(b""),
        answer: None,
        total: None,
        bytes: 0,
        aborted: true,
        ..exchange()
    };
    let line: Value = serde_json::from_str(&write("json", &cut)).unwrap();
    assert_eq!(
        line,
        json!({"time": "2024-06-01T07:08:09.123Z", "addr": null, "user": null, "method": "GET",
            "url": "/a?b", "version": "2.0", "status": null, "bytes": 0, "duration_ms": null,
            "referrer": null, "agent": null, "aborted": true})
    );
}

#[test]
fn no_value_can_forge_a_json_field() {
    let evil = Exchange {
        url: "/\",\"status\":500,\"x\":\"\\",
        agent: Some(b"\"}\n{\"status\":1}\xff"),
        ..exchange()
    };
    let text = write("json", &evil);
    assert!(!text.contains('\n'));
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["status"], 200);
    assert_eq!(line["url"], evil.url);
    assert_eq!(line["agent"], "\"}\n{\"status\":1}\u{ff}");
}

#[test]
fn the_named_formats_print_a_length_that_only_the_body_knows() {
    assert!(write("tiny", &exchange()).starts_with("GET /a?b 200 12 - "));
    assert_eq!(write(":status :res[content-length]", &exchange()), "200 -");
}

#[test]
fn total_time_needs_a_response_as_in_morgan() {
    assert_eq!(write(":total-time[1] :total-time[9]", &exchange()), "2.3 2.345678000");
    assert_eq!(write(":total-time", &Exchange { answer: None, ..exchange() }), "-");
}

#[test]
fn times_are_rounded_half_up_at_every_number_of_digits() {
    let answer = |nanos| Answer {
        status: 200,
        elapsed: Some(Duration::from_nanos(nanos)),
        length: None,
        headers: &[],
        request_id: None,
    };
    for (nanos, digits, expected) in
        [(999_500, 3, "1.000"), (999_499, 3, "0.999"), (1_500_000, 0, "2"), (1, 6, "0.000001"), (0, 1, "0.0")]
    {
        let format = format!(":response-time[{digits}]");
        assert_eq!(write(&format, &Exchange { answer: Some(answer(nanos)), ..exchange() }), expected);
    }
}

#[test]
fn pid_and_addresses_of_both_families() {
    assert_eq!(write(":pid", &exchange()), std::process::id().to_string());
    for addr in ["255.10.0.1", "2001:db8::1", "::ffff:127.0.0.1"] {
        let exchange = Exchange { addr: Some(addr.parse().unwrap()), ..exchange() };
        assert_eq!(write(":remote-addr", &exchange), addr);
    }
}
