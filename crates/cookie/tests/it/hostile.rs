//! What no friendly peer or caller does: every byte everywhere, changed values, foreign texts.

use std::time::{Duration, UNIX_EPOCH};

use narae_cookie::{Cookies, Error, Invalid, SameSite, Secrets, SecretsFault, SetCookie, find, json};

/// Numbers that look random and are the same every time (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = self.below(40);
        (0..length).map(|_| MEANINGFUL[self.below(MEANINGFUL.len())]).collect()
    }
}

/// Bytes that mean something in a header, a cookie, an escape, a signature; and some that never may be there.
const MEANINGFUL: &[u8] = b"\r\n\0;;==,\"\\% \t%2%C\xe9\xc3\xa9\xff\x7f<.-_:sja0A/+{}[]$~";

fn secrets(list: &[&str]) -> Secrets {
    Secrets::new(list).unwrap()
}

/// What a browser or a proxy would see of a line, given what the application asked for.
fn check_line(line: &str, name: &str, attributes: usize) {
    assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line:?}");
    assert_eq!(line.split(';').count(), 1 + attributes, "{line:?}");
    assert_eq!(line.split('=').next(), Some(name), "{line:?}");
}

mod no_text_of_a_caller_leaves_its_place {
    use super::*;

    /// Every character of ISO 8859-1 and some beyond, in front, in the middle and at the end.
    fn texts() -> impl Iterator<Item = String> {
        let characters = (0..=255).map(char::from).chain(['안', '\u{2028}', '😀']);
        characters.flat_map(|c| [format!("a{c}b"), format!("{c}"), format!("{c}a"), format!("a{c}")])
    }

    #[test]
    fn not_a_name() {
        for text in texts().filter_map(|text| SetCookie::new(&text, "v").ok().map(|cookie| (text, cookie))) {
            check_line(&text.1.to_header().unwrap(), &text.0, 0);
        }
        for bad in ["", "a;b", "a\r\nb", "a\0b", "a=b", "a b", "é"] {
            let error = SetCookie::new(bad, "v").unwrap_err();
            assert_eq!(error, Error::Invalid(Invalid::Name(bad.to_owned())));
        }
    }

