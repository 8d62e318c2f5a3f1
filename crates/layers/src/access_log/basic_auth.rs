//! The user's name in an `Authorization: Basic` value (RFC 7617 §2).
//!
//! In: the value's bytes. Out: the name, never the password. Reads what the
//! npm package `basic-auth` reads. Checks no password: the name is what the
//! client claims.

use crate::authorization::{BasicCredentials, Reading};

/// The name in `value`; `None` if this is no Basic credential with a colon.
pub(super) fn user(value: &[u8]) -> Option<String> {
    let credentials = BasicCredentials::read(value, Reading::Lenient)?;
    // `basic-auth` reads no password with a line break in it.
    if credentials.password().iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return None;
    }
    Some(String::from_utf8_lossy(credentials.name()).into_owned())
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
