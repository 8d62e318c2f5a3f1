//! `cookie_serialize.json`: what a `Set-Cookie` header says (cookie 0.7.2, Express 5.3).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use narae_cookie::{Error, Priority, SameSite, Secrets, SetCookie, json};
use serde_json::Value;

use super::{Outcome, check};

const TEXT: &str = include_str!("../vectors/cookie_serialize.json");

/// The input is no value of narae's types.
struct Unwritable;

/// What an option says: `undefined` and `null` say nothing.
fn option<'a>(options: &'a Value, name: &str) -> Option<&'a Value> {
    options.get(name).filter(|value| !value.is_null() && value.get("$undefined").is_none())
}

/// A text; numbers and booleans become one with `to_string`.
fn text(value: &Value) -> Result<String, Unwritable> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        _ => Err(Unwritable),
    }
}

fn text_option<'a>(options: &'a Value, name: &str) -> Result<Option<&'a str>, Unwritable> {
    option(options, name).map(|value| value.as_str().ok_or(Unwritable)).transpose()
}

fn flag(options: &Value, name: &str) -> Result<bool, Unwritable> {
    option(options, name).map_or(Ok(false), |value| value.as_bool().ok_or(Unwritable))
}

fn date(value: &Value) -> Result<SystemTime, Unwritable> {
    let milliseconds = value.get("$ms").and_then(Value::as_i64).ok_or(Unwritable)?;
    Ok(time(milliseconds))
}

fn time(milliseconds: i64) -> SystemTime {
    let distance = Duration::from_millis(milliseconds.unsigned_abs());
    if milliseconds < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
}

/// `value` in `units` of seconds: a `Duration` is neither negative nor beyond 64 bits.
fn duration(value: &Value, units: f64) -> Result<Duration, Unwritable> {
    Duration::try_from_secs_f64(value.as_f64().ok_or(Unwritable)? / units).map_err(|_| Unwritable)
}

/// Name and value; another encoder is what an application does before `raw`.
fn named(name: &Value, value: &str, options: &Value) -> Result<Result<SetCookie, Error>, Unwritable> {
    let name = name.as_str().ok_or(Unwritable)?;
    let Some(encoder) = option(options, "encode") else { return Ok(SetCookie::new(name, value)) };
    let encoded = match encoder.get("$fn").and_then(Value::as_str).ok_or(Unwritable)? {
        "identity" => value.to_owned(),
        "uppercase" => value.to_uppercase(),
        "base64_utf8" => base64::engine::general_purpose::STANDARD.encode(value),
        other => panic!("no encoder {other}"),
    };
    Ok(SetCookie::raw(name, &encoded))
}

/// The options that mean the same in every call.
fn attributes(
    cookie: Result<SetCookie, Error>,
    options: &Value,
) -> Result<Result<SetCookie, Error>, Unwritable> {
    let domain = text_option(options, "domain")?.unwrap_or_default();
    let mut cookie = match cookie.and_then(|cookie| cookie.domain(domain)) {
        Ok(cookie) => cookie,
        Err(error) => return Ok(Err(error)),
    };
    cookie = cookie
        .http_only(flag(options, "httpOnly")?)
        .secure(flag(options, "secure")?)
        .partitioned(flag(options, "partitioned")?);
    let lower = |name| option(options, name).map(|value| value.as_str().map(str::to_lowercase));
    cookie = match lower("priority").map(|text| text.ok_or(Unwritable)).transpose()?.as_deref() {
        None | Some("") => cookie,
        Some("low") => cookie.priority(Priority::Low),
        Some("medium") => cookie.priority(Priority::Medium),
        Some("high") => cookie.priority(Priority::High),
        Some(_) => return Err(Unwritable),
    };
    let same_site = match option(options, "sameSite") {
        Some(Value::Bool(true)) => Some("strict".to_owned()),
        None | Some(Value::Bool(false)) => None,
        Some(value) => Some(value.as_str().ok_or(Unwritable)?.to_lowercase()),
    };
    Ok(Ok(match same_site.as_deref() {
        None | Some("") => cookie,
        Some("strict") => cookie.same_site(SameSite::Strict),
        Some("lax") => cookie.same_site(SameSite::Lax),
        Some("none") => cookie.same_site(SameSite::None),
        Some(_) => return Err(Unwritable),
    }))
}

