//! Targets that try to leave the folder, to read what is hidden, or to make the server wait (RFC 3986 §2, §3.3).
//!
//! In: `targets.txt`, a thousand raw targets with the answers that are due, against each way to set up `Files`. Out:
//! nothing, if each answer is the one that is due, comes at once, and holds no secret. `swaps` changes the folder while
//! it is asked for, `crawl` follows every link of every listing.

mod corpus;
mod crawl;
mod http2;
mod sites;
mod stand_ins;
mod swaps;
mod tree;

use std::collections::BTreeSet;
use std::io;

use crate::wire::Wire;
use corpus::Case;
use sites::{SETUPS, Setup, Target};
use tree::{HIDDEN, SECRETS, Tree};

/// What came of a request.
enum Answer {
    Response {
        status: u16,
        /// Head and body, as far as they can be read: over HTTP/2 the body.
        text: String,
        redirect: Redirect,
    },
    /// HTTP/2 only: the stream or the connection was ended with an error.
    Refused,
}

/// Where an answer sends the client.
enum Redirect {
    Nowhere,
    To(String),
    /// HTTP/2, whose fields are compressed.
    Unread,
}

/// Asks every server for every target with what `connect` makes of it; a connection that ended is made anew.
fn attack<C>(
    connect: impl Fn(&Target) -> C,
    ask: impl Fn(C, &[u8]) -> io::Result<(Answer, Option<C>)>,
    due: impl Fn(&Case, usize) -> Due,
) {
    let (tree, cases) = (Tree::new(), corpus::cases());
    let mut faults = Vec::new();
    for (place, setup) in SETUPS.into_iter().enumerate() {
        let target = Target::new(&tree, setup);
        let mut client = None;
        for case in &cases {
            let asked = ask(client.take().unwrap_or_else(|| connect(&target)), &case.target);
            let (answer, kept) =
                asked.unwrap_or_else(|error| panic!("{} with {setup:?}: no answer: {error}", case.line));
            client = kept;
            let fault = fault(setup, due(case, place), &answer);
            faults.extend(fault.map(|fault| format!("{} with {setup:?}: {fault}", case.line)));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// The answers that are right.
#[derive(Debug, Clone, Copy)]
struct Due {
    status: u16,
    may_be_refused: bool,
}

fn fault(setup: Setup, due: Due, answer: &Answer) -> Option<String> {
    let Answer::Response { status, text, redirect } = answer else {
        return (!due.may_be_refused).then(|| format!("refused, not {}", due.status));
    };
    if let Some((place, _)) = SECRETS.iter().find(|(_, secret)| text.contains(secret)) {
        return Some(format!("{status} with the secret {place}"));
    }
    if text.contains(HIDDEN) && !(setup == Setup::Dotfiles && due.status == 200) {
        return Some(format!("{status} with a hidden file"));
    }
    if *status != due.status {
        return Some(format!("{status}, not {}", due.status));
    }
    match redirect {
        Redirect::To(location) if *status != 301 || !location.starts_with("./") => {
            Some(format!("{status} to {location}"))
        }
        Redirect::Nowhere if *status == 301 => Some("301 to nowhere".to_owned()),
        Redirect::Nowhere if text.contains("evil") => Some("the answer holds what was sent".to_owned()),
        _ => None,
    }
}

fn ask_over_http1(mut wire: Wire, target: &[u8]) -> io::Result<(Answer, Option<Wire>)> {
    wire.send(&[b"GET ", target, b" HTTP/1.1\r\nHost: narae.test\r\n\r\n"].concat())?;
    let reply = wire.reply(false)?;
    let redirect = reply.field("location").map_or(Redirect::Nowhere, |to| Redirect::To(to.to_owned()));
    let text = String::from_utf8_lossy(&[&*reply.head, &reply.body].concat()).into_owned();
    let answer = Answer::Response { status: reply.status, text, redirect };
    Ok((answer, (!reply.closes()).then_some(wire)))
}

/// A target is ASCII and has no fragment (RFC 9112 §3.2). The statuses in `targets.txt` are those of what is left
/// without the fragment, and of the file with such a name.
fn due_over_http1(case: &Case, setup: usize) -> Due {
    let is_target = case.target.is_ascii() && !case.target.contains(&b'#');
    Due { status: if is_target { case.statuses[setup] } else { 400 }, may_be_refused: false }
}

fn ask_over_http2(mut client: http2::Client, path: &[u8]) -> io::Result<(Answer, Option<http2::Client>)> {
    Ok(match client.get(path)? {
        http2::Answer::Response { status, body } => {
            let text = String::from_utf8_lossy(&body).into_owned();
            (Answer::Response { status, text, redirect: Redirect::Unread }, Some(client))
        }
        http2::Answer::Reset => (Answer::Refused, Some(client)),
        http2::Answer::Ended => (Answer::Refused, None),
    })
}

/// A target that HTTP/1.1 answers with `400` may be refused without an answer. `:path` is ASCII and begins with a slash
/// (RFC 9113 §8.3.1) and has no fragment: what is not or does not is refused.
fn due_over_http2(case: &Case, setup: usize) -> Due {
    let is_path =
        case.target.first() == Some(&b'/') && case.target.is_ascii() && !case.target.contains(&b'#');
    let status = if is_path { case.statuses[setup] } else { 400 };
    Due { status, may_be_refused: status == 400 }
}

#[test]
fn no_target_leaves_the_folder_over_http1() {
    attack(|target| Wire::plain(target.http()), ask_over_http1, due_over_http1);
}

#[test]
fn no_target_leaves_the_folder_over_tls() {
    attack(|target| Wire::tls(target.https(), b"http/1.1"), ask_over_http1, due_over_http1);
}

#[test]
fn no_target_leaves_the_folder_over_http2() {
    attack(|target| http2::Client::tls(target.https()), ask_over_http2, due_over_http2);
}

#[test]
fn the_targets_are_many_and_each_is_there_once() {
    let cases = corpus::cases();
    let different: BTreeSet<&[u8]> = cases.iter().map(|case| &*case.target).collect();
    let twice: Vec<&str> = cases
        .iter()
        .enumerate()
        .filter(|(at, case)| cases[..*at].iter().any(|before| before.target == case.target))
        .map(|(_, case)| case.line)
        .collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert!(different.len() > 900, "{}", different.len());
    let mostly_refused = cases.iter().filter(|case| matches!(case.statuses[0], 400 | 404 | 414)).count();
    assert!(mostly_refused * 10 > cases.len() * 9, "{mostly_refused} of {}", cases.len());
}
