//! The one table of differences: where narae answers otherwise than Node, and who is right by which section.

use super::Case;

pub struct Rule {
    pub reason: &'static str,
    /// How many cases it covers, no more and no fewer.
    pub cases: usize,
    pub covers: fn(&Case) -> bool,
    /// Node refuses what narae serves, and the reason says why.
    pub may_be_laxer: bool,
    /// Over TLS the answer is Node's.
    pub is_plain_only: bool,
}

/// What a rule is unless it says otherwise.
const RULE: Rule =
    Rule { reason: "", cases: 0, covers: |_| false, may_be_laxer: false, is_plain_only: false };

/// The first rule that covers a case is the one that counts.
pub const RULES: &[Rule] = &[
    Rule {
        reason: "a handler here cannot send a wrong length or both framings, interim answers of its own, or \
                 destroy the socket: the paths are not served (RFC 9110 §8.6, RFC 9112 §6.2)",
        cases: 10,
        covers: |case| {
            case.group != "head"
                && asks_any(
                    case,
                    &[
                        "/cl-short",
                        "/cl-long",
                        "/te-and-cl",
                        "/early",
                        "/processing",
                        "/destroy",
                        "/throw-list",
                    ],
                )
        },
        ..RULE
    },
    Rule {
        reason: "a trailer in an answer to HTTP/1.0 is left out (RFC 9110 §6.5.1); Node's handler throws",
        cases: 1,
        covers: |case| case.name == "HTTP/1.0 /trailers",
        may_be_laxer: true,
        ..RULE
    },
    Rule {
        reason: "HTTP/1.0 with keep-alive stays where the answer's length is known (RFC 9112 §9.3); Node does \
                 not send the length",
        cases: 4,
        covers: |case| matches!(case.id, 37 | 41 | 57 | 61),
        ..RULE
    },
    Rule {
        reason: "one Host, valid and not empty (RFC 9112 §3.2, RFC 9110 §4.2.1): 400",
        cases: 3,
        covers: |case| matches!(&*case.name, "empty Host" | "two Hosts" | "requireHostHeader false"),
        ..RULE
    },
    Rule {
        reason: "a method that nobody knows is 501 (RFC 9110 §9.1)",
        cases: 1,
        covers: |case| case.name == "unknown method",
        ..RULE
    },
    Rule {
        reason: "CONNECT is 501, never a tunnel (RFC 9110 §9.3.6)",
        cases: 2,
        covers: |case| case.name.starts_with("CONNECT"),
        ..RULE
    },
    Rule {
        reason: "without TLS the preface of HTTP/2 begins HTTP/2, which then finds a wrong frame (RFC 9113 §3.4)",
        cases: 1,
        covers: |case| case.name == "PRI h2 preface",
        is_plain_only: true,
        ..RULE
    },
    Rule {
        reason: "a request line without a version, or of another protocol, is 400 (RFC 9112 §2.3, §3)",
        cases: 2,
        covers: |case| matches!(&*case.name, "HTTP/0.9 style" | "RTSP"),
        ..RULE
    },
    Rule {
        reason: "there is one space between the parts of a request line (RFC 9112 §3)",
        cases: 1,
        covers: |case| case.name == "two spaces before version",
        ..RULE
    },
    Rule {
        reason: "a target has no fragment (RFC 9112 §3.2, §3.2.2)",
        cases: 2,
        covers: |case| matches!(&*case.name, "absolute target" | "fragment in target"),
        ..RULE
    },
    Rule {
        reason: "quotes, brackets and spaces stand encoded in a target (RFC 3986 §2)",
        cases: 1,
        covers: |case| case.name == "quote/brace in target",
        ..RULE
    },
    Rule {
        reason: "a coding that nothing undoes is 501 (RFC 9112 §6.1)",
        cases: 1,
        covers: |case| case.name == "TE gzip, chunked",
        ..RULE
    },
    Rule {
        reason: "HTTP/1.0 has no transfer codings: the framing is faulty (RFC 9112 §6.1)",
        cases: 1,
        covers: |case| case.name == "TE on HTTP/1.0",
        ..RULE
    },
    Rule {
        reason: "trailers beyond the limit break the body, which is 400 here; RFC 6585 §5 leaves the status \
                 open",
        cases: 1,
        covers: |case| case.name == "trailer section 20 KiB",
        ..RULE
    },
    Rule {
        reason: "a head has 16384 bytes with its request line and its end (RFC 6585 §5); Node counts less of \
                 it",
        cases: 1,
        covers: |case| case.name == "one header, value of 16350",
        ..RULE
    },
    Rule {
        reason: "a target has 8192 bytes, and a longer one is 414 (RFC 9110 §15.5.15)",
        cases: 2,
        covers: |case| case.name.starts_with("target of "),
        ..RULE
    },
    Rule {
        reason: "this server has its default limit, not the one of the case (RFC 6585 §5)",
        cases: 1,
        covers: |case| case.server_options.contains_key("maxHeaderSize"),
        may_be_laxer: true,
        ..RULE
    },
    Rule {
        reason: "more than 100 fields are 431 (RFC 6585 §5); Node cuts the rest off",
        cases: 6,
        covers: |case| case.count_of_fields().is_some(),
        ..RULE
    },
    Rule {
        reason: "a failed expectation ends the connection: a body may follow or not (RFC 9110 §10.1.1)",
        cases: 1,
        covers: |case| case.name == "other expectation",
        ..RULE
    },
    Rule {
        reason: "no handler here takes the socket over: it is an ordinary request (RFC 9110 §7.8)",
        cases: 2,
        covers: |case| matches!(case.id, 222 | 223),
        ..RULE
    },
    Rule {
        reason: "nobody answers a malformed head in the server's place: 400 (RFC 9112 §3)",
        cases: 1,
        covers: |case| case.group == "clientError",
        ..RULE
    },
    Rule {
        reason: "there is no lenient parser: folds and control characters are 400 (RFC 9112 §5.2, RFC 9110 \
                 §5.5)",
        cases: 1,
        covers: |case| case.server_options.contains_key("insecureHTTPParser"),
        ..RULE
    },
];

/// Whether the first request is for one of `paths`.
fn asks_any(case: &Case, paths: &[&str]) -> bool {
    let bytes = case.bytes();
    let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let target = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    paths.iter().any(|path| path.as_bytes() == target)
}
