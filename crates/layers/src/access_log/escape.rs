//! Escapes values so that no value can split or forge a log line.
//!
//! In: bytes a client or a handler chose. Out: printable text without bare
//! quotes. The rules are those of morgan 1.12 and are valid inside a JSON
//! string too, so text and JSON lines share them: `\` and `"` with a
//! backslash; `\b \f \n \r \t`; other controls (C0, DEL, C1), U+2028 and
//! U+2029 as `\u` and four lower-case digits.

/// Appends `value`, escaped. Bytes that are not UTF-8 are read as Latin-1, the
/// way Node reads a header, so that nothing of them is lost.
pub(super) fn push_escaped(line: &mut Vec<u8>, value: &[u8]) {
    // Nearly every value takes this way: checked without a branch a byte, copied whole.
    if value.iter().fold(true, |all, &byte| all & is_plain(byte)) {
        line.extend_from_slice(value);
        return;
    }
    match std::str::from_utf8(value) {
        Ok(text) => text.chars().for_each(|c| push_char(line, c)),
        Err(_) => value.iter().for_each(|&byte| push_char(line, char::from(byte))),
    }
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\')
}

fn push_char(line: &mut Vec<u8>, c: char) {
    match c {
        '\\' => line.extend_from_slice(b"\\\\"),
        '"' => line.extend_from_slice(b"\\\""),
        '\u{8}' => line.extend_from_slice(b"\\b"),
        '\u{c}' => line.extend_from_slice(b"\\f"),
        '\n' => line.extend_from_slice(b"\\n"),
        '\r' => line.extend_from_slice(b"\\r"),
        '\t' => line.extend_from_slice(b"\\t"),
        c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            line.extend_from_slice(b"\\u");
            // All of them are below U+10000: four digits suffice.
            for shift in [12, 8, 4, 0] {
                line.push(HEX[(u32::from(c) >> shift & 0xf) as usize]);
            }
        }
        c => line.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::push_escaped;

    fn check(value: &[u8], expected: &str) {
        let mut line = Vec::new();
        push_escaped(&mut line, value);
        assert_eq!(String::from_utf8(line).unwrap(), expected);
    }

    #[test]
    fn leaves_printable_text_alone() {
        check(b"Mozilla/5.0 (X11; 'q') ~", "Mozilla/5.0 (X11; 'q') ~");
        check("안녕 é".as_bytes(), "안녕 é");
    }

    #[test]
    fn escapes_quotes_backslashes_and_line_breaks() {
        check(b"a\"b\\c\r\nd\te\x08\x0c", "a\\\"b\\\\c\\r\\nd\\te\\b\\f");
    }

    #[test]
    fn escapes_every_other_control_and_the_line_separators() {
        check(
            "\u{0}\u{1b}[31m\u{7f}\u{85}\u{2028}\u{2029}".as_bytes(),
            "\\u0000\\u001b[31m\\u007f\\u0085\\u2028\\u2029",
        );
    }

    #[test]
    fn reads_bytes_that_are_not_utf8_as_latin_1() {
        check(b"caf\xe9\x85\"", "café\\u0085\\\"");
    }

    #[test]
    fn every_byte_string_gives_one_line_that_is_also_the_inside_of_a_json_string() {
        for first in 0..=255u8 {
            for second in [b'\\', b'"', b'\n', b'u', 0x80, 0xc2, 0xff] {
                let mut line = vec![b'"'];
                push_escaped(&mut line, &[first, second]);
                line.push(b'"');
                let text: String = serde_json::from_slice(&line).unwrap();
                assert_eq!(text.chars().next(), Some(expected_first(first, second)));
            }
        }
    }

    fn expected_first(first: u8, second: u8) -> char {
        match std::str::from_utf8(&[first, second]) {
            Ok(text) => text.chars().next().unwrap(),
            Err(_) => char::from(first),
        }
    }
}
