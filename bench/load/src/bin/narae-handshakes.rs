//! The `narae-handshakes` command: new TLS connections, one request on each, as fast as the server answers.
//!
//! In: an address, how many connections at once, how long; `--resumed`: each connection but the first resumes a
//! session. Out: JSON with counts and times; exit status 1 if a connection failed, or was resumed where it should
//! not be, or the other way round. TLS 1.3 with X25519 and `TLS_AES_128_GCM_SHA256` only, so that no server is
//! measured with a dearer choice.

#![forbid(unsafe_code)]

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use narae_load::AcceptAll;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, HandshakeKind, version};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Count full or resumed TLS handshakes, with one request after each.
#[derive(Clone, Debug, Parser)]
#[command(name = "narae-handshakes", version)]
struct Options {
    /// The server.
    address: SocketAddr,
    /// How many connections at once.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// How long, in seconds.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Resume sessions instead of making each anew.
    #[arg(long)]
    resumed: bool,
}

#[derive(Serialize)]
struct Told {
    requests: usize,
    seconds: f64,
    bytes: usize,
    p50_micros: u128,
    p99_micros: u128,
    p999_micros: u128,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let told = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run(&options)));
    match told.and_then(|told| Ok(serde_json::to_string(&told)?)) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("narae-handshakes: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Fallible<Told> {
    let began = Instant::now();
    let end = began + Duration::try_from_secs_f64(options.seconds)?;
    let mut tasks = JoinSet::new();
    for _ in 0..options.connections.max(1) {
        tasks.spawn(connect_until(end, options.clone()));
    }
    let (mut times, mut bytes) = (Vec::new(), 0);
    while let Some(done) = tasks.join_next().await {
        let (of_task, came) = done??;
        times.extend(of_task);
        bytes += came;
    }
    let seconds = began.elapsed().as_secs_f64();
    times.sort_unstable();
    let quantile = |per_mille: usize| {
        let rank = (times.len() * per_mille).div_ceil(1000).max(1);
        times.get(rank - 1).map_or(0, Duration::as_micros)
    };
    let [p50_micros, p99_micros, p999_micros] = [500, 990, 999].map(quantile);
    Ok(Told { requests: times.len(), seconds, bytes, p50_micros, p99_micros, p999_micros })
}

/// One connection after the other; how long each took, from connecting to the end of the answer.
async fn connect_until(end: Instant, options: Options) -> Fallible<(Vec<Duration>, usize)> {
    let connector = connector(options.resumed)?;
    let (mut times, mut bytes) = (Vec::new(), 0);
    while Instant::now() < end {
        let began = Instant::now();
        let (kind, came) = ask(&connector, options.address).await?;
        let expected =
            if options.resumed && !times.is_empty() { HandshakeKind::Resumed } else { HandshakeKind::Full };
        if kind != Some(expected) {
            return Err(format!("a handshake was {kind:?}, but was to be {expected:?}").into());
        }
        times.push(began.elapsed());
        bytes += came;
    }
    Ok((times, bytes))
}

async fn ask(connector: &TlsConnector, address: SocketAddr) -> Fallible<(Option<HandshakeKind>, usize)> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let mut stream = connector.connect(ServerName::IpAddress(address.ip().into()), tcp).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    // Some servers end without close_notify: the answer's length tells whether all is there.
    if let Err(error) = stream.read_to_end(&mut answer).await
        && error.kind() != std::io::ErrorKind::UnexpectedEof
    {
        return Err(error.into());
    }
    if !answer.starts_with(b"HTTP/1.1 200 ") || !answer.windows(HELLO.len()).any(|bytes| bytes == HELLO) {
        return Err(format!("answered {:?}", String::from_utf8_lossy(&answer)).into());
    }
    Ok((stream.get_ref().1.handshake_kind(), answer.len()))
}

const HELLO: &[u8] = b"Hello, World!";

fn connector(resumed: bool) -> Fallible<TlsConnector> {
    let provider = Arc::new(CryptoProvider {
        cipher_suites: vec![cipher_suite::TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![kx_group::X25519],
        ..default_provider()
    });
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptAll::new(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if !resumed {
        config.resumption = Resumption::disabled();
    }
    Ok(TlsConnector::from(Arc::new(config)))
}
