//! haproxy and nginx before `narae serve`, configured as docs/behind-a-proxy.md says: who the access log says the
//! client is.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::program::Program;
use crate::{narae, run};

/// The client's address, which is not the proxy's.
const CLIENT: &str = "127.0.0.9";

/// Who talks to narae directly, without being trusted.
const STRANGER: &str = "127.0.0.10";

/// What strangers write.
const LIES: [&str; 3] =
    ["X-Forwarded-For: 6.6.6.6", "Forwarded: for=6.6.6.6;proto=https", "X-Forwarded-Proto: https"];

/// `narae serve` that trusts the proxies of these tests, and logs who asked for what.
struct Served {
    program: Program,
    plain: SocketAddr,
    tls: SocketAddr,
    home: tempfile::TempDir,
}

impl Served {
    fn start(flags: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("site")).unwrap();
        fs::write(home.path().join("site/page.txt"), "a page").unwrap();
        let mut all =
            vec!["serve", "site", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--workers", "2"];
        all.extend(["--log", ":remote-addr :url :http-version", "--log-file", "access.log"]);
        all.extend(["--trusted-proxy", "127.0.0.1"]);
        all.extend(flags);
        let mut program = narae::start(home.path(), &all);
        let plain = program.address("http://");
        let tls = program.address("https://");
        Self { program, plain, tls, home }
    }

