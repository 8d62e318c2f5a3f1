//! The rules about files: names, headers, lengths, words.
//!
//! In: every path of the tree and every Rust source under `crates`, `examples`,
//! `xtask` and `bench`. Out: findings.

use super::Finding;
use super::source::{Line, Source};
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for path in tree.paths() {
        if let Some(found) = vague_name(path)
            && findings.iter().all(|known| known.path != found.path)
        {
            findings.push(found);
        }
        let ours = SOURCES.iter().any(|folder| path.starts_with(folder));
        if let Some(text) = tree.text(path).filter(|_| ours && path.ends_with(".rs")) {
            let file = File { path, is_test: path.split('/').any(|folder| folder == "tests") };
            findings.extend(file.check(text));
        }
    }
    findings
}

/// A part of `path` that does not say what is in it; the finding is about the path up to there.
fn vague_name(path: &str) -> Option<Finding> {
    let mut end = 0;
    for part in path.split('/') {
        end += part.len();
        let stem = part.split('.').next().unwrap_or(part);
        if VAGUE.contains(&stem) {
            let advice = format!("name it after what it owns, not {stem:?}");
            return Some(Finding { path: path[..end].to_owned(), line: 1, rule: "names", advice });
        }
        end += 1; // the slash
    }
    None
}

/// A Rust source.
struct File<'a> {
    path: &'a str,
    is_test: bool,
}

impl File<'_> {
    fn check(&self, text: &str) -> Vec<Finding> {
        let source = Source::parse(text);
        let mut findings = Vec::new();
        if !text.starts_with("//!") {
            let advice = "begin with \"//!\": what it owns, what enters and leaves, what it must not know";
            findings.push(self.finding(1, "header", advice.to_owned()));
        }
        let in_tests = source.lines().filter(|line| line.in_tests).count();
        let length = text.lines().count() - in_tests;
        if !self.is_test && length > LONGEST {
            let advice = format!("{length} lines of code, more than {LONGEST}: split it by what it owns");
            findings.push(self.finding(LONGEST + 1, "length", advice));
        }
        let mut above: Option<&Line> = None;
        for (number, line) in (1..).zip(source.lines()) {
            findings.extend(self.forbidden_words(number, line));
            let excused = [Some(line), above].into_iter().flatten().any(excuses_sleep);
            if (self.is_test || line.in_tests) && sleeps(&line.code) && !excused {
                let advice = "wait for the event, or say why not: \"// tidy: sleep ok: reason\"";
                findings.push(self.finding(number, "sleep", advice.to_owned()));
            }
            above = Some(line);
        }
        findings
    }

    fn forbidden_words(&self, number: usize, line: &Line) -> Vec<Finding> {
        let code: String = line.code.split_whitespace().collect();
        let mut findings = Vec::new();
        if code.contains("#[ignore]")
            || code.contains("#[ignore=")
            || (code.contains("cfg_attr(") && has_word(&code, "ignore", ""))
        {
            let advice = "assert what happens today, with \"FIXME(#n)\"".to_owned();
            findings.push(self.finding(number, "ignore", advice));
        }
        for name in ["todo", "unimplemented", "dbg"] {
            if has_word(&code, name, "!") {
                findings.push(self.finding(number, "macros", format!("remove {name}!")));
            }
        }
        for name in ["TODO", "FIXME"] {
            if has_unnumbered(&line.comment, name) {
                let advice = format!("open an issue and write \"{name}(#n)\"");
                findings.push(self.finding(number, "todo", advice));
            }
        }
        findings
    }

    fn finding(&self, line: usize, rule: &'static str, advice: String) -> Finding {
        Finding { path: self.path.to_owned(), line, rule, advice }
    }
}

/// Whether `text` holds `word` as a word of its own, followed by `after`.
fn has_word(text: &str, word: &str, after: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let rest = &text[at + word.len()..];
        is_start(&text[..at]) && rest.starts_with(after) && (!after.is_empty() || is_end(rest))
    })
}

/// Whether `comment` holds `word` without the number of an issue: `word(#12)`.
fn has_unnumbered(comment: &str, word: &str) -> bool {
    comment.match_indices(word).any(|(at, _)| {
        let rest = &comment[at + word.len()..];
        let number = rest.strip_prefix("(#").and_then(|rest| rest.split_once(')')).map(|(number, _)| number);
        let numbered = number.is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()));
        is_start(&comment[..at]) && is_end(rest) && !numbered
    })
}

/// Whether `code` calls or imports a function that waits for time to pass.
fn sleeps(code: &str) -> bool {
    let code: String = code.split_whitespace().collect::<Vec<_>>().join(" ");
    let imported = code.contains("thread::sleep") || code.contains("time::sleep");
    imported
        || code.match_indices("sleep(").any(|(at, _)| {
            let before = &code[..at];
            is_start(before) && !before.ends_with('.') && !before.ends_with("fn ")
        })
}

fn excuses_sleep(line: &Line) -> bool {
    line.comment.split_once(EXCUSE).is_some_and(|(_, reason)| !reason.trim().is_empty())
}

fn is_start(before: &str) -> bool {
    !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

fn is_end(after: &str) -> bool {
    !after.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

const SOURCES: [&str; 4] = ["crates/", "examples/", "xtask/", "bench/"];
const VAGUE: [&str; 4] = ["utils", "common", "helpers", "misc"];
const LONGEST: usize = 600;
const EXCUSE: &str = "tidy: sleep ok:";
