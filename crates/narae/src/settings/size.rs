//! Sizes as text: `512`, `16KiB`, `2MiB`, `1GiB`; also `kB`, `MB`, `GB` for the decimal ones.
//!
//! In: text of an operator. Out: bytes, or what is wrong with the text.

/// Reads a number of bytes, with a unit or without.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
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