/// Compares the checked text with Node's. The unchecked text has to be Node's, even where narae is stricter.
fn outcome(cookie: Result<Result<SetCookie, Error>, Unwritable>, nodes: Option<&str>) -> Outcome {
    let Ok(cookie) = cookie else { return Outcome::Unwritable };
    let unchecked = cookie.as_ref().map(|cookie| cookie.dangerous().to_header());
    assert_eq!(unchecked.as_deref().ok(), nodes, "{unchecked:?}");
    let checked = cookie.and_then(|cookie| cookie.to_header());
    match nodes {
        Some(nodes) => Outcome::of(&checked, &Ok(nodes.to_owned())),
        None => Outcome::Same,
    }
}

/// `cookie.serialize`.
fn serialize(case: &Value) -> Result<Result<SetCookie, Error>, Unwritable> {
    let options = &case["options"];
    let max_age = option(options, "maxAge").map(|age| duration(age, 1.0)).transpose()?;
    let expires = option(options, "expires").map(date).transpose()?;
    let path = text_option(options, "path")?.unwrap_or_default();
    let cookie = attributes(named(&case["name"], &text(&case["value"])?, options)?, options)?;
    Ok(cookie.and_then(|cookie| cookie.path(path)).map(|cookie| {
        let cookie = max_age.map_or(cookie.clone(), |age| cookie.max_age(age));
        expires.map_or(cookie.clone(), |time| cookie.expires(time))
    }))
}

/// `res.cookie` and `res.clearCookie`: what an application would write for them.
fn express(case: &Value, now: i64) -> Result<Result<SetCookie, Error>, Unwritable> {
    let arguments = case["args"].as_array().unwrap();
    let clear = case["call"] == "clearCookie";
    let options = arguments.get(if clear { 1 } else { 2 }).unwrap_or(&Value::Null);
    let mut value = match arguments.get(1).filter(|_| !clear) {
        None => String::new(),
        Some(value) if value.get("$undefined").is_some() => return Err(Unwritable),
        Some(value @ (Value::Null | Value::Array(_) | Value::Object(_))) => json::encode(value).unwrap(),
        Some(value) => text(value)?,
    };
    if flag(options, "signed")? {
        let secrets = match &case["cookie_parser_secret"] {
            Value::String(secret) => Secrets::new([secret]),
            Value::Array(list) => Secrets::new(list.iter().map(|secret| secret.as_str().unwrap())),
            _ => return Err(Unwritable),
        };
        value = secrets.unwrap().sign_cookie(&value);
    }
    let path = text_option(options, "path")?.unwrap_or("/");
    let made = if clear {
        SetCookie::removal(arguments[0].as_str().unwrap()).map(|cookie| cookie.with_value(&value))
    } else {
        named(&arguments[0], &value, options)?
    };
    let cookie = attributes(made, options)?.and_then(|cookie| cookie.path(path));
    if clear {
        return Ok(cookie);
    }
    let expires = option(options, "expires").map(date).transpose()?;
    let cookie = cookie.map(|cookie| expires.map_or(cookie.clone(), |time| cookie.expires(time)));
    let Some(age) = option(options, "maxAge") else { return Ok(cookie) };
    let end = time(now) + duration(age, 1000.0)?;
    let age = duration(age, 1000.0)?;
    Ok(cookie.map(|cookie| cookie.max_age(age).expires(end)))
}

#[test]
fn writes_every_cookie_as_node_does() {
    check("cookie_serialize", TEXT, "cases", |case| outcome(serialize(case), case["v0_7_2"]["ok"].as_str()));
}

#[test]
fn is_enough_to_write_what_express_writes() {
    let vectors: Value = serde_json::from_str(TEXT).unwrap();
    let now = vectors["now_ms"].as_i64().unwrap();
    check("cookie_serialize", TEXT, "express_rows", |case| {
        outcome(express(case, now), case["result"]["ok"][0].as_str())
    });
}
