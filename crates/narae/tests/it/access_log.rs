//! The access log, as `App` wires it.

use narae::prelude::*;
use narae::{App, Format, Log};

use crate::site::Site;

fn app() -> App {
    async fn fails() -> HandlerResult<()> {
        Err("no")?
    }
    narae::app(|| Router::new().route("/", get(|| async { "hello" })).route("/fails", get(fails)))
        .http("127.0.0.1:0")
        .workers(1)
}

/// The lines that a site with `log` writes to the file for two requests.
fn lines(log: impl FnOnce(&std::path::Path) -> Log) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let site = Site::start(app().access_log(log(&file)));
    let mut client = site.client();
    client.get("/");
    client.get_with("/fails", "x-request-id: access-1\r\n");
    drop(client);
    site.stop();
    std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn a_file_gets_combined_lines_with_the_client() {
    let lines = lines(|file| Log::automatic().to_file(file));
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("127.0.0.1 - - ["), "{lines:?}");
    assert!(lines[0].contains("\"GET / HTTP/1.1\" 200 5"), "{lines:?}");
    assert!(lines[1].contains("\"GET /fails HTTP/1.1\" 500"), "{lines:?}");
}

#[test]
fn json_lines_name_the_request_that_failed() {
    let lines = lines(|file| Log::lines(Format::Json).to_file(file));
    assert!(!lines[0].contains("request_id"), "{lines:?}");
    assert!(lines[1].contains("\"request_id\":\"access-1\""), "{lines:?}");
}

#[test]
fn an_operator_turns_it_off_or_on() {
    let folder = tempfile::tempdir().unwrap();
    let (program, operator) = (folder.path().join("program.log"), folder.path().join("operator.log"));
    let ask = |log: Log, variables: Vec<(&str, String)>| {
        let site = Site::start(app().access_log(log).environment(variables));
        assert_eq!(site.get("/").body, "hello");
        site.stop();
    };
    ask(Log::automatic().to_file(&program), vec![("NARAE_LOG", "off".to_owned())]);
    assert!(!program.exists());
    ask(Log::off(), vec![("NARAE_LOG_FILE", operator.display().to_string())]);
    assert_eq!(std::fs::read_to_string(operator).unwrap().lines().count(), 1);
}
