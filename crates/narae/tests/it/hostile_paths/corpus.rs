//! Reads `targets.txt`: raw request-targets, and what each is answered with. Its form is told at its head.

use super::sites::SETUPS;

pub struct Case {
    /// The bytes between the method and the version.
    pub target: Vec<u8>,
    /// As it stands in the file.
    pub line: &'static str,
    /// For each of [`SETUPS`].
    pub statuses: [u16; SETUPS.len()],
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut statuses = None;
    for line in include_str!("targets.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        match line.strip_prefix("@ ") {
            Some(given) => statuses = Some(read_statuses(given)),
            None => cases.push(Case { target: read_target(line), line, statuses: statuses.unwrap() }),
        }
    }
    cases
}

fn read_statuses(text: &str) -> [u16; SETUPS.len()] {
    let statuses: Vec<u16> = text.split(' ').map(|status| status.parse().unwrap()).collect();
    match statuses[..] {
        [all] => [all; SETUPS.len()],
        _ => statuses.try_into().unwrap(),
    }
}

fn read_target(line: &str) -> Vec<u8> {
    let mut target = Vec::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('{') {
        let (escape, after) = after.split_once('}').unwrap();
        target.extend(before.bytes());
        match escape.split_once('*') {
            Some((text, times)) => target.extend(text.repeat(times.parse().unwrap()).bytes()),
            None => target.push(u8::from_str_radix(escape, 16).unwrap()),
        }
        rest = after;
    }
    target.extend(rest.bytes());
    target
}
