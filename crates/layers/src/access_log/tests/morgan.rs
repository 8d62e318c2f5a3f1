//! Every line that morgan was observed to write, against ours.
//!
//! The cases are in `tests/vectors/morgan_lines.json`: a request and a response,
//! a frozen clock, and the lines of the npm package. Where narae differs on
//! purpose, `DIFFERENT` says so; a case listed there that agrees is an error
//! too, so that the table stays true.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use http::Version;
use serde_json::Value;

use super::super::clock::DateCache;
use super::super::format::{Format, Plan};
use super::super::line::{Answer, Exchange, Length, write_line};

/// Cases whose line is another one here: a case's name or a token's format,
/// what to replace in morgan's line to get ours, and why.
const DIFFERENT: [(&str, Changes, &str); 3] = [
    (
        "content-length number",
        &[("200 -", "200 0"), ("ms - -", "ms - 0")],
        "JavaScript takes the number 0 for a missing value; a header is text here, and 0 is a length",
    ),
    (":date[other]", &[("-", ERROR)], "a form of the date that does not exist is found at the start"),
    (":response-time[digits]", &[("1", ERROR)], "a word is no number of digits; morgan rounds to none then"),
];

/// Pairs of what morgan writes and what narae writes in its place.
type Changes = &'static [(&'static str, &'static str)];

/// Stands for the line of a format that is refused.
const ERROR: &str = "error";

#[test]
fn every_case_in_every_format() {
    let vectors = vectors();
    let mut failures = String::new();
    let mut checked = 0;
    for case in vectors["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let lines = case["lines"].as_object().unwrap().iter();
        for (format, expected) in lines.chain([(&"dev_no_color".to_owned(), &case["dev_no_color"])]) {
            let (format, color) = match format.as_str() {
                "dev_no_color" => ("dev", false),
                "dev" => ("dev", true),
                other => (other, false),
            };
            let written = write(format, color, &case["in"], &case["date_ms"]);
            judge(&mut failures, name, expected, &written);
            checked += 1;
        }
    }
    assert_eq!(checked, 51 * 7);
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn every_token() {
    let vectors = vectors();
    let mut failures = String::new();
    let tokens = vectors["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), 43);
    for case in tokens {
        let format = case["format"].as_str().unwrap();
        let mut facts = vectors["base"].clone();
        for (key, value) in case["in"].as_object().unwrap() {
            facts[key] = value.clone();
        }
        judge(&mut failures, format, &case["line"], &write_pattern(format, &facts, &case["date_ms"]));
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn the_built_in_formats_are_those_of_morgan() {
    let vectors = vectors();
    for (name, text) in vectors["formats"].as_object().unwrap() {
        if name == "dev" {
            continue; // described in words there
        }
        let ours = Plan::new(&name.parse().unwrap(), false).text.unwrap().to_string();
        assert_eq!(ours.replace(":length", ":res[content-length]"), text.as_str().unwrap(), "{name}");
    }
}

/// Adds to `failures` if `written` is not what morgan wrote, or what it should be instead.
fn judge(failures: &mut String, name: &str, morgan: &Value, written: &str) {
    let morgan = morgan.as_str().unwrap_or(ERROR);
    let replaced = DIFFERENT.iter().find(|(listed, ..)| *listed == name).map(|(_, changes, _)| {
        changes.iter().fold(morgan.to_owned(), |line, (theirs, ours)| line.replace(theirs, ours))
    });
    let problem = match replaced {
        Some(_) if written == morgan => "agrees, but is listed as different",
        Some(ours) if written == ours => return,
        None if written == morgan => return,
        _ => "differs",
    };
    writeln!(failures, "{name}: {problem}\n  morgan: {morgan}\n  narae:  {written}").unwrap();
}

fn write(format: &str, color: bool, facts: &Value, date_ms: &Value) -> String {
    let format: Format = format.parse().unwrap();
    write_plan(&Plan::new(&format, color), facts, date_ms)
}

fn write_pattern(text: &str, facts: &Value, date_ms: &Value) -> String {
    match text.parse() {
        Ok(pattern) => write_plan(&Plan::new(&Format::Custom(pattern), false), facts, date_ms),
        Err(_) => ERROR.to_owned(),
    }
}

/// The line of `plan` for the request and response of a case.
fn write_plan(plan: &Plan, facts: &Value, date_ms: &Value) -> String {
    let sent = facts["headers_sent"].as_bool().unwrap_or(true);
    let request = |name: &str| header(&facts["req_headers"], name);
    let (authorization, agent) = (request("authorization"), request("user-agent"));
    let referrer = request("referer").filter(|value| !value.is_empty()).or_else(|| request("referrer"));
    let length = header(&facts["res_headers"], "content-length");
    let listed = |names: &[http::HeaderName], headers: &Value| -> Vec<Vec<u8>> {
        names.iter().map(|name| header(headers, name.as_str()).unwrap_or_default()).collect()
    };
    let (request_headers, response_headers) = match &plan.text {
        Some(pattern) => (
            listed(pattern.request_headers(), &facts["req_headers"]),
            listed(pattern.response_headers(), &facts["res_headers"]),
        ),
        None => Default::default(),
    };
    let addr = facts["ip"].as_str().or(facts["remote_address"].as_str());
    let exchange = Exchange {
        now: UNIX_EPOCH + Duration::from_millis(date_ms.as_u64().unwrap()),
        method: facts["method"].as_str().unwrap(),
        url: facts["url"].as_str().unwrap(),
        version: if facts["http"][0] == 2 { Version::HTTP_2 } else { Version::HTTP_11 },
        addr: addr.map(|addr| addr.parse().unwrap()),
        authorization: authorization.as_deref(),
        referrer: referrer.as_deref(),
        agent: agent.as_deref(),
        request_headers: &request_headers,
        answer: sent.then(|| Answer {
            status: u16::try_from(facts["status"].as_u64().unwrap()).unwrap(),
            elapsed: facts["elapsed_ns"].as_u64().map(Duration::from_nanos),
            length: length.as_deref().map(Length::Header),
            headers: &response_headers,
            request_id: None,
        }),
        total: None,
        bytes: 0,
        aborted: false,
    };
    let mut line = Vec::new();
    write_line(&mut line, plan, &exchange, &mut DateCache::default());
    String::from_utf8(line).unwrap()
}

/// A header's value as the layer would capture it: lists joined.
fn header(headers: &Value, name: &str) -> Option<Vec<u8>> {
    let text = match &headers[name] {
        Value::String(value) => value.clone(),
        Value::Number(value) => value.to_string(),
        Value::Array(values) => {
            values.iter().map(|value| value.as_str().unwrap()).collect::<Vec<_>>().join(", ")
        }
        _ => return None,
    };
    Some(text.into_bytes())
}

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/morgan_lines.json")).unwrap()
}