    #[test]
    fn not_a_value() {
        for text in texts() {
            check_line(&SetCookie::new("n", &text).unwrap().to_header().unwrap(), "n", 0);
            if let Ok(raw) = SetCookie::raw("n", &text) {
                check_line(&raw.to_header().unwrap(), "n", 0);
            }
        }
        let error = SetCookie::raw("n", "fine;not").unwrap_err();
        assert!(error.to_string().contains(r#"cookie "n" has ';' at byte 4"#), "{error}");
        assert!(!error.to_string().contains("fine"), "an error shows no value: {error}");
    }

    #[test]
    fn not_a_domain_or_a_path() {
        let cookie = || SetCookie::new("n", "v").unwrap();
        for text in texts() {
            if let Ok(cookie) = cookie().domain(&text) {
                check_line(&cookie.to_header().unwrap(), "n", 1);
            }
            if let Ok(cookie) = cookie().path(&text) {
                check_line(&cookie.to_header().unwrap(), "n", 1);
            }
        }
    }

    #[test]
    fn not_any_of_them_at_random() {
        let mut numbers = Numbers(1);
        for _ in 0..20_000 {
            let [name, value, domain, path] =
                [(); 4].map(|()| String::from_utf8_lossy(&numbers.bytes()).into_owned());
            for cookie in [SetCookie::new(&name, &value), SetCookie::raw(&name, &value)] {
                let Ok(cookie) = cookie else { continue };
                check_line(&cookie.dangerous().to_header(), &name, 0);
                let with = cookie.domain(&domain).and_then(|cookie| cookie.path(&path));
                let Ok(with) = with else { continue };
                let attributes = usize::from(!domain.is_empty()) + usize::from(!path.is_empty());
                check_line(&with.dangerous().to_header(), &name, attributes);
            }
        }
    }
}

mod no_bytes_of_a_peer_panic {
    use super::*;

    #[test]
    fn in_cookie_headers_and_both_readers_agree() {
        let mut numbers = Numbers(2);
        for _ in 0..50_000 {
            let lines: Vec<Vec<u8>> = (0..numbers.below(4)).map(|_| numbers.bytes()).collect();
            let lines = || lines.iter().map(Vec::as_slice);
            let all = Cookies::parse(lines());
            for (name, value) in all.iter() {
                assert_eq!(
                    find(lines(), name).as_deref(),
                    Some(value),
                    "{name:?} in {:?}",
                    lines().collect::<Vec<_>>()
                );
            }
            for name in ["", "s", "a ", "=", "a;", "__proto__", "é"] {
                assert_eq!(find(lines(), name).as_deref(), all.get(name), "{name:?}");
            }
        }
    }

    #[test]
    fn in_signed_sealed_and_json_texts() {
        let ring = secrets(&["new", "old"]);
        let mut numbers = Numbers(3);
        for _ in 0..20_000 {
            let text = String::from_utf8_lossy(&numbers.bytes()).into_owned();
            assert_eq!(ring.verify(&text), None);
            assert_eq!(ring.verify_cookie(&text), None);
            assert_eq!(ring.open("c", &text), None);
            assert_eq!(ring.open("c", &format!("A{text}AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")), None);
            let _ = json::decode(&format!("j:{text}"));
        }
    }

    #[test]
    fn nor_does_a_nest_of_json() {
        assert_eq!(json::decode(&format!("j:{}", "[".repeat(100_000))), None);
        assert_eq!(json::decode(&format!("j:{}{}", "[".repeat(100_000), "]".repeat(100_000))), None);
    }

    #[test]
    fn nor_thousands_of_names() {
        let line: String = (0..20_000).map(|number| format!("n{};x=;x=1;n{number}=1;", number / 2)).collect();
        let all = Cookies::parse([line.as_bytes()]);
        assert_eq!((all.len(), all.get("x"), all.get("n19999")), (20_001, Some(""), Some("1")));
    }
}

mod changed_values {
    use super::*;

    #[test]
    fn no_byte_of_a_signed_value_can_be_changed() {
        let ring = secrets(&["new", "old"]);
        let signed = ring.sign("user.7=admin");
        for at in 0..signed.len() {
            for byte in 0..128 {
                let mut changed = signed.clone().into_bytes();
                if std::mem::replace(&mut changed[at], byte) == byte {
                    continue;
                }
                let changed = String::from_utf8(changed).unwrap();
                assert_eq!(ring.verify(&changed), None, "{changed}");
            }
        }
        for end in 0..signed.len() {
            assert_eq!(ring.verify(&signed[..end]), None);
        }
        assert_eq!(ring.verify(&format!("{signed}=")), None);
    }

    #[test]
    fn no_byte_of_a_sealed_value_can_be_changed() {
        let ring = secrets(&["new", "old"]);
        let sealed = ring.seal("sid", b"user 7");
        for at in 0..sealed.len() {
            for byte in (0..128).step_by(3) {
                let mut changed = sealed.clone().into_bytes();
                if std::mem::replace(&mut changed[at], byte) == byte {
                    continue;
                }
                assert_eq!(ring.open("sid", &String::from_utf8(changed).unwrap()), None, "byte {at}");
            }
        }
        for end in 0..sealed.len() {
            assert_eq!(ring.open("sid", &sealed[..end]), None);
        }
        assert_eq!(ring.open("sid", &format!("{sealed}=")), None);
    }

    #[test]
    fn a_sealed_value_stays_where_it_was_meant_to_be() {
        let ring = secrets(&["k"]);
        let sealed = ring.seal("cart", b"");
        assert_eq!(ring.open("cart", &sealed).unwrap().plain, b"");
        assert_eq!(ring.open("sid", &sealed), None);
        assert_eq!(ring.open("", &sealed), None);
        assert_eq!(secrets(&["l"]).open("cart", &sealed), None);
    }

    #[test]
    fn a_sealed_value_tells_nothing_twice() {
        let ring = secrets(&["k"]);
        let (one, two) = (ring.seal("c", b"same"), ring.seal("c", b"same"));
        assert_ne!(one, two);
        assert_eq!(ring.open("c", &one), ring.open("c", &two));
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{one}");
        assert_eq!(SetCookie::new("c", &one).unwrap().value(), one);
    }
}

mod rotation {
    use super::*;

    #[test]
    fn the_first_secret_signs_and_all_verify() {
        let ring = secrets(&["three", "two", "one"]);
        for (index, secret) in ["three", "two", "one"].into_iter().enumerate() {
            let alone = secrets(&[secret]);
            let signed = alone.sign_cookie("v");
            let verified = ring.verify_cookie(&signed).unwrap();
            assert_eq!((verified.value, verified.secret), ("v", index));
            let opened = ring.open("c", &alone.seal("c", b"v")).unwrap();
            assert_eq!((opened.plain.as_slice(), opened.secret), (b"v".as_slice(), index));
            assert_eq!(alone.verify_cookie(&ring.sign_cookie("v")).is_some(), index == 0);
            assert_eq!(alone.open("c", &ring.seal("c", b"v")).is_some(), index == 0);
        }
    }

    #[test]
    fn a_retired_secret_is_worth_nothing() {
        let ring = secrets(&["three", "two"]);
        let retired = secrets(&["one"]);
        assert_eq!(ring.verify(&retired.sign("v")), None);
        assert_eq!(ring.open("c", &retired.seal("c", b"v")), None);
    }

    #[test]
    fn no_ring_without_secrets() {
        assert_eq!(Secrets::new([""; 0]).unwrap_err(), Error::Secrets(SecretsFault::None));
        assert_eq!(Secrets::new(["a", ""]).unwrap_err(), Error::Secrets(SecretsFault::Empty(1)));
    }
}

#[test]
fn nothing_prints_a_secret_or_a_value() {
    let ring = secrets(&["hunter2"]);
    let cookie = SetCookie::new("sid", "hunter2").unwrap().path("/").unwrap().secure(true);
    let cookies = Cookies::parse([b"sid=hunter2".as_slice()]);
    let opened = ring.open("c", &ring.seal("c", b"hunter2")).unwrap();
    let printed = format!("{ring:?} {cookie:?} {cookies:?} {opened:?}");
    assert_eq!(
        printed,
        r#"Secrets(1 in the ring) SetCookie(sid=…; Path=/; Secure) Cookies["sid"] Opened(7 bytes, secret 0)"#
    );
}

#[test]
fn expires_is_the_date_that_http_writes_on_every_day_until_9999() {
    let days = 253_402_300_800 / 86_400;
    for day in 0..days {
        let time = UNIX_EPOCH + Duration::from_secs(day * 86_400 + day % 86_400);
        let cookie = SetCookie::new("n", "v").unwrap().expires(time);
        assert_eq!(cookie.to_string().strip_prefix("n=v; Expires="), Some(&*httpdate::fmt_http_date(time)));
    }
}

#[test]
fn any_time_and_any_age_can_be_given() {
    let far = UNIX_EPOCH.checked_add(Duration::from_secs(1 << 62)).unwrap_or(UNIX_EPOCH);
    let early = UNIX_EPOCH.checked_sub(Duration::from_secs(1 << 62)).unwrap_or(UNIX_EPOCH);
    for time in [far, early] {
        let cookie = SetCookie::new("n", "v").unwrap().expires(time).max_age(Duration::MAX);
        assert!(cookie.dangerous().to_header().contains("; Max-Age=18446744073709551615; Expires="));
        assert!(cookie.to_header().is_err());
    }
}

#[test]
fn the_value_that_is_written_is_the_value_that_is_read() {
    let mut numbers = Numbers(4);
    for _ in 0..5_000 {
        let value = String::from_utf8_lossy(&numbers.bytes()).into_owned();
        let cookie = SetCookie::new("n", &value).unwrap().same_site(SameSite::Strict);
        let header = cookie.to_header().unwrap();
        let pair = header.split(';').next().unwrap();
        assert_eq!(find([pair.as_bytes()], "n").as_deref(), Some(value.as_str()));
        assert_eq!(cookie.decoded_value(), value);
    }
}
