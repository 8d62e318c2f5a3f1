//! Sizes as text: `512`, `16KiB`, `2MiB`, `1GiB`; also `kB`, `MB`, `GB` for the decimal ones.
//!
//! In: text of an operator. Out: a [`Size`], or what is wrong with the text.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A number of bytes. As text: `512`, `16KiB`, `2MiB`, `1GiB`, and `kB`, `MB`, `GB` for the decimal ones; in a settings
/// file also as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrNumber;
        impl Visitor<'_> for TextOrNumber {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes, or a size in quotes, as \"16KiB\" or \"2MiB\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Size, E> {
                parse(text).map(Size).map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, bytes: i64) -> Result<Size, E> {
                u64::try_from(bytes)
                    .map(Size)
                    .map_err(|_| E::custom(format!("{bytes} bytes: the least is 0")))
            }
        }
        deserializer.deserialize_any(TextOrNumber)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text).map(Self)
    }
}

/// Reads a number of bytes, with a unit or without.
fn parse(text: &str) -> Result<u64, String> {
    let fail =
        || format!("{text:?} is no size: write bytes, or a number and a unit, as in 16KiB, 2MiB or 1GiB");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| fail())?;
    let factor = match unit {
        "" | "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(fail()),
    };
    number.checked_mul(factor).ok_or_else(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_bytes_with_and_without_a_unit() {
        for (text, bytes) in
            [("0", 0), ("512", 512), ("16KiB", 16_384), ("2MiB", 2_097_152), ("2MB", 2_000_000)]
        {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn says_how_to_write_what_it_cannot_read() {
        for text in ["", "MiB", "2 MiB", "2mib", "1.5MiB", "-1", "99999999999GiB"] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("2MiB"), "{text}: {error}");
        }
    }
}
