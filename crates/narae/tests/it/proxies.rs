//! Behind a proxy, as `App` wires it: settings, access log, cookies, axum's `ConnectInfo`.

use std::net::SocketAddr;

use narae::axum::extract::ConnectInfo;
use narae::prelude::*;
use narae::session::store::Memory;
use narae::{App, Client, Format, Log};

use crate::site::Site;

async fn seen(ConnectInfo(peer): ConnectInfo<SocketAddr>, client: Client) -> String {
    let address = client.address().map_or_else(|| "-".to_owned(), |address| address.to_string());
    format!("{} {address} {} {}", peer.ip(), client.scheme(), client.host().unwrap_or("-"))
}

async fn visit(session: Session) -> Result<(), narae::session::Error> {
    session.update("visits", |visits: Option<u64>| visits.unwrap_or(0) + 1).await?;
    Ok(())
}

fn app() -> App {
    let router =
        Router::new().route("/", get(seen)).route("/visit", get(visit)).layer(Sessions::new(Memory::new()));
    narae::app(router).http("127.0.0.1:0").workers(1).access_log(Log::off())
}

const FORWARDED: &str = "x-forwarded-for: 6.6.6.6, 192.0.2.1\r\nx-forwarded-proto: https\r\n";
const INTRODUCTION: &str = "PROXY TCP4 192.0.2.7 192.0.2.8 4660 80\r\n";
const GET: &str = "GET / HTTP/1.1\r\nhost: narae.test\r\n\r\n";

#[test]
fn the_client_is_who_a_trusted_proxy_says_and_connect_info_is_the_peer() {
    let site = Site::start(app().trusted_proxies(["127.0.0.0/8"]));
    let seen = site.client().get_with("/", FORWARDED).body;
    assert_eq!(seen, "127.0.0.1 192.0.2.1 https narae.test");
    let seen = site.client().get_with("/", "forwarded: for=192.0.2.2;proto=https;host=shop.test\r\n").body;
    assert_eq!(seen, "127.0.0.1 192.0.2.2 https shop.test");
}

#[test]
fn by_default_nobody_is_believed() {
    let site = Site::start(app());
    let seen = site.client().get_with("/", FORWARDED).body;
    assert_eq!(seen, "127.0.0.1 127.0.0.1 http narae.test");
    assert_eq!(site.client().send(&format!("{INTRODUCTION}{GET}")).status, 400);
}

#[test]
fn an_operator_names_proxies_in_the_environment_and_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("narae.toml");
    std::fs::write(&file, "proxy_protocol = true\ntrusted_proxies = [\"10.0.0.0/8\"]\n").unwrap();
    let site =
        Site::start(app().config_file(&file).environment([("NARAE_TRUSTED_PROXIES", "127.0.0.1,unix")]));
    let seen = site.client().send(&format!("{INTRODUCTION}{GET}")).body;
    assert_eq!(seen, "192.0.2.7 192.0.2.7 http narae.test");
}

#[test]
fn the_access_log_has_the_client() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let log = || Log::lines(Format::Combined).to_file(&file);
    let site = Site::start(app().access_log(log()).trusted_proxies(["127.0.0.1"]));
    site.client().get_with("/", FORWARDED);
    site.stop();
    let site = Site::start(app().access_log(log()).proxy_protocol(true));
    site.client().send(&format!("{INTRODUCTION}{GET}"));
    site.stop();
    let site = Site::start(app().access_log(log()));
    site.client().get_with("/", FORWARDED);
    site.stop();
    let text = std::fs::read_to_string(file).unwrap();
    let clients: Vec<_> = text.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(clients, ["192.0.2.1", "192.0.2.7", "127.0.0.1"]);
}

#[test]
fn the_cookie_of_a_session_is_secure_if_a_trusted_proxy_says_https() {
    let cookie = |app: App, headers: &str| {
        let site = Site::start(app);
        site.client().get_with("/visit", headers).header("set-cookie").unwrap().to_owned()
    };
    assert!(cookie(app().trusted_proxies(["127.0.0.1"]), FORWARDED).contains("; Secure"));
    assert!(
        !cookie(app().trusted_proxies(["127.0.0.1"]), "x-forwarded-proto: http\r\n").contains("; Secure")
    );
    assert!(!cookie(app(), FORWARDED).contains("; Secure"));
}

#[test]
fn a_network_that_is_none_is_refused_with_one_that_is() {
    let error = app().trusted_proxies(["10.1.2.3/8"]).start().unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("10.0.0.0/8"), "{error}");
}
