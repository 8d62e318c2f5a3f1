//! What `cargo xtask bench` is told: works, peers, options.
//!
//! In: words. Out: [`Options`], or the text that teaches them. The names of
//! works and peers are those of `bench/suite`, which a test compares.

/// What to measure and how.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) works: Vec<String>,
    /// Empty: narae alone.
    pub(super) peers: Vec<String>,
    pub(super) allocator: String,
    pub(super) install: bool,
    pub(super) build: bool,
    /// Words that are the suite's own: `--rounds 5`.
    passed: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    Help,
    Run(Options),
}

impl Options {
    pub(super) fn has(&self, peer: &str) -> bool {
        self.peers.iter().any(|name| name == peer)
    }

    pub(super) fn measures(&self, work: &str) -> bool {
        self.works.is_empty() || self.works.iter().any(|name| name == work)
    }

    /// What `bench/suite` is told.
    pub(super) fn suite_words(&self) -> Vec<String> {
        let peers = if self.peers.is_empty() { "none".to_owned() } else { self.peers.join(",") };
        let mut words = self.works.clone();
        words.extend(self.passed.iter().cloned());
        words.extend(["--peers".to_owned(), peers, "--allocator".to_owned(), self.allocator.clone()]);
        words
    }
}

/// # Errors
/// What was not understood, and which words would do.
pub(super) fn parse(words: &[String]) -> Result<Parsed, String> {
    let all = || PEERS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut options = Options {
        works: Vec::new(),
        peers: all(),
        allocator: "system".to_owned(),
        install: true,
        build: true,
        passed: Vec::new(),
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().cloned().ok_or_else(|| format!("{word} needs a value\n\n{}", help()));
        match word.as_str() {
            "-h" | "--help" => return Ok(Parsed::Help),
            "--quick" => options.passed.push(word.clone()),
            "--rounds" | "--seconds" | "--tries" => {
                let number = value()?;
                if number.parse::<u32>().unwrap_or(0) == 0 {
                    return Err(format!("{word} needs a number above 0, but got {number:?}"));
                }
                options.passed.extend([word.clone(), number]);
            }
            "--peers" => {
                options.peers = match value()?.as_str() {
                    "none" => Vec::new(),
                    "all" => all(),
                    names => names.split(',').map(peer).collect::<Result<_, _>>()?,
                }
            }
            "--allocator" => {
                options.allocator = value()?;
                if !["system", "mimalloc"].contains(&options.allocator.as_str()) {
                    return Err(format!("there is no allocator {:?}: system, mimalloc", options.allocator));
                }
            }
            "--no-install" => options.install = false,
            "--no-build" => options.build = false,
            word if word.starts_with('-') => {
                return Err(format!("bench has no option {word:?}\n\n{}", help()));
            }
            work if WORKS.iter().any(|(name, _)| *name == work) => options.works.push(work.to_owned()),
            work => {
                let names: Vec<&str> = WORKS.iter().map(|(name, _)| *name).collect();
                return Err(format!("there is no work {work:?}: {}", names.join(", ")));
            }
        }
    }
    Ok(Parsed::Run(options))
}

fn peer(name: &str) -> Result<String, String> {
    let names: Vec<&str> = PEERS.iter().map(|(name, _)| *name).collect();
    if names.contains(&name) {
        Ok(name.to_owned())
    } else {
        Err(format!("there is no peer {name:?}: {}, all, none", names.join(", ")))
    }
}

pub(super) fn help() -> String {
    let list = |names: &[(&str, &str)]| -> String {
        names.iter().map(|(name, what)| format!("  {name:<16} {what}\n")).collect()
    };
    format!(
        "\
Measures narae beside its peers, all in one run and in turns, and writes
bench/results/report.md, results.json and plot.svg

Usage: cargo xtask bench [WORK…] [--peers A,B] [--rounds N] [--quick]

It installs and builds what is missing (--no-install: say so and stop). Leave the
machine alone meanwhile: the report says how much others used of it.

Examples:
  cargo xtask bench                                   everything: about two hours
  cargo xtask bench --quick                           does it all work? No figures
  cargo xtask bench hello tls --peers nginx,h2o --rounds 9
  cargo xtask bench session-read --peers none         narae alone

Options:
  --peers A,B          these peers; none; all (default)
  --rounds N           measurements of each (default: 5)
  --seconds N          length of each (default: 3)
  --tries N            measure again while others disturb, at most N times (default: 1)
  --quick              1 round of 1 s each
  --allocator NAME     of the Rust peers: system (default, as their users have it), mimalloc
  --no-install         install nothing
  --no-build           measure what was built before

Works (default: all):
{}
Peers:
{}",
        list(&WORKS),
        list(&PEERS)
    )
}

