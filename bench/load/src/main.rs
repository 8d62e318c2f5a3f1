//! The `narae-load` command: a load from the command line.
//!
//! In: a URL and options. Out: the summary, and an exit status that says
//! whether anything was lost: 0 nothing, 1 something, 2 wrong usage.

#![forbid(unsafe_code)]

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use http::Uri;
use narae_load::{Load, Phases, Protocol, Running, Summary, Target, Work};

/// Put load on a server, and count every request that it loses.
///
/// Requests are sent at a fixed rate, whether or not the server keeps up. None
/// is retried in silence: a connection that ends under a request is a failure.
/// Run it while the server is reloaded, or while its workers are killed.
#[derive(Debug, Parser)]
#[command(
    name = "narae-load",
    version,
    after_help = "Exit status: 0 nothing was lost, 1 something was, 2 wrong usage."
)]
struct Options {
    /// The server; https means TLS, and no certificate is checked.
    ///
    /// Its path is requested unless --get or --echo is given.
    #[arg(value_parser = url)]
    url: Uri,
    /// How many connections.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// Requests per second, over all connections.
    #[arg(long, default_value_t = 500.0, value_parser = positive)]
    rate: f64,
    /// How long requests are sent, in seconds. Interrupting ends it sooner.
    #[arg(long, default_value_t = 10.0, value_parser = positive)]
    seconds: f64,
    /// Request this path by GET and expect any 2xx. May be repeated.
    #[arg(long, value_name = "PATH", value_parser = path)]
    get: Vec<String>,
    /// Send 0 to 64 KiB to this path by POST and expect the same bytes. May be repeated.
    #[arg(long, value_name = "PATH", value_parser = path)]
    echo: Vec<String>,
    /// Speak HTTP/2; without TLS by prior knowledge.
    #[arg(long)]
    h2: bool,
    /// The most concurrent streams of an HTTP/2 connection.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    streams: u32,
    /// An answer later than this after its planned time is a failure. Units: ms, s.
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = time)]
    late: Duration,
    /// The longest wait for a whole answer. Units: ms, s.
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = time)]
    timeout: Duration,
    /// The share of the connections that is silent for 0.1 to 8 seconds at a time.
    #[arg(long, default_value_t = 0.1, value_name = "SHARE", value_parser = share)]
    idle_share: f64,
    /// The seed of the random numbers; the summary prints it. Default: the clock.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result =
        runtime.map_err(|error| error.to_string()).and_then(|runtime| runtime.block_on(run(&options)));
    let summary = match result {
        Ok(summary) => summary,
        Err(reason) => {
            eprintln!("narae-load: {reason}");
            return ExitCode::from(2);
        }
    };
    match serde_json::to_string_pretty(&summary) {
        Ok(text) if options.json => println!("{text}"),
        _ => println!("{summary}"),
    }
    if summary.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

async fn run(options: &Options) -> Result<Summary, String> {
    let mut load = Load::new(target(options).await?);
    load.connections = options.connections as usize;
    load.rate = options.rate;
    load.late = options.late;
    load.timeout = options.timeout;
    load.streams = options.streams as usize;
    load.think = Phases { idle_share: options.idle_share, ..Phases::default() };
    load.works = options
        .get
        .iter()
        .map(Work::get)
        .chain(options.echo.iter().map(|path| Work::echo(path.as_str())))
        .collect();
    if load.works.is_empty() {
        let path = options.url.path_and_query().map_or("/", |path| path.as_str());
        load.works.push(Work::get(path));
    }
    load.seed = options.seed.unwrap_or_else(clock);
    if !options.json {
        eprintln!("narae-load: {} to {}, seed {}", load.target.protocol, options.url, load.seed);
    }
    let running = load.start().await;
    wait(&running, Duration::from_secs_f64(options.seconds)).await;
    Ok(running.stop().await)
}

/// Waits for the end of the time or an interrupt, and meanwhile shows progress on a terminal.
async fn wait(running: &Running, time: Duration) {
    let end = tokio::time::sleep(time);
    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(end, interrupt);
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let show = std::io::stderr().is_terminal();
    loop {
        tokio::select! {
            () = &mut end => break,
            _ = &mut interrupt => break,
            _ = second.tick(), if show => {
                let counts = running.counts();
                let (seconds, waiting) = (counts.elapsed.as_secs(), counts.requests - counts.ended());
                eprint!("\r{seconds} s: {} answered, {waiting} waiting, {} failed ", counts.answered, counts.failed());
            }
        }
    }
    if show {
        eprintln!();
    }
}

async fn target(options: &Options) -> Result<Target, String> {
    let url = &options.url;
    let secure = url.scheme_str() == Some("https");
    let protocol = match (secure, options.h2) {
        (false, false) => Protocol::Http1,
        (true, false) => Protocol::Http1Tls,
        (false, true) => Protocol::Http2,
        (true, true) => Protocol::Http2Tls,
    };
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let found =
        tokio::net::lookup_host((host, port)).await.map_err(|error| format!("{host}: {error}"))?.next();
    let address = found.ok_or_else(|| format!("{host} has no address"))?;
    let is_name = host.parse::<std::net::IpAddr>().is_err();
    let authority = url.authority().filter(|_| is_name).map(ToString::to_string);
    Ok(Target { host: authority, ..Target::new(address, protocol) })
}

fn clock() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::from(since.subsec_nanos()) ^ since.as_secs()
}

fn url(text: &str) -> Result<Uri, String> {
    let url: Uri = text.parse().map_err(|error| format!("{error}"))?;
    let known = matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some();
    if known { Ok(url) } else { Err("expected http://HOST[:PORT]/PATH or https://".to_owned()) }
}

fn path(text: &str) -> Result<String, String> {
    let valid = text.starts_with('/') && text.parse::<http::uri::PathAndQuery>().is_ok();
    if valid { Ok(text.to_owned()) } else { Err("expected a path that begins with /".to_owned()) }
}

fn positive(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|value| *value > 0.0 && *value < 1e9)
        .ok_or_else(|| "expected a positive number".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|value| (0.0..=1.0).contains(value)).ok_or_else(|| "expected 0 to 1".to_owned())
}

fn time(text: &str) -> Result<Duration, String> {
    let (number, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 0.001),
        (None, Some(number)) => (number, 1.0),
        (None, None) => (text, 1.0),
    };
    let value: f64 = number.trim().parse().map_err(|_| "expected a time such as 500ms or 5s")?;
    Duration::try_from_secs_f64(value * unit).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Options::command().debug_assert();
    }

    #[test]
    fn times_have_units() {
        for (text, millis) in
            [("5s", Some(5000)), ("500ms", Some(500)), ("2", Some(2000)), ("x", None), ("-1s", None)]
        {
            assert_eq!(time(text).ok(), millis.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn what_is_no_url_of_a_server_is_refused() {
        for text in ["", "/path", "localhost:80", "ftp://localhost/"] {
            assert!(url(text).is_err(), "{text}");
        }
        assert!(url("https://localhost:8443/a?b").is_ok());
    }
}
