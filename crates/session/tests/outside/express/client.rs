//! [`Peer`] and [`Jar`]: a small browser: requests over real sockets, cookies that go from one server to another.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A server of this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) port: u16,
}

/// A browser's cookies: their values as they are sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Jar(pub(crate) BTreeMap<String, String>);

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The lines of `Set-Cookie`.
    pub(crate) set_cookies: Vec<String>,
    /// The body, or null.
    pub(crate) json: Value,
}

impl Peer {
    pub(crate) async fn get(self, path: &str, jar: &mut Jar) -> Answer {
        self.call("GET", path, jar, &Value::Null).await
    }

    pub(crate) async fn post(self, path: &str, jar: &mut Jar, body: &Value) -> Answer {
        self.call("POST", path, jar, body).await
    }

    async fn call(self, method: &str, path: &str, jar: &mut Jar, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let cookies: Vec<String> = jar.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies =
            if cookies.is_empty() { String::new() } else { format!("cookie: {}\r\n", cookies.join("; ")) };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{cookies}\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.expect("the server is there");
        stream.write_all(request.as_bytes()).await.expect("the server reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("the server answers");
        let answer = String::from_utf8(answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.get(9..12)?.parse().ok()).expect("a status");
        let fields = lines.filter_map(|line| line.split_once(": "));
        let set_cookies: Vec<String> = fields
            .filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
            .map(|(_, value)| value.to_owned())
            .collect();
        set_cookies.iter().for_each(|line| jar.take(line));
        Answer { status, set_cookies, json: serde_json::from_str(body).unwrap_or_default() }
    }
}

impl Jar {
    fn take(&mut self, line: &str) {
        let mut parts = line.split("; ");
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a pair");
        let is_over = parts.any(|attribute| match attribute.split_once('=') {
            Some((name, "0")) => name.eq_ignore_ascii_case("max-age"),
            Some((name, date)) if name.eq_ignore_ascii_case("expires") => {
                httpdate::parse_http_date(date).expect("a date") <= SystemTime::now()
            }
            _ => false,
        });
        if is_over {
            self.0.remove(name);
        } else {
            self.0.insert(name.to_owned(), value.to_owned());
        }
    }
}
