//! Signed cookies: users can read the value and not change it. Express writes the same ones.
//!
//! ```text
//! curl -i -c jar -d ada http://127.0.0.1:8080/sign-in                user=s%3Aada.<signature>
//! curl -b jar http://127.0.0.1:8080/                                 hello ada
//! curl -i -b 'user=eve' http://127.0.0.1:8080/                       401: not signed
//! curl -i -b jar -X POST http://127.0.0.1:8080/sign-out
//! ```
//!
//! To replace a secret, put the new one first and keep the old one until its cookies have expired.

#![forbid(unsafe_code)]

use narae::cookies::{Error, Secrets};
use narae::prelude::*;

/// A real application checks a password here.
async fn sign_in(cookies: SignedCookies, name: String) -> (SignedCookies, &'static str) {
    // A pair gets Path=/, HttpOnly and SameSite=Lax.
    (cookies.add(("user", name)), "welcome\n")
}

async fn hello(cookies: SignedCookies) -> Result<(SignedCookies, String), StatusCode> {
    let name = cookies.get("user").ok_or(StatusCode::UNAUTHORIZED)?.to_owned();
    // Signed with an older secret? Then anew, with the newest.
    let cookies = cookies.resign("user", |cookie| cookie);
    Ok((cookies, format!("hello {name}\n")))
}

async fn sign_out(cookies: SignedCookies) -> (SignedCookies, &'static str) {
    (cookies.remove("user"), "goodbye\n")
}

fn router() -> Result<Router, Error> {
    // A real application reads them from its environment; all workers need the same ones.
    let secrets = Secrets::new(["a lesson's newest secret", "a lesson's older secret"])?;
    Ok(Router::new()
        .route("/", get(hello))
        .route("/sign-in", post(sign_in))
        .route("/sign-out", post(sign_out))
        .layer(Extension(secrets)))
}

fn main() -> narae::Result {
    narae::app(router).http("127.0.0.1:8080").run()
}
