//! [`Source`]: a Rust file taken apart into code, comments and test code.
//!
//! In: the text. Out: for every line, its code without comments and without
//! what stands inside literals, its comments, and whether it belongs to a
//! `#[cfg(test)]` module. A rule can so look for a word where it means
//! something. Knows just enough of the grammar (Rust reference, "Lexical
//! structure") not to lose its way.

/// The lines of a file.
pub(super) struct Source {
    lines: Vec<Line>,
}

#[derive(Default)]
pub(super) struct Line {
    pub(super) code: String,
    pub(super) comment: String,
    pub(super) in_tests: bool,
}

/// Where the reader stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Code,
    LineComment,
    /// With this many comments open.
    BlockComment(usize),
    Literal {
        quote: char,
        /// Of a raw string; `None` if a backslash escapes.
        hashes: Option<usize>,
    },
}

impl Source {
    pub(super) fn parse(text: &str) -> Self {
        let mut source = Self { lines: split(text) };
        source.mark_tests();
        source
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter()
    }

    /// The code of every line.
    pub(super) fn code(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|line| line.code.as_str())
    }

    /// Marks `#[cfg(test)] mod … { }` at the outermost level, as rustfmt writes it.
    fn mark_tests(&mut self) {
        let mut start = None; // of attributes, the first of which is cfg(test)
        let mut inside = false;
        for at in 0..self.lines.len() {
            let code = self.lines[at].code.trim_end().to_owned();
            if inside {
                self.lines[at].in_tests = true;
                inside = code != "}";
            } else if code == "#[cfg(test)]" {
                start = Some(at);
            } else if let Some(first) = start
                && !code.starts_with("#[")
                && !code.is_empty()
            {
                if code.contains("mod ") && code.ends_with('{') {
                    self.lines[first..=at].iter_mut().for_each(|line| line.in_tests = true);
                    inside = true;
                }
                start = None;
            }
        }
    }
}

fn split(text: &str) -> Vec<Line> {
    let mut lines = vec![Line::default()];
    let mut inside = Inside::Code;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '\n' {
            if inside == Inside::LineComment {
                inside = Inside::Code;
            }
            lines.push(Line::default());
            rest = &rest[1..];
            continue;
        }
        let (length, next) = step(rest, inside, lines.last().map_or("", |line| &line.code));
        let (taken, after) = rest.split_at(length);
        if let Some(line) = lines.last_mut() {
            match (inside, next) {
                (Inside::Code, Inside::Code | Inside::Literal { .. }) => line.code.push_str(taken),
                (Inside::Literal { .. }, Inside::Code) => line.code.push_str(taken),
                (Inside::Literal { .. }, _) => {}
                _ => line.comment.push_str(taken),
            }
        }
        inside = next;
        rest = after;
    }
    lines
}

/// How many bytes to take from `rest`, and where the reader stands then.
/// `before`: the code of this line so far.
fn step(rest: &str, inside: Inside, before: &str) -> (usize, Inside) {
    let one = rest.chars().next().map_or(0, char::len_utf8);
    match inside {
        Inside::Code if rest.starts_with("//") => (2, Inside::LineComment),
        Inside::Code if rest.starts_with("/*") => (2, Inside::BlockComment(1)),
        Inside::Code if rest.starts_with('"') => (1, Inside::Literal { quote: '"', hashes: None }),
        Inside::Code if rest.starts_with('\'') && is_char(rest) => {
            (1, Inside::Literal { quote: '\'', hashes: None })
        }
        Inside::Code => match raw_string(rest, before) {
            Some((length, hashes)) => (length, Inside::Literal { quote: '"', hashes: Some(hashes) }),
            None => (one, Inside::Code),
        },
        Inside::LineComment => (one, inside),
        Inside::BlockComment(open) if rest.starts_with("/*") => (2, Inside::BlockComment(open + 1)),
        Inside::BlockComment(1) if rest.starts_with("*/") => (2, Inside::Code),
        Inside::BlockComment(open) if rest.starts_with("*/") => (2, Inside::BlockComment(open - 1)),
        Inside::BlockComment(_) => (one, inside),
        Inside::Literal { hashes: None, .. } if rest.starts_with('\\') => {
            // A line break after the backslash is left to the caller.
            let escaped = rest.chars().nth(1).filter(|&c| c != '\n');
            (1 + escaped.map_or(0, char::len_utf8), inside)
        }
        Inside::Literal { quote, hashes } if rest.starts_with(quote) => {
            let hashes = hashes.unwrap_or(0);
            let closed = rest[1..].bytes().take(hashes).filter(|&byte| byte == b'#').count() == hashes;
            if closed { (1 + hashes, Inside::Code) } else { (1, inside) }
        }
        Inside::Literal { .. } => (one, inside),
    }
}

/// Whether the quote at the start of `rest` opens a character, not a lifetime.
fn is_char(rest: &str) -> bool {
    let mut chars = rest.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) => true,
        (Some(c), Some('\'')) => c != '\'',
        _ => false,
    }
}

/// The length of a raw string's opening (`r#"`) at the start of `rest`, and its hashes.
fn raw_string(rest: &str, before: &str) -> Option<(usize, usize)> {
    let hashes = rest.strip_prefix('r')?.bytes().take_while(|&byte| byte == b'#').count();
    let opens = rest.as_bytes().get(1 + hashes) == Some(&b'"');
    // `br"` and `cr"` are raw strings; in any other word the `r` is its last letter.
    let word: String =
        before.chars().rev().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '#')).collect();
    (opens && matches!(word.as_str(), "" | "b" | "c")).then_some((2 + hashes, hashes))
}

#[cfg(test)]
mod tests {
    use super::Source;

    fn check(text: &str, code: &[&str], comments: &[&str]) {
        let source = Source::parse(text);
        let found: Vec<&str> = source.lines().map(|line| line.code.as_str()).collect();
        assert_eq!(found, code, "code of {text:?}");
        let found: Vec<&str> = source.lines().map(|line| line.comment.as_str()).collect();
        assert_eq!(found, comments, "comments of {text:?}");
    }

    #[test]
    fn comments_are_no_code() {
        check("a // b\nc /* d /* e */\nf */ g", &["a ", "c ", " g"], &["// b", "/* d /* e */", "f */"]);
    }

    #[test]
    fn the_inside_of_a_literal_is_neither_code_nor_comment() {
        check(r#"a("// \" b", 'c', '\'', b"d") // e"#, &["a(\"\", '', '', b\"\") "], &["// e"]);
        check("r#\"x \" // y\"# z", &["r#\"\"# z"], &[""]);
        check("br\"\\\" z", &["br\"\" z"], &[""]);
        check("\"a\\\n  b\" c", &["\"", "\" c"], &["", ""]);
    }

    #[test]
    fn lifetimes_and_raw_names_open_nothing() {
        check("fn a<'b>(c: &'b str) // d", &["fn a<'b>(c: &'b str) "], &["// d"]);
        check("for\"a\" r#mod '_ x", &["for\"\" r#mod '_ x"], &[""]);
    }

    #[test]
    fn test_modules_are_marked_from_their_attribute_to_their_brace() {
        let text = "a\n#[cfg(test)]\n#[path = \"x\"]\nmod tests {\n    fn b() {\n    }\n}\nc\n#[cfg(test)]\nmod d;\ne";
        let marked: Vec<bool> = Source::parse(text).lines().map(|line| line.in_tests).collect();
        let [f, t] = [false, true];
        assert_eq!(marked, [f, t, t, t, t, t, t, f, f, f, f]);
    }
}
