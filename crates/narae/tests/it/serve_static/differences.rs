//! The one table of differences: where narae answers otherwise than Node, by rule, and who is right.

use super::Case;
use super::facts::{Difference, Of};

pub struct Rule {
    pub reason: &'static str,
    /// How many cases it covers, no more and no fewer.
    pub cases: usize,
    pub covers: fn(&Case, &Difference) -> bool,
}

/// The first rule that covers a difference is the one that counts.
pub const RULES: &[Rule] = &[
    // What is about something else than a folder.
    Rule {
        reason: "a handler that sends one file, or names it for saving, is no folder: there is no `sendFile`",
        cases: 10,
        covers: |case, difference| difference.of == Of::Asking && case.config == "express_sendfile",
    },
    Rule {
        reason: "there is no option that serves a part of every file as if it were the whole",
        cases: 4,
        covers: |case, difference| difference.of == Of::Asking && case.config == "send_start_end",
    },
    // The request line (RFC 9112 §3).
    Rule {
        reason: "the asterisk form is for OPTIONS alone (RFC 9112 §3.2.4): 400",
        cases: 1,
        covers: |case, difference| case.target == "*" && difference.is_status(404, 400),
    },
    Rule {
        reason: "a target has no fragment (RFC 9112 §3.2): 400",
        cases: 1,
        covers: |case, difference| case.target.contains('#') && difference.is_status(200, 400),
    },
    // Methods (RFC 9110 §9, §15.5.6).
    Rule {
        reason: "OPTIONS is answered with the methods there are (RFC 9110 §9.3.7)",
        cases: 1,
        covers: |case, difference| case.method == "OPTIONS" && difference.is_status(405, 204),
    },
    Rule {
        reason: "a method that no file has is 405 with Allow (RFC 9110 §15.5.6), as in Node without `fallthrough`",
        cases: 4,
        covers: |case, difference| {
            !matches!(&*case.method, "GET" | "HEAD" | "OPTIONS") && difference.is_status(404, 405)
        },
    },
    Rule {
        reason: "Range is defined for GET alone, and ignored otherwise (RFC 9110 §14.2)",
        cases: 1,
        covers: |case, difference| {
            case.method == "HEAD" && case.header("Range").is_some() && difference.is_status(206, 200)
        },
    },
    // Paths (RFC 3986 §2, §3.3).
    Rule {
        reason: "an escape without two digits, NUL, and an overlong or wrong encoding are 400, as in Node without \
                 `fallthrough`, which `Files` has not: it answers, and passes nothing on",
        cases: 16,
        covers: |case, difference| is_broken(case) && difference.is_status(404, 400),
    },
    Rule {
        reason: "`Dotfiles::Deny` is 403, as in Node without `fallthrough`",
        cases: 14,
        covers: |case, difference| {
            case.config == "dot_deny" && has_name(case, is_hidden) && difference.is_status(404, 403)
        },
    },
    Rule {
        reason: "an escaped slash is data and not a separator (RFC 3986 §2.2), and no name can hold one: 404",
        cases: 3,
        covers: |case, difference| {
            case.target.to_ascii_lowercase().contains("%2f") && difference.is_found(404)
        },
    },
    Rule {
        reason: "a backslash may not stand in a target (RFC 3986 §2), and separates on other systems: a name with one \
                 is 404, stricter than Node, so that each proxy before it is of one mind with it",
        cases: 1,
        covers: |case, difference| has_name(case, |name| name.contains('\\')) && difference.is_found(404),
    },
    Rule {
        reason: "`Dotfiles::Deny` refuses a path at its first hidden name, before what stands behind can undo it",
        cases: 1,
        covers: |case, difference| {
            case.config == "dot_deny" && has_name(case, is_hidden) && difference.is_found(403)
        },
    },
    Rule {
        reason: "dot segments are for clients to resolve before they send (RFC 3986 §5.2.4). A server may do it too, \
                 as Node does (§6.2.2.3); narae refuses them, so that nothing on the way can read them otherwise",
        cases: 19,
        covers: |case, difference| has_name(case, is_dots) && difference.is_found(404),
    },
    Rule {
        reason: "a path out of the root is 404, not 403: nothing is said about what is there (RFC 9110 §15.5.4)",
        cases: 6,
        covers: |case, difference| has_name(case, is_dots) && difference.is_status(403, 404),
    },
    Rule {
        reason: "axum strips the prefix, so `/static` and `/static/` are the same to a nested service: the index is \
                 sent for both. Node is right: relative references in it need the slash (RFC 3986 §5.2.3)",
        cases: 1,
        covers: |case, difference| case.target == "/static" && difference.is_status(301, 200),
    },
    // Content (RFC 9110 §8).
    Rule {
        reason: "`.rs` is taken for Rust, which is text. Node has what is registered for it, a list of resources in \
                 XML (RFC 4826); RFC 9110 §8.3 leaves the choice to the server",
        cases: 1,
        covers: |case, difference| {
            case.target.ends_with(".rs") && matches!(difference.of, Of::MediaType | Of::Charset)
        },
    },
    Rule {
        reason: "Last-Modified is never later than Date (RFC 9110 §8.8.2.1)",
        cases: 1,
        covers: |case, difference| case.target == "/future.txt" && difference.of == Of::LastModified,
    },
    // Preconditions (RFC 9110 §13).
    Rule {
        reason: "what is no HTTP-date is ignored (RFC 9110 §13.1.3): ISO 8601, a zone other than GMT, a day of the \
                 week that was another",
        cases: 3,
        covers: |case, difference| {
            let is_other = |date: &str| !date.ends_with(" GMT") || date.starts_with("Thu, 01 Jan 2098");
            case.header("If-Modified-Since").is_some_and(is_other) && difference.is_status(304, 200)
        },
    },
    Rule {
        reason: "If-Match compares strongly: a weak tag matches nothing (RFC 9110 §13.1.1)",
        cases: 3,
        covers: |case, difference| {
            case.header("If-Match").is_some_and(|tags| tags.contains("W/")) && difference.is_now(412)
        },
    },
    Rule {
        reason: "`W/` twice is no tag (RFC 9110 §8.8.3)",
        cases: 1,
        covers: |case, difference| {
            case.header("If-None-Match").is_some_and(|tags| tags.contains("W/W/"))
                && difference.is_status(304, 200)
        },
    },
    Rule {
        reason: "`no-cache` asks caches to check, and 304 is the check (RFC 9111 §5.2.1.4)",
        cases: 2,
        covers: |case, difference| {
            case.header("Cache-Control").is_some_and(|value| value.contains("no-cache"))
                && difference.is_status(200, 304)
        },
    },
    Rule {
        reason: "If-Range compares strongly: with a weak tag the range is ignored (RFC 9110 §13.1.5)",
        cases: 2,
        covers: |case, difference| {
            case.header("If-Range").is_some_and(|tag| tag.starts_with("W/")) && difference.is_now(200)
        },
    },
    Rule {
        reason: "a date in If-Range must be the very one of Last-Modified (RFC 9110 §13.1.5)",
        cases: 1,
        covers: |case, difference| {
            case.header("If-Range").is_some_and(|date| date.ends_with(" GMT"))
                && difference.is_status(206, 200)
        },
    },
    // Ranges (RFC 9110 §14).
    Rule {
        reason: "the name of a range unit has no case (RFC 9110 §14.1)",
        cases: 1,
        covers: |case, difference| {
            case.header("Range").is_some_and(|range| range.starts_with("Bytes="))
                && difference.is_status(200, 206)
        },
    },
    Rule {
        reason: "there is no space within a range (RFC 9110 §14.1.1): what breaks the grammar is ignored",
        cases: 1,
        covers: |case, difference| {
            case.header("Range").is_some_and(|range| range.contains(" - ")) && difference.is_status(206, 200)
        },
    },
    Rule {
        reason: "several ranges are sent as parts (RFC 9110 §14.6), and a list may have an empty element (§5.6.1.2); \
                 Node sends the whole",
        cases: 3,
        covers: |case, difference| {
            case.header("Range").is_some_and(|range| range.contains(',')) && difference.is_status(200, 206)
        },
    },
    Rule {
        reason: "a suffix longer than the file is the whole file (RFC 9110 §14.1.2), of nothing too",
        cases: 1,
        covers: |case, difference| case.target == "/empty.txt" && difference.is_status(416, 200),
    },
    // Answers about the request (RFC 9110 §15).
    Rule {
        reason: "an error has no field of the file, as in Node's `send` alone: caches would keep the error for as \
                 long as the file (RFC 9111 §3)",
        cases: 8,
        covers: |case, difference| {
            matches!(case.response.status, 412 | 416) && difference.is_missing_field_of_a_file()
        },
    },
    Rule {
        reason: "304 has what updates a cache, and Accept-Ranges does not (RFC 9110 §15.4.5)",
        cases: 21,
        covers: |case, difference| case.response.status == 304 && difference.of == Of::AcceptRanges,
    },
];

