//! Basic credentials in the value of `Authorization` (RFC 7617 §2).
//!
//! In: the value's bytes. Out: name and password, as bytes. The access log
//! prints the name that a client claims, `basic_auth` checks both; they differ
//! in how much they put up with, which is [`Reading`]. Checks no password.

/// How much is put up with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// What the npm package `basic-auth` reads: both base64 alphabets, any
    /// padding, unused bits of any value, `.` and `~` between the characters.
    Lenient,
    /// base64 as it is specified (RFC 4648 §4), with its padding or without any.
    Strict,
}

/// A name and a password that a client sent.
pub(crate) struct BasicCredentials {
    decoded: Vec<u8>,
    colon: usize, // colon < decoded.len()
}

impl BasicCredentials {
    /// The credentials in `value`; `None` if it has none with a colon. The
    /// scheme has any case, and one or more spaces after it.
    pub(crate) fn read(value: &[u8], reading: Reading) -> Option<Self> {
        let value = trim_spaces(value);
        let (scheme, rest) = value.split_at_checked(5)?;
        if !scheme.eq_ignore_ascii_case(b"basic") || rest.first() != Some(&b' ') {
            return None;
        }
        let decoded = decode(trim_spaces(rest), reading)?;
        let colon = decoded.iter().position(|&byte| byte == b':')?;
        Some(Self { decoded, colon })
    }

    /// What is before the first colon.
    pub(crate) fn name(&self) -> &[u8] {
        self.decoded.get(..self.colon).unwrap_or_default()
    }

    /// What is after it: a password may hold colons, a name cannot.
    pub(crate) fn password(&self) -> &[u8] {
        self.decoded.get(self.colon + 1..).unwrap_or_default()
    }
}

fn trim_spaces(mut bytes: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' '] = bytes {
        bytes = rest;
    }
    bytes
}

/// Decodes a `token68` (RFC 9110 §11.2) as base64; `None` if it is none.
fn decode(padded: &[u8], reading: Reading) -> Option<Vec<u8>> {
    let mut token = padded;
    while let [rest @ .., b'='] = token {
        token = rest;
    }
    if token.is_empty() {
        return None;
    }
    let strict = reading == Reading::Strict;
    let padding = padded.len() - token.len();
    if strict && (token.len() % 4 == 1 || (padding > 0 && (padding > 2 || !padded.len().is_multiple_of(4)))) {
        return None;
    }
    let mut decoded = Vec::with_capacity(token.len() / 4 * 3 + 2);
    let mut bits: u16 = 0; // the low `held` bits are not handed out yet
    let mut held = 0; // 0 <= held < 8 between two characters
    for &byte in token {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'-' if !strict => 62,
            b'_' if !strict => 63,
            b'.' | b'~' if !strict => continue, // in token68, not in base64: Node skips them
            _ => return None,
        };
        bits = bits << 6 | u16::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            decoded.push((bits >> held).to_be_bytes()[1]);
            bits &= (1 << held) - 1;
        }
    }
    (!strict || bits == 0).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

    use super::{BasicCredentials, Reading};

    fn read(value: &[u8], reading: Reading) -> Option<(Vec<u8>, Vec<u8>)> {
        let found = BasicCredentials::read(value, reading)?;
        Some((found.name().to_vec(), found.password().to_vec()))
    }

    fn check(value: &str, lenient: bool, strict: bool) {
        for (reading, readable) in [(Reading::Lenient, lenient), (Reading::Strict, strict)] {
            assert_eq!(read(value.as_bytes(), reading).is_some(), readable, "{value:?}");
        }
    }

    #[test]
    fn the_first_colon_separates_name_and_password() {
        for (text, name, password) in [
            ("tobi:pw", "tobi", "pw"),
            ("a:b:c", "a", "b:c"),
            (":pw", "", "pw"),
            ("a:", "a", ""),
            (":", "", ""),
        ] {
            for encoded in [STANDARD.encode(text), STANDARD_NO_PAD.encode(text)] {
                for reading in [Reading::Lenient, Reading::Strict] {
                    let found = read(format!("Basic {encoded}").as_bytes(), reading);
                    assert_eq!(found, Some((name.into(), password.into())), "{text:?}");
                }
            }
        }
        check("Basic eA==", false, false);
    }

    #[test]
    fn the_scheme_has_any_case_and_is_followed_by_spaces() {
        check("bAsIc dG9iaTpwdw==", true, true);
        check("  BASIC   dG9iaTpwdw==  ", true, true);
        for value in ["", "Basic", "Basic ", "Basicx dG9iaTpwdw==", "Basic\tdG9iaTpwdw==", "Bearer x"] {
            check(value, false, false);
        }
    }

    #[test]
    fn strict_reading_accepts_base64_and_nothing_like_it() {
        check("Basic Pz8/Pj4+Og==", true, true);
        check("Basic Pz8_Pj4-Og==", true, false); // the other alphabet
        check("Basic dG9iaTpwdw=", true, false); // half of the padding
        check("Basic dG9iaTpwdw====", true, false); // too much of it
        check("Basic dG9i.aTpwdw==", true, false);
        check("Basic dG9iaTpwdx==", true, false); // unused bits that are not zero
        check("Basic dG9iaTpwd", true, false); // six bits are no byte
        for value in
            ["Basic =", "Basic !!!", "Basic dG9i aTpwdw==", "Basic dG9i=aTpwdw==", "Basic dG9iaTpwdw==,"]
        {
            check(value, false, false);
        }
    }

    #[test]
    fn no_value_of_up_to_two_bytes_panics() {
        for first in 0..=255u8 {
            for second in 0..=255u8 {
                for reading in [Reading::Lenient, Reading::Strict] {
                    read(&[first, second], reading);
                    read(&[b"Basic ".as_slice(), &[first, second]].concat(), reading);
                }
            }
        }
    }

    #[test]
    fn strict_reading_agrees_with_another_implementation() {
        for first in 0..=127u8 {
            for second in 0..=127u8 {
                let token = [b"Ojp".as_slice(), &[first, second]].concat();
                let expected = [&STANDARD, &STANDARD_NO_PAD].into_iter().find_map(|e| e.decode(&token).ok());
                let found = read(&[b"Basic ".as_slice(), &token].concat(), Reading::Strict);
                // Spaces at the end belong to the field's value, not to the token.
                if second != b' ' {
                    assert_eq!(
                        found.map(|(_, rest)| rest),
                        expected.map(|all| all[1..].to_vec()),
                        "{token:?}"
                    );
                }
            }
        }
    }
}
