//! The application that the benchmarks measure.
//!
//! In: ports, a certificate, folders. Out: the same routes over HTTP and HTTPS: hello, echo, cookies, sessions
//! on a store that all workers share, WebSockets, events, and files for everything else.

#![forbid(unsafe_code)]

mod bodies;
mod plain;
mod sessions;
mod store;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use narae::prelude::*;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Serves what the benchmarks ask for, on 127.0.0.1.
#[derive(Clone, Debug, Parser)]
#[command(name = "narae-bench-app", version)]
struct Arguments {
    /// Port for http.
    #[arg(long, value_name = "PORT")]
    http: Option<u16>,
    /// Port for https (HTTP/2 and HTTP/1.1).
    #[arg(long, value_name = "PORT", requires_all = ["cert", "key"])]
    https: Option<u16>,
    /// The certificate, a PEM file.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Its key, a PEM file.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The folder whose files are served.
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,
    /// The folder for sessions.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
    /// How many processes serve; 0: this one alone.
    #[arg(long, value_name = "N", default_value_t = 1)]
    workers: usize,
    /// How many event loops each has.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Where sessions are: embedded, memory, cookie, redis://…, postgres://….
    #[arg(long, value_name = "STORE", default_value = "embedded")]
    store: String,
    /// How many more routes there are, the last of which is `/area{N-1}/{id}`.
    #[arg(long, value_name = "N", default_value_t = 0)]
    routes: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("narae-bench-app: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let of_router = arguments.clone();
    let mut app = narae::app(move || router(&of_router))
        .name("narae-bench-app")
        .arguments(false)
        .access_log(narae::Log::off())
        .workers(arguments.workers);
    if let Some(port) = arguments.http {
        app = app.http(format!("127.0.0.1:{port}"));
    }
    if let (Some(port), Some(cert), Some(key)) = (arguments.https, &arguments.cert, &arguments.key) {
        app = app.https(format!("127.0.0.1:{port}"), Tls::pem(cert, key));
    }
    if let Some(threads) = arguments.threads {
        app = app.threads(threads);
    }
    Ok(app.run()?)
}

fn router(arguments: &Arguments) -> Result<Router, Box<dyn std::error::Error + Send + Sync>> {
    let store = store::open(&arguments.store, &arguments.data)?;
    Ok(plain::routes()
        .merge(bodies::routes())
        .merge(plain::many(arguments.routes))
        .merge(sessions::routes(store))
        .fallback_service(Files::new(&arguments.root)))
}
