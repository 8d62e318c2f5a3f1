//! `signed_cookies.json`: signatures (cookie-signature) and the whole of cookie-parser 1.4.7.

use narae_cookie::{Cookies, Secrets, SetCookie, json};
use serde_json::{Map, Value};

use super::json::as_javascript;
use super::{Outcome, check};

const TEXT: &str = include_str!("../vectors/signed_cookies.json");

pub(super) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&String::from_iter(pair), 16).unwrap()).collect()
}

/// A secret, a list of them, or none.
fn ring(secrets: &Value) -> Option<Secrets> {
    match secrets {
        Value::String(secret) => Secrets::new([secret]).ok(),
        Value::Array(list) => Secrets::new(list.iter().map(|secret| secret.as_str().unwrap())).ok(),
        _ => None,
    }
}

const NO_RING: &str = "no ring is made of it";

#[test]
fn signs_every_value_as_node_does() {
    check("signed_cookies", TEXT, "sign", |case| {
        let value = case["value"].as_str().unwrap();
        let Some(secrets) = ring(&case["secret"]) else { return Outcome::Different(NO_RING.to_owned()) };
        let cookie = secrets.sign_cookie(value);
        let written = SetCookie::new("n", &cookie).unwrap().value().to_owned();
        let ours = [secrets.sign(value), cookie, written];
        let verified = secrets.verify(&ours[0]).unwrap();
        assert_eq!((verified.value, verified.secret), (value, 0));
        Outcome::of(
            &ours.map(Value::from),
            &["signed", "cookie_value", "set_cookie_value"].map(|k| case[k].clone()),
        )
    });
}

#[test]
fn takes_bytes_as_secrets() {
    check("signed_cookies", TEXT, "buffer_secrets", |case| {
        let secrets = Secrets::new([bytes(case["secret_hex"].as_str().unwrap())]).unwrap();
        let signed = secrets.sign(case["value"].as_str().unwrap());
        Outcome::of(&Value::from(signed), &case["v1_2_2"]["ok"])
    });
}

#[test]
fn verifies_every_text_as_node_does() {
    check("signed_cookies", TEXT, "unsign", |case| {
        let secrets = ring(&case["secret"]);
        let verified = secrets.as_ref().and_then(|ring| ring.verify(case["input"].as_str().unwrap()));
        Outcome::of(&verified.map_or(Value::from(false), |found| found.value.into()), &case["result"])
    });
}

/// `cookieParser.signedCookie`: a text without the prefix is as it is.
fn signed_cookie(secrets: Option<&Secrets>, text: &str) -> Value {
    match secrets.and_then(|ring| ring.verify_cookie(text)) {
        Some(verified) => verified.value.into(),
        None => {
            if text.starts_with("s:") {
                false.into()
            } else {
                text.into()
            }
        }
    }
}

#[test]
fn verifies_every_cookie_as_node_does() {
    check("signed_cookies", TEXT, "signed_cookie", |case| {
        let secrets = ring(&case["secrets"]);
        Outcome::of(&signed_cookie(secrets.as_ref(), case["str"].as_str().unwrap()), &case["result"])
    });
}

#[test]
fn is_enough_to_do_what_cookie_parser_does() {
    check("signed_cookies", TEXT, "middleware", |case| {
        if case["note"] == "custom decode option" {
            return Outcome::Unwritable;
        }
        let secrets = ring(&case["secrets"]);
        let lines = case["cookie_header"].as_str().map(str::as_bytes);
        let (mut plain, mut signed) = (Map::new(), Map::new());
        for (name, text) in Cookies::parse(lines).iter() {
            let (map, value) = match &secrets {
                Some(_) if text.starts_with("s:") => (&mut signed, signed_cookie(secrets.as_ref(), text)),
                _ => (&mut plain, text.into()),
            };
            let decoded = value.as_str().and_then(json::decode);
            map.insert(name.to_owned(), decoded.unwrap_or(value));
        }
        let ours = [plain, signed].map(|map| as_javascript(&Value::Object(map)));
        Outcome::of(&ours, &[as_javascript(&case["cookies"]), as_javascript(&case["signedCookies"])])
    });
}
