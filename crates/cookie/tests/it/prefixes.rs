//! Cookies that browsers throw away are errors (RFC 6265bis §5); Node's text can still be had.

use std::time::{Duration, UNIX_EPOCH};

use narae_cookie::{Dropped, Error, SameSite, SetCookie};

fn cookie(name: &str) -> SetCookie {
    SetCookie::new(name, "v").unwrap()
}

fn check(cookie: &SetCookie, expected: Result<&str, Dropped>) {
    if let Ok(text) = &expected {
        assert_eq!(cookie.dangerous().to_header(), *text);
    }
    assert_eq!(cookie.to_header(), expected.map(str::to_owned).map_err(Error::Dropped));
    assert_eq!(cookie.dangerous().to_header(), cookie.to_string());
}

#[test]
fn a_host_cookie_is_secure_for_one_host_and_all_of_it() {
    let fault = |name: &str| Err(Dropped::HostPrefix(name.to_owned()));
    let whole = |name| cookie(name).path("/").unwrap().secure(true);
    check(&whole("__Host-a"), Ok("__Host-a=v; Path=/; Secure"));
    check(&cookie("__Host-a"), fault("__Host-a"));
    check(&whole("__Host-a").secure(false), fault("__Host-a"));
    check(&whole("__Host-a").path("/a").unwrap(), fault("__Host-a"));
    check(&whole("__Host-a").path("").unwrap(), fault("__Host-a"));
    check(&whole("__Host-a").domain("example.com").unwrap(), fault("__Host-a"));
    check(&cookie("__hOST-a"), fault("__hOST-a"));
    check(&cookie("__Host"), Ok("__Host=v"));
}

#[test]
fn a_secure_cookie_is_secure() {
    check(&cookie("__Secure-a"), Err(Dropped::SecurePrefix("__Secure-a".to_owned())));
    check(&cookie("__SECURE-a"), Err(Dropped::SecurePrefix("__SECURE-a".to_owned())));
    check(&cookie("__Secure-a").secure(true), Ok("__Secure-a=v; Secure"));
}

#[test]
fn a_cookie_for_all_sites_is_secure() {
    let all = cookie("a").same_site(SameSite::None);
    check(&all, Err(Dropped::SameSiteNone("a".to_owned())));
    check(&all.secure(true), Ok("a=v; Secure; SameSite=None"));
}

#[test]
fn a_partitioned_cookie_is_secure() {
    check(&cookie("a").partitioned(true), Err(Dropped::Partitioned("a".to_owned())));
    check(&cookie("a").partitioned(true).secure(true), Ok("a=v; Secure; Partitioned"));
}

#[test]
fn name_and_value_have_4096_bytes_at_most() {
    let long = |length| SetCookie::new("ab", &"v".repeat(length)).unwrap();
    assert!(long(4094).to_header().is_ok());
    check(&long(4095), Err(Dropped::TooLong("ab".to_owned(), 4097)));
}

#[test]
fn expires_has_four_digits_of_a_year() {
    let before_1601 = UNIX_EPOCH - Duration::from_secs(11_644_473_601);
    let after_9999 = UNIX_EPOCH + Duration::from_secs(253_402_300_800);
    for time in [before_1601, after_9999] {
        check(&cookie("a").expires(time), Err(Dropped::Expires("a".to_owned())));
    }
    let last = after_9999 - Duration::from_nanos(1);
    check(&cookie("a").expires(last), Ok("a=v; Expires=Fri, 31 Dec 9999 23:59:59 GMT"));
    let first = before_1601 + Duration::from_secs(1);
    check(&cookie("a").expires(first), Ok("a=v; Expires=Mon, 01 Jan 1601 00:00:00 GMT"));
}

#[test]
fn a_removal_keeps_the_promise_of_its_prefix() {
    let removal = |name| SetCookie::removal(name).unwrap().to_header().unwrap();
    assert_eq!(removal("sid"), "sid=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(removal("__Host-sid"), "__Host-sid=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure");
    assert!(SetCookie::removal("no name").is_err());
}

#[test]
fn an_error_says_the_cookie_and_the_rule() {
    let error = cookie("a").same_site(SameSite::None).to_header().unwrap_err();
    assert_eq!(error.to_string(), r#"browsers drop cookie "a": SameSite=None needs Secure (RFC 6265bis §5)"#);
}
