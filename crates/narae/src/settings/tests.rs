//! The order of the sources, for each key; and what no single source can see.

use std::path::Path;
use std::time::Duration;

use clap::{FromArgMatches, Parser};

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    flags: Flags,
}

/// What each source says. Empty: nothing.
#[derive(Clone, Copy, Default)]
struct Case<'a> {
    file: &'a str,
    environment: &'a [(&'a str, &'a str)],
    flags: &'a [&'a str],
}

fn load_case(programmed: Programmed, case: Case<'_>) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("narae.toml");
    std::fs::write(&path, case.file).unwrap();
    let line = ["app"].iter().chain(case.flags);
    let sources = Sources {
        named_file: Some(path),
        default_file: None,
        environment: case.environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        flags: Line::try_parse_from(line).unwrap().flags,
    };
    load(programmed, sources).map_err(|error| error.to_string())
}

/// Each key with a value for each source, lowest first, and how to see which of them holds.
struct KeyCase {
    programmed: fn(&mut Programmed),
    file: &'static str,
    variable: (&'static str, &'static str),
    flag: [&'static str; 2],
    /// What `show` says for: nothing, program, file, environment, flag.
    expected: [&'static str; 5],
    show: fn(&Settings) -> String,
}

fn show_http(settings: &Settings) -> String {
    format!("{:?}", settings.http.as_ref().map(|list| list.iter().map(Address::as_str).collect::<Vec<_>>()))
}

fn show_https(settings: &Settings) -> String {
    let list = settings.https.as_ref();
    format!("{:?}", list.map(|list| list.iter().map(|(address, _)| address.as_str()).collect::<Vec<_>>()))
}

const KEYS: [KeyCase; 10] = [
    KeyCase {
        programmed: |programmed| programmed.proxy_protocol = true,
        file: "proxy_protocol = false",
        variable: ("NARAE_PROXY_PROTOCOL", "true"),
        flag: ["--proxy-protocol=false", "--threads=1"],
        expected: ["false", "true", "false", "true", "false"],
        show: |settings| settings.proxy_protocol.to_string(),
    },
    KeyCase {
        programmed: |programmed| programmed.trusted_proxies = vec!["10.0.0.0/8".into()],
        file: "trusted_proxies = [\"::1\", \"unix\"]",
        variable: ("NARAE_TRUSTED_PROXIES", "off"),
        flag: ["--trusted-proxy", "127.0.0.1"],
        expected: ["", "10.0.0.0/8", "::1/128, unix", "", "127.0.0.1/32"],
        show: |settings| settings.trusted_proxies.to_string(),
    },
    KeyCase {
        programmed: |programmed| programmed.proxy_headers = ProxyHeaders::Forwarded,
        file: "proxy_headers = \"x-forwarded\"",
        variable: ("NARAE_PROXY_HEADERS", "forwarded"),
        flag: ["--proxy-headers", "auto"],
        expected: ["Auto", "Forwarded", "XForwarded", "Forwarded", "Auto"],
        show: |settings| shown(&format!("{:?}", settings.trusted_proxies), "headers: ", " }"),
    },
    KeyCase {
        programmed: |programmed| programmed.http = vec!["a:1".into(), "a:2".into()],
        file: "http = \"b:1\"",
        variable: ("NARAE_HTTP", "c:1,c:2"),
        flag: ["--http", "off"],
        expected: [
            "None",
            r#"Some(["a:1", "a:2"])"#,
            r#"Some(["b:1"])"#,
            r#"Some(["c:1", "c:2"])"#,
            "Some([])",
        ],
        show: show_http,
    },
    KeyCase {
        programmed: |programmed| programmed.https = vec![("a:1".into(), Tls::pem("a", "b"))],
        file: "https = [\"b:1\", \"b:2\"]",
        variable: ("NARAE_HTTPS", "off"),
        flag: ["--https", "d:1"],
        expected: ["None", r#"Some(["a:1"])"#, r#"Some(["b:1", "b:2"])"#, "Some([])", r#"Some(["d:1"])"#],
        show: show_https,
    },
    KeyCase {
        programmed: |programmed| programmed.workers = Some(Workers::Count(2)),
        file: "workers = 3",
        variable: ("NARAE_WORKERS", "4"),
        flag: ["--workers", "auto"],
        expected: ["PerCore", "Count(2)", "Count(3)", "Count(4)", "PerCore"],
        show: |settings| format!("{:?}", settings.workers),
    },
    KeyCase {
        programmed: |programmed| programmed.drain.linger = Duration::from_secs(2),
        file: "[drain]\nlinger = \"3s\"",
        variable: ("NARAE_LINGER", "4s"),
        flag: ["--linger", "0"],
        expected: ["5s", "2s", "3s", "4s", "0ns"],
        show: |settings| format!("{:?}", settings.drain.linger),
    },
    KeyCase {
        programmed: |programmed| programmed.drain.deadline = Duration::from_secs(2),
        file: "[drain]\ndeadline = \"3s\"",
        variable: ("NARAE_DEADLINE", "4s"),
        flag: ["--deadline", "1m"],
        expected: ["30s", "2s", "3s", "4s", "60s"],
        show: |settings| format!("{:?}", settings.drain.deadline),
    },
    KeyCase {
        programmed: |programmed| programmed.log = Log::off(),
        file: "[log]\nformat = \"tiny\"",
        variable: ("NARAE_LOG", "off"),
        flag: ["--log", "json"],
        expected: ["None", "Some(Off)", "Some(Lines(Tiny))", "Some(Off)", "Some(Lines(Json))"],
        show: |settings| shown(&format!("{:?}", settings.log), "choice: ", ", to:"),
    },
    KeyCase {
        programmed: |programmed| programmed.log = Log::automatic().to_file("/a"),
        file: "[log]\nfile = \"/b\"",
        variable: ("NARAE_LOG_FILE", "/c"),
        flag: ["--log-file", "/d"],
        expected: ["Stdout", r#"File("/a")"#, r#"File("/b")"#, r#"File("/c")"#, r#"File("/d")"#],
        show: |settings| shown(&format!("{:?}", settings.log), "to: ", " }"),
    },
];

/// The part of `text` between `before` and `after`.
fn shown(text: &str, before: &str, after: &str) -> String {
    let start = text.find(before).unwrap() + before.len();
    let end = text[start..].rfind(after).unwrap() + start;
    text[start..end].to_owned()
}

#[test]
fn each_source_wins_over_the_ones_before_it() {
    for key in &KEYS {
        let mut programmed = Programmed::default();
        let environment = [key.variable];
        let mut case = Case::default();
        let mut found = vec![(key.show)(&load_case(programmed.clone(), case).unwrap())];
        (key.programmed)(&mut programmed);
        found.push((key.show)(&load_case(programmed.clone(), case).unwrap()));
        case.file = key.file;
        found.push((key.show)(&load_case(programmed.clone(), case).unwrap()));
        case.environment = &environment;
        found.push((key.show)(&load_case(programmed.clone(), case).unwrap()));
        case.flags = &key.flag;
        found.push((key.show)(&load_case(programmed.clone(), case).unwrap()));
        assert_eq!(found, key.expected, "{}", key.flag[0]);
    }
}

/// The `Tls` of the first HTTPS address, as its `Debug` text.
fn tls_of(programmed: Programmed, case: Case<'_>) -> String {
    let settings = load_case(programmed, case).unwrap();
    format!("{:?}", settings.https.unwrap()[0].1)
}

#[test]
fn certificate_and_key_may_come_from_different_sources() {
    let programmed = || Programmed {
        https: vec![("a:1".into(), Tls::pem("program.pem", "program.key"))],
        ..Programmed::default()
    };
    let none = tls_of(programmed(), Case::default());
    assert!(none.contains("program.pem") && none.contains("program.key"), "{none}");
    let file = "[tls]\ncert = \"/file.pem\"\nkey = \"/file.key\"\nchain = \"/file.chain\"\nmin = \"1.3\"";
    let from_file = tls_of(programmed(), Case { file, ..Case::default() });
    for part in ["/file.pem", "/file.key", "/file.chain", "V1_3"] {
        assert!(from_file.contains(part), "{from_file}");
    }
    let mixed = tls_of(
        programmed(),
        Case {
            file,
            environment: &[("NARAE_KEY", "/e.key"), ("NARAE_CHAIN", "/e.chain"), ("NARAE_TLS_MIN", "1.2")],
            flags: &["--cert", "/f.pem"],
        },
    );
    for part in ["/f.pem", "/e.key", "/e.chain", "V1_2"] {
        assert!(mixed.contains(part), "{mixed}");
    }
    let flags = ["--cert", "/f.pem", "--key", "/f.key", "--chain", "/f.chain", "--tls-min", "1.3"];
    let from_flags = tls_of(programmed(), Case { file, flags: &flags, ..Case::default() });
    for part in ["/f.pem", "/f.key", "/f.chain", "V1_3"] {
        assert!(from_flags.contains(part), "{from_flags}");
    }
}

#[test]
fn a_replaced_https_address_keeps_the_programs_certificate() {
    let programmed = Programmed {
        https: vec![("a:1".into(), Tls::pem("program.pem", "program.key"))],
        ..Programmed::default()
    };
    let tls = tls_of(programmed, Case { flags: &["--https", "b:1"], ..Case::default() });
    assert!(tls.contains("program.pem"), "{tls}");
    let tls = tls_of(Programmed::default(), Case { flags: &["--https", "b:1"], ..Case::default() });
    assert!(tls.contains("Development"), "{tls}");
}

#[test]
fn half_a_certificate_is_an_error_that_names_the_other_half() {
    for (case, parts) in [
        (Case { flags: &["--cert", "a.pem"], ..Case::default() }, ["--cert: ", "--key key.pem"]),
        (Case { environment: &[("NARAE_KEY", "a.pem")], ..Case::default() }, ["NARAE_KEY: ", "NARAE_CERT="]),
        (Case { file: "[tls]\ncert = \"a.pem\"", ..Case::default() }, ["tls.cert in ", "under [tls]"]),
        (Case { flags: &["--chain", "a.pem"], ..Case::default() }, ["--chain: ", "--cert cert.pem"]),
    ] {
        let error = load_case(Programmed::default(), case).unwrap_err();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
}

#[test]
fn a_certificate_without_an_address_says_what_to_add() {
    let case = Case { flags: &["--cert", "a.pem", "--key", "a.pem"], ..Case::default() };
    let fault = load_case(Programmed::default(), case).unwrap().idle_tls.unwrap();
    assert_eq!(fault.place, "--cert");
    assert!(fault.reason.contains("--https 127.0.0.1:8443"), "{}", fault.reason);
}

#[test]
fn limits_come_from_the_file_over_the_program() {
    let programmed = Programmed {
        limits: Limits::default().max_body_bytes(1).max_header_count(2),
        ..Programmed::default()
    };
    let case = Case { file: "[limits]\nmax_body_bytes = \"1KiB\"", ..Case::default() };
    let limits = load_case(programmed, case).unwrap().limits;
    assert_eq!((limits.max_body_bytes, limits.max_header_count), (1024, 2));
}

#[test]
fn what_cannot_work_is_refused_whatever_its_source() {
    let of = |programmed, file| load_case(programmed, Case { file, ..Case::default() }).unwrap_err();
    let error = of(Programmed::default(), "[limits]\nhead_timeout = \"0\"");
    assert!(error.contains("head_timeout"), "{error}");
    let error = of(Programmed { workers: Some(Workers::Count(9999)), ..Programmed::default() }, "");
    assert!(error.contains("App::workers"), "{error}");
    let error = of(Programmed { trusted_proxies: vec!["proxy".into()], ..Programmed::default() }, "");
    assert!(error.contains("App::trusted_proxies") && error.contains("10.0.0.0/8"), "{error}");
    let error = of(Programmed { http: vec!["8080".into()], ..Programmed::default() }, "");
    assert!(error.contains("App::http") && error.contains("127.0.0.1:8080"), "{error}");
}

#[test]
fn the_highest_source_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, workers: u32| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("workers = {workers}")).unwrap();
        path
    };
    let (default, named, variable, flag) = (write("d", 1), write("n", 2), write("v", 3), write("f", 4));
    let of = |named: Option<&Path>, variable: Option<&Path>, flag: Option<&Path>| {
        let mut line = vec!["app".to_owned()];
        line.extend(flag.map(|path| format!("--config={}", path.display())));
        let sources = Sources {
            named_file: named.map(Path::to_owned),
            default_file: Some(default.clone()),
            environment: variable
                .map(|path| ("NARAE_CONFIG".to_owned(), path.display().to_string()))
                .into_iter()
                .collect(),
            flags: Line::from_arg_matches(&<Line as clap::CommandFactory>::command().get_matches_from(line))
                .unwrap()
                .flags,
        };
        match load(Programmed::default(), sources).unwrap().workers {
            Workers::Count(count) => count,
            Workers::PerCore => 0,
        }
    };
    assert_eq!(of(None, None, None), 1);
    assert_eq!(of(Some(&named), None, None), 2);
    assert_eq!(of(Some(&named), Some(&variable), None), 3);
    assert_eq!(of(Some(&named), Some(&variable), Some(&flag)), 4);
}

#[test]
fn a_named_file_must_be_there_and_the_default_one_need_not() {
    let missing = Path::new("/nowhere/narae.toml");
    let sources = Sources { default_file: Some(missing.to_owned()), ..Sources::default() };
    assert!(load(Programmed::default(), sources).is_ok());
    let sources = Sources { named_file: Some(missing.to_owned()), ..Sources::default() };
    let error = load(Programmed::default(), sources).unwrap_err();
    assert!(error.to_string().contains("/nowhere/narae.toml"), "{error}");
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn the_documented_file_holds_every_default() {
    let text = include_str!("example.toml");
    let settings = load_case(Programmed::default(), Case { file: text, ..Case::default() }).unwrap();
    let defaults = load_case(Programmed::default(), Case::default()).unwrap();
    assert_eq!(format!("{:?}", settings.limits), format!("{:?}", defaults.limits));
    assert_eq!(settings.drain, defaults.drain);
    assert_eq!(settings.workers, defaults.workers);
    assert_eq!(settings.proxy_protocol, defaults.proxy_protocol);
    assert_eq!(settings.trusted_proxies, defaults.trusted_proxies);
    assert_eq!(show_http(&settings), r#"Some(["127.0.0.1:8080"])"#);
    assert_eq!(show_https(&settings), "Some([])");
    // What is commented out can be said too.
    let all: String =
        text.lines().map(|line| line.strip_prefix("# ").unwrap_or(line).to_owned() + "\n").collect();
    load_case(Programmed::default(), Case { file: &all, ..Case::default() }).unwrap();
}
