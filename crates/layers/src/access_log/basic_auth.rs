//! The user's name in an `Authorization: Basic` value (RFC 7617 §2).
//!
//! In: the value's bytes. Out: the name, never the password. Reads what the
//! npm package `basic-auth` reads: any case of the scheme, both base64
//! alphabets, missing padding. Checks no password: the name is what the client
//! claims.

/// The name in `value`; `None` if this is no Basic credential with a colon.
pub(super) fn user(value: &[u8]) -> Option<String> {
    let value = trim_spaces(value);
    let (scheme, rest) = value.split_at_checked(5)?;
    if !scheme.eq_ignore_ascii_case(b"basic") || rest.first() != Some(&b' ') {
        return None;
    }
    let decoded = decode(trim_spaces(rest))?;
    let colon = decoded.iter().position(|&byte| byte == b':')?;
    let (name, password) = decoded.split_at(colon);
    // `basic-auth` reads no password with a line break in it.
    if password.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return None;
    }
    Some(String::from_utf8_lossy(name).into_owned())
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
fn decode(mut token: &[u8]) -> Option<Vec<u8>> {
    while let [rest @ .., b'='] = token {
        token = rest;
    }
    if token.is_empty() {
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
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'.' | b'~' => continue, // in token68, not in base64: Node skips them
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
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::user;

    fn check(value: &str, expected: Option<&str>) {
        assert_eq!(user(value.as_bytes()).as_deref(), expected, "{value:?}");
    }

    #[test]
    fn reads_the_name_before_the_first_colon() {
        check("Basic dG9iaTpwdw==", Some("tobi"));
        check("Basic YTpiOmM=", Some("a"));
        check("Basic OnB3", Some(""));
    }

    #[test]
    fn accepts_any_case_spaces_and_missing_padding() {
        check("bAsIc dG9iaTpwdw", Some("tobi"));
        check("  Basic   dG9iaTpwdw==  ", Some("tobi"));
    }

    #[test]
    fn reads_both_base64_alphabets() {
        check("Basic Pz8_Pj4-Og==", Some("???>>>"));
        check("Basic Pz8/Pj4+Og==", Some("???>>>"));
    }

    #[test]
    fn reads_nothing_from_other_values() {
        for value in
            ["", "Basic", "Basic ", "Basic =", "Basicx dG9iaTpwdw==", "Bearer x", "Basic !!!", "Basic eA=="]
        {
            check(value, None);
        }
        check("Basic YTpiCg==", None); // "a:b\n"
    }

    #[test]
    fn replaces_bytes_that_are_no_utf8() {
        check("Basic /zp4", Some("\u{fffd}"));
    }
}