pub(super) const WORKS: [(&str, &str); 30] = [
    ("hello", "a small answer, 64 keep-alive connections"),
    ("pipelined", "the same, 16 requests in each write"),
    ("512", "the same, 512 connections"),
    ("json", "a JSON answer"),
    ("routes-1", "a parameter of the last of 1 route"),
    ("routes-100", "of 100"),
    ("routes-1000", "of 1,000"),
    ("form", "a form of 1 KB is parsed"),
    ("json-body", "JSON of 1 KB is parsed"),
    ("file-1k", "a file of 1 KiB"),
    ("file-10k", "of 10 KiB"),
    ("file-1m", "of 1 MiB"),
    ("tls-file-1k", "a file of 1 KiB over TLS"),
    ("tls-file-10k", "of 10 KiB"),
    ("tls-file-1m", "of 1 MiB"),
    ("h2-file-1k", "a file of 1 KiB over HTTP/2"),
    ("h2-file-10k", "of 10 KiB"),
    ("h2-file-1m", "of 1 MiB"),
    ("tls", "hello over TLS, 64 keep-alive connections"),
    ("h2-16x32", "hello over HTTP/2, 16 connections of 32 streams"),
    ("h2-1x100", "1 connection of 100 streams"),
    ("handshake", "a full TLS handshake and a request"),
    ("resumed", "a resumed one"),
    ("session-read", "a session is read, for each store"),
    ("session-write", "a session is written, for each store"),
    ("idle", "memory of 9,000 idle connections, at once and after a rest"),
    ("startup", "from the start to the first answer, and memory"),
    ("workers", "1 worker beside 2"),
    ("overload", "twice the capacity, planned ahead"),
    ("reload", "requests lost by reloads, and how long they take"),
];

pub(super) const PEERS: [(&str, &str); 16] = [
    ("floor", "a bare epoll loop with a ready answer"),
    ("hyper", "hyper alone, HTTP/1.1"),
    ("hyper-tls", "hyper alone behind rustls"),
    ("axum", "axum::serve"),
    ("actix", "actix-web"),
    ("tower-http", "files by ServeDir"),
    ("tower-sessions", "sessions in memory"),
    ("nginx", "from Debian"),
    ("h2o", "from Debian"),
    ("caddy", "from Debian"),
    ("node", "node:http, node:http2"),
    ("express", "from npm"),
    ("fastify", "from npm"),
    ("express-session", "from npm, in memory and with connect-redis"),
    ("bun", "from npm"),
    ("deno", "from npm"),
];

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::{Options, PEERS, Parsed, WORKS, help, parse};

    fn parsed(line: &str) -> Result<Parsed, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn options(line: &str) -> Options {
        match parsed(line) {
            Ok(Parsed::Run(options)) => options,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn works_peers_and_options_are_read_in_any_order() {
        let told = options("--peers nginx,h2o hello --rounds 9 tls --quick");
        assert_eq!((told.works.join(","), told.peers.join(",")), ("hello,tls".into(), "nginx,h2o".into()));
        assert_eq!(
            told.suite_words().join(" "),
            "hello tls --rounds 9 --quick --peers nginx,h2o --allocator system"
        );
    }

    #[test]
    fn without_words_all_works_and_peers_are_meant() {
        let told = options("");
        assert!(told.measures("hello") && told.measures("reload") && told.install && told.build);
        assert_eq!(told.peers.len(), PEERS.len());
        assert!(options("--peers none").peers.is_empty());
        assert!(options("--peers none").suite_words().join(" ").contains("--peers none"));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, part) in [
            ("helo", "no work \"helo\""),
            ("--peers apache", "no peer \"apache\""),
            ("--rounds", "--rounds needs a value"),
            ("--rounds 0", "number above 0"),
            ("--round 3", "no option \"--round\""),
            ("--allocator x", "no allocator \"x\""),
        ] {
            let message = parsed(line).expect_err(line);
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn the_help_names_everything() {
        assert_eq!(parsed("hello --help"), Ok(Parsed::Help));
        for (name, _) in WORKS.iter().chain(&PEERS) {
            assert!(help().contains(name), "{name}");
        }
    }

    #[test]
    fn the_suite_has_the_same_works_and_peers() {
        let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/suite");
        let script = "import works, contenders; print(*works.WORKS); print(*contenders.CONTENDERS)";
        let output = Command::new("python3").args(["-B", "-c", script]).current_dir(suite).output();
        let output = output.expect("python3");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let names = |list: &[(&str, &str)]| list.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" ");
        let expected = format!("{}\nnarae {}\n", names(&WORKS), names(&PEERS));
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
}
