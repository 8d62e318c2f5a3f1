//! The command line: what `narae --help` teaches, and which command runs.

mod completions;
mod control;
mod demo;
mod hash_password;
mod serve;
mod sessions;
mod start;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::de::IgnoredAny;

/// Serve a folder or a site over HTTP/1.1, HTTPS and HTTP/2, on every core.
#[derive(Debug, Parser)]
#[command(name = "narae", version, about, after_help = EXAMPLES, after_long_help = LONG_HELP)]
pub(crate) struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Serve(serve::Serve),
    Demo(demo::Demo),
    Start(start::Start),
    List(control::List),
    Status(control::ShowStatus),
    Reload(control::Reload),
    Restart(control::Restart),
    Scale(control::Scale),
    Stop(control::Stop),
    ReopenLogs(control::ReopenLogs),
    Upgrade(control::Upgrade),
    Sessions(sessions::Sessions),
    HashPassword(hash_password::HashPassword),
    Completions(completions::Completions),
}

impl Command {
    pub(crate) fn run(self) -> narae::Result<ExitCode> {
        let done = |()| ExitCode::SUCCESS;
        match self.action {
            Action::Serve(serve) => serve.run().map(done),
            Action::Demo(demo) => demo.run().map(done),
            Action::Start(start) => start.run().map(done),
            Action::List(list) => list.run(),
            Action::Status(status) => status.run(),
            Action::Reload(reload) => reload.run(),
            Action::Restart(restart) => restart.run(),
            Action::Scale(scale) => scale.run(),
            Action::Stop(stop) => stop.run(),
            Action::ReopenLogs(reopen) => reopen.run(),
            Action::Upgrade(upgrade) => upgrade.run(),
            Action::Sessions(sessions) => Ok(sessions.run()),
            Action::HashPassword(hash) => Ok(hash.run()),
            Action::Completions(completions) => {
                completions.run();
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

/// http on 8080 and https on 8443; whoever names an address anywhere gets that one and no other.
fn listen_defaults(app: narae::App, flags: &narae::Flags) -> narae::Result<narae::App> {
    #[derive(serde::Deserialize)]
    struct Addresses {
        http: Option<IgnoredAny>,
        https: Option<IgnoredAny>,
    }
    let in_file = || -> narae::Result<bool> {
        let file = narae::read_settings_file::<Addresses>(flags)?;
        Ok(file.is_some_and(|(_, addresses)| addresses.http.is_some() || addresses.https.is_some()))
    };
    let in_environment = ["NARAE_HTTP", "NARAE_HTTPS"].iter().any(|name| std::env::var_os(name).is_some());
    if flags.names_addresses() || in_environment || in_file()? {
        return Ok(app);
    }
    Ok(app.http("127.0.0.1:8080").https("127.0.0.1:8443", narae::Tls::development()))
}

const EXAMPLES: &str = "\
Examples:
  narae demo                         a REST site on http://127.0.0.1:8080 and https://localhost:8443
  narae serve                        this folder, at the same addresses
  narae status                       what it is doing
  narae reload                       replace its workers without losing a request
  narae help serve                   what else `serve` can do";

const LONG_HELP: &str = "\
Examples:
  narae demo                         a REST site on http://127.0.0.1:8080 and https://localhost:8443
  narae serve public                 the folder `public`, at the same addresses
  narae serve public --http 0.0.0.0:8080
                                     for everyone who can reach this machine, without https
  narae serve public --http 0.0.0.0:80 --https 0.0.0.0:443 --cert cert.pem --key key.pem
                                     a public site; ports below 1024 need permission, and the error says how
  narae start -- node server.js      a program that listens on inherited sockets, on every core
  narae status serve                 the workers of an application, what they serve and hold
  narae reload serve                 replace them, new before old, without losing a request

Settings come from narae.toml in the working folder, then from NARAE_* variables, then from flags; the later
one wins.

Exit codes:
  0  stopped as asked
  1  anything not below
  2  a setting or the command line is wrong
  3  an address is in use
  4  an address may not be used: permission, or not of this machine
  5  certificate or key cannot be used
  6  the application could not be made
  7  no application of this name runs";