    /// Stops it and gives the lines of the log, in order.
    fn stop(self) -> Vec<String> {
        self.program.signal(rustix::process::Signal::TERM);
        let (status, said) = self.program.wait();
        assert!(status.success(), "{said}");
        let log = fs::read_to_string(self.home.path().join("access.log")).unwrap();
        let mut lines: Vec<_> = log.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

/// A block of docs/behind-a-proxy.md: the one in `language` that holds `part`, to narae at `address`.
fn documented(language: &str, part: &str, address: SocketAddr) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/behind-a-proxy.md");
    let text = fs::read_to_string(path).unwrap();
    let blocks = text.split("```").filter_map(|block| block.strip_prefix(language));
    let block = blocks.into_iter().find(|block| block.contains(part)).unwrap();
    assert!(block.contains("127.0.0.1:8080"), "{block}");
    block.replace("127.0.0.1:8080", &address.to_string())
}

/// A proxy in the foreground; ended when dropped.
struct Proxy {
    child: Child,
    address: SocketAddr,
    _socket: TcpListener,
    _home: tempfile::TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // By a signal that it passes on to its workers. It may have ended; that is what was wanted.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

/// A socket that a child process inherits, so that the system can choose its port.
fn inherited() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::empty()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

fn haproxy(mode: &str, backend: &str) -> Proxy {
    let home = tempfile::tempdir().unwrap();
    let (socket, address) = inherited();
    let path = home.path().join("haproxy.cfg");
    let config = format!(
        "defaults\n    timeout connect 20s\n    timeout client 20s\n    timeout server 20s\n\
         frontend site\n    mode {mode}\n    bind fd@{}\n    default_backend narae\n{backend}\n",
        socket.as_raw_fd()
    );
    fs::write(&path, config).unwrap();
    let child = Command::new("haproxy").args(["-db", "-q", "-f"]).arg(&path).spawn().unwrap();
    Proxy { child, address, _socket: socket, _home: home }
}

fn nginx(location: &str) -> Proxy {
    let home = tempfile::tempdir().unwrap();
    let (socket, address) = inherited();
    let folder = home.path().display();
    let config = format!(
        "daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;\n\
         events {{}}\nhttp {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;\n\
         fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n\
         server {{ listen {address};\n{location}\n}} }}\n"
    );
    let path = home.path().join("nginx.conf");
    fs::write(&path, config).unwrap();
    let child = Command::new("nginx")
        .arg("-c")
        .arg(&path)
        // Sockets that it finds open, as after an upgrade of itself.
        .env("NGINX", format!("{};", socket.as_raw_fd()))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Proxy { child, address, _socket: socket, _home: home }
}

/// What curl gets from `address` at the host localhost, as a client at `from` with `headers`.
fn curl(from: &str, way: &str, scheme: &str, address: SocketAddr, path: &str, headers: &[&str]) -> String {
    let url = format!("{scheme}://localhost:{}{path}", address.port());
    let resolve = format!("localhost:{}:{}", address.port(), address.ip());
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--insecure", "--max-time", "20", way, "--interface", from]);
    command.args(["--resolve", &resolve]).args(headers.iter().flat_map(|header| ["--header", header]));
    run(command.arg(url))
}

#[test]
fn haproxy_sends_the_proxy_protocol_before_http_and_tls() {
    let served = Served::start(&["--proxy-protocol"]);
    let mut expected = Vec::new();
    for (version, options) in [
        ("1", "send-proxy"),
        ("2", "send-proxy-v2"),
        ("2-tlvs", "send-proxy-v2-ssl-cn proxy-v2-options crc32c,unique-id,authority check inter 100ms"),
    ] {
        for (scheme, address) in [("http", served.plain), ("https", served.tls)] {
            let backend = documented("haproxy", "send-proxy-v2", address).replace("send-proxy-v2", options);
            let proxy = haproxy("tcp", &backend);
            let ways = if scheme == "http" {
                [("--http1.1", "1.1"), ("--http2-prior-knowledge", "2.0")]
            } else {
                [("--http1.1", "1.1"), ("--http2", "2.0")]
            };
            for (way, http) in ways {
                let path = format!("/page.txt?{version}-{scheme}");
                assert_eq!(curl(CLIENT, way, scheme, proxy.address, &path, &LIES), "a page");
                expected.push(format!("{CLIENT} {path} {http}"));
            }
        }
    }
    expected.sort();
    assert_eq!(served.stop(), expected);
}

#[test]
fn who_is_no_proxy_is_closed_where_proxies_introduce_clients() {
    let served = Served::start(&["--proxy-protocol"]);
    let url = format!("http://{}/page.txt", served.plain);
    for from in [STRANGER, "127.0.0.1"] {
        let output = Command::new("curl").args(["--silent", "--interface", from, &url]).output().unwrap();
        // 52: an empty reply; 56: the connection was reset.
        assert!(matches!(output.status.code(), Some(52 | 56)), "{output:?}");
    }
    assert_eq!(served.stop(), [""; 0]);
}

#[test]
fn haproxy_adds_x_forwarded_for() {
    says_who_the_client_is(&[], |address| haproxy("http", &documented("haproxy", "forwardfor", address)));
}

#[test]
fn haproxy_writes_forwarded() {
    // A client's X-Forwarded-For comes through.
    says_who_the_client_is(&["--proxy-headers", "forwarded"], |address| {
        let own = "http-request set-header Forwarded for=%[src];proto=https";
        let backend = documented("haproxy", "forwardfor", address);
        haproxy("http", &backend.replace("option forwardfor", own))
    });
}

#[test]
fn nginx_adds_x_forwarded_for() {
    says_who_the_client_is(&[], |address| nginx(&documented("nginx", "proxy_pass", address)));
}

/// Through the proxy the client is who talked to it, whatever the client says; a stranger is himself.
#[track_caller]
fn says_who_the_client_is(flags: &[&str], proxy: impl Fn(SocketAddr) -> Proxy) {
    let served = Served::start(flags);
    let proxy = proxy(served.plain);
    for (path, lies) in [("/page.txt?honest", &[][..]), ("/page.txt?lies", &LIES)] {
        assert_eq!(curl(CLIENT, "--http1.1", "http", proxy.address, path, lies), "a page");
    }
    assert_eq!(curl(STRANGER, "--http1.1", "http", served.plain, "/page.txt?stranger", &LIES), "a page");
    // It keeps connections open, for which a stop would wait.
    drop(proxy);
    let mut expected = vec![
        format!("{CLIENT} /page.txt?honest 1.1"),
        format!("{CLIENT} /page.txt?lies 1.1"),
        format!("{STRANGER} /page.txt?stranger 1.1"),
    ];
    expected.sort();
    assert_eq!(served.stop(), expected);
}
