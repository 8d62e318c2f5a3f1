//! A login with a session: who am I, messages for the next page, "stay logged in", log out.
//!
//! ```text
//! cargo run --example login           then http://127.0.0.1:8080/ in a browser: ada, lovelace
//! curl -i -c jar -b jar -d name=ada -d password=lovelace http://127.0.0.1:8080/login
//! curl -c jar -b jar http://127.0.0.1:8080/                    welcome, and: hello ada
//! curl -i -c jar -b jar -X POST http://127.0.0.1:8080/logout   the browser is told to forget the cookie
//! ```
//!
//! Sessions are in the folder `sessions`, which all workers share: a login survives `narae reload`, a crash and
//! a reboot.

#![forbid(unsafe_code)]

use std::time::Duration;

use narae::prelude::*;
use narae::session::Error;
use narae::session::store::{Embedded, StoreError};
use serde::Deserialize;

const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

#[derive(Deserialize)]
struct Login {
    name: String,
    password: String,
    remember: Option<String>,
}

impl Login {
    /// A real application looks a hash up in its database (argon2, bcrypt).
    fn is_right(&self) -> bool {
        self.name == "ada" && self.password == "lovelace"
    }
}

async fn page(session: Session) -> Result<Html<String>, Error> {
    let messages: String =
        session.take_flash()?.iter().map(|flash| format!("<p>{}: {}\n", flash.kind, flash.text)).collect();
    // What comes from users must be escaped in HTML; this name was compared with ours.
    let rest = match session.user() {
        Some(user) => {
            format!("<p>hello {user}\n<form method=post action=/logout><button>Log out</button></form>\n")
        }
        None => FORM.to_owned(),
    };
    Ok(Html(format!("<!doctype html>\n<title>Login</title>\n{messages}{rest}")))
}

async fn login(session: Session, Form(login): Form<Login>) -> Result<Redirect, Error> {
    if !login.is_right() {
        session.flash("error", "wrong name or password")?;
        return Ok(Redirect::to("/"));
    }
    // The session gets a new id: one that somebody planted in this browser before is worth nothing now.
    session.login(&login.name)?;
    if login.remember.is_some() {
        session.remember_for(MONTH)?;
    }
    session.flash("info", "welcome")?;
    // All of it is kept before this redirect is sent: the next page finds it, whichever worker answers.
    Ok(Redirect::to("/"))
}

async fn logout(session: Session) -> Result<Redirect, Error> {
    session.destroy().await?;
    Ok(Redirect::to("/"))
}

fn router() -> Result<Router, StoreError> {
    let sessions = Sessions::new(Embedded::open("sessions")?);
    Ok(Router::new()
        .route("/", get(page))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .layer(sessions))
}

fn main() -> narae::Result {
    narae::app(router).http("127.0.0.1:8080").run()
}

const FORM: &str = "<form method=post action=/login>
<input name=name placeholder=name> <input name=password type=password placeholder=password>
<label><input name=remember type=checkbox> stay logged in</label> <button>Log in</button>
</form>
";