impl Difference {
    fn is_status(&self, nodes: u16, ours: u16) -> bool {
        self.is_now(ours) && self.nodes == nodes.to_string()
    }

    fn is_now(&self, ours: u16) -> bool {
        self.of == Of::Status && self.ours == ours.to_string()
    }

    /// Node finds a file or a folder, narae answers `ours`.
    fn is_found(&self, ours: u16) -> bool {
        self.is_status(200, ours) || self.is_status(301, ours)
    }

    fn is_missing_field_of_a_file(&self) -> bool {
        matches!(self.of, Of::CacheControl | Of::LastModified | Of::AcceptRanges | Of::ETag)
            && self.ours == "absent"
    }
}

/// The names of the path as bytes, or `None` for one with a broken escape.
fn names(case: &Case) -> Vec<Option<Vec<u8>>> {
    let path = case.target.split('?').next().unwrap();
    path.split('/').map(decoded).collect()
}

fn decoded(name: &str) -> Option<Vec<u8>> {
    let (mut rest, mut bytes) = (name.as_bytes(), Vec::new());
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first == b'%' {
            let digits = rest.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap());
            rest = &rest[2..];
        } else {
            bytes.push(first);
        }
    }
    Some(bytes)
}

fn has_name(case: &Case, is_one: fn(&str) -> bool) -> bool {
    names(case).into_iter().flatten().any(|name| std::str::from_utf8(&name).is_ok_and(is_one))
}

fn is_dots(name: &str) -> bool {
    matches!(name, "." | "..")
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.') && !is_dots(name)
}

/// Whether a name has a broken escape, NUL, or bytes that are not UTF-8.
fn is_broken(case: &Case) -> bool {
    let is_text = |name: Option<Vec<u8>>| {
        name.is_some_and(|name| !name.contains(&0) && std::str::from_utf8(&name).is_ok())
    };
    !names(case).into_iter().all(is_text)
}
