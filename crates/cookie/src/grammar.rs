//! The grammar of what is written: names, raw values, domains, paths (RFC 6265 §4.1.1), as Node's `cookie`
//! 0.7.2 checks it.
//!
//! In: text. Out: whether a `Set-Cookie` line can carry it. Nothing that passes here can end a line or an
//! attribute.

/// A token (RFC 9110 §5.6.2).
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || TOKEN_MARKS.contains(&byte))
}

/// The first character that a value cannot have, and where it is. One pair of quotes around it is allowed.
pub(crate) fn fault_in_value(text: &str) -> Option<(usize, char)> {
    let quoted = text.len() >= 2 && text.starts_with('"') && text.ends_with('"');
    let (start, inner) = if quoted { (1, &text[1..text.len() - 1]) } else { (0, text) };
    let fault = |c: &(usize, char)| !matches!(c.1, '!' | '#'..='+' | '-'..=':' | '<'..='[' | ']'..='~');
    inner.char_indices().find(fault).map(|(at, character)| (start + at, character))
}

/// Labels between dots, after one dot that may lead.
pub(crate) fn is_domain(text: &str) -> bool {
    text.strip_prefix('.').unwrap_or(text).split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Printable ASCII but `;` and, as in Node, `<`.
pub(crate) fn is_path(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b':' | b'='..=b'~'))
}

const TOKEN_MARKS: &[u8] = b"!#$%&'*+-.^_`|~";
